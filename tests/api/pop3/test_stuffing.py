"""Dots and TOP, whatever the pieces in which a message comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pop3.stuffing import Stuffer, Top, write_message

_texts = st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"..", b"\r\n.\r\n", b"\r\n\r\n"]), max_size=12)
contents = _texts.map(b"".join)


def cut(content: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(content[:size])
        content = content[size:]
    return [*pieces, content]


def undot(written: bytes) -> bytes:
    assert written.endswith(b"\r\n.\r\n") or written == b".\r\n"
    lines = (b"\r\n" + written)[: -len(b"\r\n.\r\n")].split(b"\r\n")
    assert b"." not in lines
    return b"\r\n".join(line.removeprefix(b".") for line in lines)[2:]


@given(contents, st.lists(st.integers(0, 4), max_size=8))
def test_a_client_gets_the_message_back_whatever_the_pieces(content: bytes, sizes: list[int]) -> None:
    stuffer = Stuffer()
    written = b"".join([stuffer.feed(piece) for piece in cut(content, sizes)]) + stuffer.end()
    assert written == write_message(content)
    assert undot(written) == content.removesuffix(b"\r\n")


@given(contents, st.lists(st.integers(0, 4), max_size=8), st.integers(0, 4))
def test_top_is_the_same_whatever_the_pieces(content: bytes, sizes: list[int], lines: int) -> None:
    whole, top = Top(lines), Top(lines)
    assert b"".join([top.feed(piece) for piece in cut(content, sizes)]) == whole.feed(content)


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        (b"a: b\r\n\r\n1\r\n2\r\n", 0, b"a: b\r\n\r\n"),
        (b"a: b\r\n\r\n1\r\n2\r\n", 1, b"a: b\r\n\r\n1\r\n"),
        (b"a: b\r\n\r\n1\r\n2\r\n", 9, b"a: b\r\n\r\n1\r\n2\r\n"),
        (b"\r\n1\r\n", 0, b"\r\n"),
        (b"a: b\r\n", 5, b"a: b\r\n"),
        (b"", 5, b""),
    ],
)
def test_top_has_the_header_and_so_many_lines(content: bytes, lines: int, expected: bytes) -> None:
    assert Top(lines).feed(content) == expected
