"""Reading replies: whatever pieces they come in, and with bounded memory whatever comes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.gateways.relays.capabilities import Capabilities, parse_capabilities
from hourpost.gateways.relays.replies import MAX_LINE_BYTES, Reply, ReplyInvalid, ReplyReader

REPLIES = st.lists(
    st.tuples(
        st.integers(200, 599),
        st.lists(st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n")), min_size=1, max_size=4),
    ),
    max_size=6,
)


def written(replies: list[tuple[int, list[bytes]]]) -> bytes:
    lines = []
    for code, texts in replies:
        lines += [b"%d-%s\r\n" % (code, text) for text in texts[:-1]] + [b"%d %s\r\n" % (code, texts[-1])]
    return b"".join(lines)


@given(REPLIES, st.lists(st.integers(0, 400), max_size=8))
def test_replies_are_the_same_in_whatever_pieces_they_come(
    replies: list[tuple[int, list[bytes]]], cuts: list[int]
) -> None:
    stream = written(replies)
    reader, got = ReplyReader(), []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        got += reader.feed(stream[start:end])
    assert [(reply.code, reply.lines) for reply in got] == replies
    assert not reader.is_midway


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_replies_or_are_refused(chunks: list[bytes]) -> None:
    reader = ReplyReader()
    try:
        for chunk in chunks:
            for reply in reader.feed(chunk):
                enhanced, text = reply.enhanced_and_text()
                assert text.isprintable() or "\ufffd" in text or not any(ord(each) < 32 for each in text)
                assert enhanced is None or enhanced[0] == str(reply.code)[0]
    except ReplyInvalid:
        pass


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"150 too low\r\n",
        b"600 too high\r\n",
        b"25\r\n",
        b"\r\n",
        b"250+ok\r\n",
        b"250-one\r\n550 two\r\n",
        b"250 " + b"x" * MAX_LINE_BYTES + b"\r\n",
        b"x" * (MAX_LINE_BYTES + 1),
        b"250-again\r\n" * 500,
    ],
)
def test_what_is_no_reply_is_refused(stream: bytes) -> None:
    with pytest.raises(ReplyInvalid):
        ReplyReader().feed(stream)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"2.0.0 ok"], ("2.0.0", "ok")),
        ([b"ok"], (None, "ok")),
        ([b""], (None, "")),
        ([b"5.1.1 no"], (None, "5.1.1 no")),
        ([b"2.0.0"], ("2.0.0", "")),
        ([b"2.0.0 a", b"2.0.0 b", b"c"], ("2.0.0", "a b c")),
        ([b"one", b"two"], (None, "one two")),
        ([b"caf\xc3\xa9 \xff \x1b[31m\0"], (None, "caf\xe9 \ufffd  [31m")),
    ],
)
def test_the_enhanced_code_is_told_from_the_words(lines: list[bytes], expected: tuple[str | None, str]) -> None:
    assert Reply(250, lines).enhanced_and_text() == expected


def test_the_words_are_bounded() -> None:
    assert len(Reply(550, [b"x" * 4_000] * 100).enhanced_and_text()[1]) == 1_000
    assert len(Reply(550, [b"5.1.1 " + b"x" * 4_000]).enhanced_and_text()[1]) <= 1_000


def test_capabilities_are_read_in_any_case_and_old_style() -> None:
    lines = [
        b"PIPELINING first is the greeting",
        b"pipelining",
        b"SIZE 1000",
        b"8BITMIME",
        b"AUTH=LOGIN",
        b"auth PLAIN",
    ]
    expected = Capabilities(
        pipelining=True, size=True, size_bytes=1000, eight_bit_mime=True, auth=frozenset({"LOGIN", "PLAIN"})
    )
    assert parse_capabilities(Reply(250, lines)) == expected
    assert parse_capabilities(Reply(250, [b"PIPELINING"])) == Capabilities()


@pytest.mark.parametrize("line", [b"SIZE", b"SIZE 0", b"SIZE many", b"SIZE " + b"9" * 40])
def test_a_size_without_a_number_is_no_limit(line: bytes) -> None:
    capabilities = parse_capabilities(Reply(250, [b"relay", line, b""]))
    assert capabilities.size
    assert capabilities.size_bytes is None
