"""Headers of the PROXY protocol: whom a proxy speaks for, and what is none."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from api.listening.proxied import HeaderInvalid, read_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(family: int, told: bytes, command: int = 0x21, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(told) if length is None else length) + told


def tcp(source: str, extra: bytes = b"") -> bytes:
    packed = ip_address(source).packed
    return version_2(0x11 if len(packed) == 4 else 0x21, packed * 2 + struct.pack("!HH", 4000, 25) + extra)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:DB8::0007 2001:db8::1 4000 25\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 4000 25\r\n", "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (tcp("192.0.2.7"), "192.0.2.7"),
        (tcp("2001:db8::7"), "2001:db8::7"),
        (tcp("::ffff:192.0.2.7"), "192.0.2.7"),
        (tcp("192.0.2.7", b"\x03\x00\x04\x00\x00\x00\x00"), "192.0.2.7"),  # with a checksum that nobody asks for
        (version_2(0x00, b"", 0x20), None),
        (version_2(0x11, bytes(12), 0x20), None),
        (version_2(0x00, b"anything"), None),
    ],
)
async def test_a_header_says_who_is_behind_it_and_nothing_after_it_is_read(
    ends: tuple[socket.socket, socket.socket], header: bytes, address: str | None
) -> None:
    ours, theirs = ends
    reading = asyncio.create_task(read_address(ours))
    for piece in (header[:5], header[5:14], header[14:-1], header[-1:] + b"EHLO"):  # in whatever pieces it comes
        await asyncio.sleep(0)
        theirs.sendall(piece)
    assert await reading == address
    assert ours.recv(100) == b"EHLO"


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO client.example\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",  # TLS
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4000\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 4000 25\r\n",
        b"PROXY TCP4 ada.example 198.51.100.1 4000 25\r\n",
        b"PROXY TCP4 192.0.2.\xff 198.51.100.1 4000 25\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 4000 25\r\n",
        b"PROXY  \r\n     ",
        b"PROXY " + b"x" * 200,
        b"PROXY TCP4 192",
        SIGNATURE[:-1],
        version_2(0x11, bytes(11)),
        version_2(0x21, bytes(12)),
        version_2(0x12, bytes(12)),  # UDP
        version_2(0x31, bytes(216)),  # a path of this machine
        version_2(0x11, bytes(12), 0x22),
        version_2(0x11, bytes(12), 0x11),
        version_2(0x11, b"", length=65_535),
        version_2(0x11, bytes(5), length=12),
    ],
)
async def test_what_is_no_header_is_taken_for_nobody(ends: tuple[socket.socket, socket.socket], header: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(header)
    theirs.close()
    with pytest.raises(HeaderInvalid):
        async with asyncio.timeout(30):
            await read_address(ours)
