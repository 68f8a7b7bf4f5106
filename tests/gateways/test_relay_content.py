"""Dot-stuffing: what arrives is what was stored, and nothing in it can end the message early."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.gateways.relays import ContentNotCanonical
from hourpost.gateways.relays.content import PIECE_BYTES, dot_stuff, pieces_of

LINES = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a", b"a.", b"a.b"]), max_size=12)


def unstuffed(data: bytes) -> bytes:
    assert data.endswith(b"\r\n") or not data
    assert b"\r\n.\r\n" not in b"\r\n" + data
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in data.split(b"\r\n")[:-1])


@given(LINES, st.lists(st.integers(0, 40), max_size=10))
def test_the_relay_reads_the_same_bytes_however_they_were_cut(lines: list[bytes], cuts: list[int]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    chunks = [content[start:end] for start, end in itertools.pairwise(edges)]
    assert unstuffed(b"".join(dot_stuff(chunks))) == content


def test_content_without_dots_is_not_copied() -> None:
    content = b"a\r\nb\r\n"
    assert dot_stuff([content])[0] is content


def test_a_last_line_without_its_end_gets_one() -> None:
    assert b"".join(dot_stuff([b"a"])) == b"a\r\n"


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\n.\r\n", b"\r.\r\n", b"\0\r\n.\r\n", b"\r\n.\0\r\n"]
)
@pytest.mark.parametrize("cut", range(7))
def test_an_end_of_data_that_only_careless_relays_see_is_refused(end: bytes, cut: int) -> None:
    content = b"a" + end + b"MAIL FROM:<evil@x.test>\r\n"
    with pytest.raises(ContentNotCanonical):
        dot_stuff([content[:cut], content[cut:]])


@pytest.mark.parametrize("end", [b"\r\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\r\n. \r\n"])
def test_an_end_of_data_at_a_line_start_is_stuffed(end: bytes) -> None:
    stuffed = b"".join(dot_stuff([b"a" + end + b"b\r\n"]))
    assert b"\r\n.." in stuffed


@pytest.mark.parametrize("content", [b"a\r", b"a\n", b"a\r\n\r"])
def test_half_a_line_end_at_the_end_is_refused(content: bytes) -> None:
    with pytest.raises(ContentNotCanonical):
        dot_stuff([content])


def test_large_content_is_written_in_pieces() -> None:
    content = bytes(PIECE_BYTES * 2 + 5)
    pieces = list(pieces_of([content, b"end"]))
    assert b"".join(pieces) == content + b"end"
    assert max(map(len, pieces)) <= PIECE_BYTES
