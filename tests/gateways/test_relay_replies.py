"""Reading replies: whatever pieces they come in, and with bounded memory whatever comes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.gateways.relays.capabilities import Capabilities, parse_capabilities
from hourpost.gateways.relays.replies import (
    MAX_LINE_BYTES,
    MAX_LINES,
    MAX_REPLY_BYTES,
    Reply,
    ReplyInvalid,
    ReplyReader,
)

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
        b"\0\r\n",
        b"250+ok\r\n",
        b"250-one\r\ntwo\r\n",
        b"x" * (MAX_LINE_BYTES + 1),
    ],
)
def test_what_is_no_reply_is_refused(stream: bytes) -> None:
    with pytest.raises(ReplyInvalid):
        ReplyReader().feed(stream)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"250 " + b"x" * 6_000 + b"\r\n", [(250, [b"x" * (MAX_LINE_BYTES - 4)])]),
        (b"550-" + b"x" * 6_000 + b"\r\n550 y\r\n", [(550, [b"x" * (MAX_LINE_BYTES - 4), b"y"])]),
        (b"550-again\r\n" * 500 + b"550 end\r\n", [(550, [b"again"] * MAX_LINES)]),
        (b"550-one\r\n554 two\r\n", [(554, [b"one", b"two"])]),
        (b"\r\n\n250 ok\r\n\r\n", [(250, [b"ok"])]),
        (b"250-one\r\n\r\n250 two\r\n", [(250, [b"one", b"two"])]),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 4_099, 1_000_000])
def test_a_code_that_can_be_read_counts_however_odd_the_rest(
    stream: bytes, expected: list[tuple[int, list[bytes]]], step: int
) -> None:
    reader = ReplyReader()
    got = [reply for start in range(0, len(stream), step) for reply in reader.feed(stream[start : start + step])]
    assert [(reply.code, reply.lines) for reply in got] == expected
    assert not reader.is_midway


@pytest.mark.parametrize("bad", [b"** debug: spooled\r\n", b"250+ok\r\n", b"x" * (MAX_LINE_BYTES + 1)])
def test_replies_before_a_line_that_is_none_are_handed_over(bad: bytes) -> None:
    with pytest.raises(ReplyInvalid) as raised:
        ReplyReader().feed(b"250 one\r\n550-two\r\n550 three\r\n" + bad)
    assert raised.value.replies == [Reply(250, [b"one"]), Reply(550, [b"two", b"three"])]


@pytest.mark.parametrize("piece", [b"250-again\r\n" * 500, b"\r\n" * 4_000, b"250 " + b"x" * 8_000])
def test_a_reply_without_an_end_is_given_up_and_takes_no_room(piece: bytes) -> None:
    reader, fed = ReplyReader(), 0
    with pytest.raises(ReplyInvalid, match="no end"):
        while fed <= 2 * MAX_REPLY_BYTES:
            reader.feed(piece)
            fed += len(piece)
            assert len(reader._rest) <= MAX_LINE_BYTES
            assert len(reader._lines) <= MAX_LINES


def test_many_replies_may_be_longer_together_than_one_may_be() -> None:
    reader, count = ReplyReader(), 0
    for _ in range(2 * MAX_REPLY_BYTES // 4_000):
        count += len(reader.feed(b"250-" + b"x" * 2_000)) + len(reader.feed(b"x" * 2_000 + b"\r\n250 y\r\n250"))
        count += len(reader.feed(b" z\r\n"))
    assert count == 2 * (2 * MAX_REPLY_BYTES // 4_000)


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


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"[5.7.1] no"], ("5.7.1", "no")),
        ([b"5.7.1: no", b"5.7.1: never"], ("5.7.1", "no never")),
        ([b"#5.1.0 Address rejected."], ("5.1.0", "Address rejected.")),
        ([b"(#5.1.1) no"], ("5.1.1", "no")),
        ([b"sorry, no mailbox here by that name (#5.1.1)"], ("5.1.1", "sorry, no mailbox here by that name (#5.1.1)")),
        ([b"sorry (#4.1.1)"], (None, "sorry (#4.1.1)")),
        ([b"5.1.1.2 is no address of ours"], (None, "5.1.1.2 is no address of ours")),
        ([b"see rule (#5.1.1) there"], (None, "see rule (#5.1.1) there")),
    ],
)
def test_the_enhanced_code_is_read_as_others_write_it(lines: list[bytes], expected: tuple[str | None, str]) -> None:
    assert Reply(550, lines).enhanced_and_text() == expected


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
