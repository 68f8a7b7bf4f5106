"""What is written leaves whole and in order, in few writes, whatever the pieces are."""

from __future__ import annotations

import zlib

import pytest

from api.imap.outlet import Outlet

LARGE = [b"* 1 FETCH (BODY[] {9000}\r\n", b"x" * 9000, b")\r\n"]
SMALL = [b"* %d EXISTS\r\n" % number for number in range(100)]


class Transport:
    """Keeps each write; ``tls`` as asyncio's own say it."""

    def __init__(self, tls: object = None) -> None:
        self.writes: list[list[bytes]] = []
        self._tls = tls
        self.is_over = False

    def get_extra_info(self, name: str) -> object:
        return self._tls if name == "sslcontext" else None

    def is_closing(self) -> bool:
        return self.is_over

    def write(self, data: bytes) -> None:
        self.writes.append([data])

    def writelines(self, pieces: list[bytes]) -> None:
        self.writes.append(list(pieces))


def push(transport: Transport, pieces: list[bytes], *, deflate: bool = False) -> None:
    outlet = Outlet()
    outlet.attach(transport)  # type: ignore[arg-type]  # it has what is asked of it
    if deflate:
        outlet.deflate()
    for piece in pieces:
        outlet.write(piece)
    outlet.push()
    outlet.push()


@pytest.mark.parametrize(
    ("tls", "pieces", "writes"),
    [(None, LARGE, [LARGE]), (None, SMALL, [[b"".join(SMALL)]]), ("a context", LARGE, [[b"".join(LARGE)]])],
)
def test_large_pieces_are_copied_together_only_where_each_would_be_a_record(tls, pieces, writes):
    transport = Transport(tls)
    push(transport, pieces)
    assert transport.writes == writes


def test_what_is_compressed_is_so_as_a_whole():
    transport = Transport()
    push(transport, LARGE, deflate=True)
    assert zlib.decompressobj(-15).decompress(transport.writes[0][0]) == b"".join(LARGE)


@pytest.mark.parametrize("pieces", [LARGE, SMALL])
def test_nothing_is_written_to_who_is_leaving(pieces):
    transport = Transport()
    transport.is_over = True
    push(transport, pieces)
    assert transport.writes == []
