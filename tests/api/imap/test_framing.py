"""Commands are cut out of what arrives, wherever the packets end; a literal is only read when it is small or wanted."""

from __future__ import annotations

import pytest

from api.imap.grammar.framing import Announced, CommandText, Frame, Framer, Skipped, TooLarge, Welcome
from api.imap.limits import AFTER_LOGIN, BEFORE_LOGIN, FrameLimits
from tests.api.imap.running import RunningDoor
from tests.fixtures.handshakes import leave_before_the_handshake, wait_until_no_handshakes


def frames_of(data: bytes, size: int, *, limits: FrameLimits = AFTER_LOGIN, word: str = "accept") -> list[Frame]:
    """What comes out when ``data`` arrives in pieces of ``size``; announced messages get the word."""
    framer, found = Framer(limits), []
    for at in range(0, len(data), size):
        framer.feed(data[at : at + size])
        while (frame := framer.next()) is not None:
            found.append(frame)
            if isinstance(frame, Announced):
                getattr(framer, word)()
            if isinstance(frame, TooLarge) and not frame.tag:
                return found
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a NOOP\r\n", [CommandText(b"a NOOP")]),
        (b"a NOOP\nb NOOP\r\n", [CommandText(b"a NOOP"), CommandText(b"b NOOP")]),
        (b"\r\n", [CommandText(b"")]),
        (
            b"a LOGIN {3}\r\nann {2+}\r\npw\r\n",
            [Welcome(), CommandText(b"a LOGIN {3}\r\n {2+}\r\n", (b"ann", b"pw"))],
        ),
        (b"a LOGIN {0+}\r\n {0}\r\n\r\n", [Welcome(), CommandText(b"a LOGIN {0+}\r\n {0}\r\n", (b"", b""))]),
        (b'a X "{3}"\r\n', [CommandText(b'a X "{3}"')]),
        (
            b"a APPEND {5+}\r\nINBOX {4}\r\nbody\r\n",
            [
                Announced(b"a APPEND {5+}\r\n ", (b"INBOX",), 4, is_waiting=True),
                CommandText(b"a APPEND {5+}\r\n {4}\r\n", (b"INBOX", b"body")),
            ],
        ),
        (
            b"a append x (\\Seen) {2+}\r\nm1 UTF8 (~{2+}\r\nm2)\r\n",
            [
                Announced(b"a append x (\\Seen) ", (), 2, is_waiting=False),
                Announced(b"a append x (\\Seen) {2+}\r\n UTF8 (", (b"m1",), 2, is_waiting=False),
                CommandText(b"a append x (\\Seen) {2+}\r\n UTF8 (~{2+}\r\n)", (b"m1", b"m2")),
            ],
        ),
    ],
)
def test_commands_come_out_whole_however_they_arrive(data: bytes, expected: list[Frame], size: int) -> None:
    assert frames_of(data, size) == expected


@pytest.mark.parametrize("size", [1, 1000])
def test_a_message_nobody_wants_is_read_past(size: int) -> None:
    data = b"a APPEND x {4+}\r\na b\n {3+}\r\nxyz\r\nb NOOP\r\n"
    frames = frames_of(data, size, word="skip")
    assert frames[1:] == [Skipped(), CommandText(b"b NOOP")]


def test_a_refused_message_that_is_waited_for_leaves_nothing_behind() -> None:
    framer = Framer(AFTER_LOGIN)
    framer.feed(b"a APPEND x {4}\r\n")
    assert isinstance(framer.next(), Announced)
    framer.refuse()
    framer.feed(b"b NOOP\r\n")
    assert framer.next() == CommandText(b"b NOOP")


def test_too_large_a_literal_is_refused_where_the_client_waits_and_ends_the_session_where_not() -> None:
    assert frames_of(b"a SEARCH TEXT {99999999}\r\n", 1000) == [
        TooLarge(b"a", "a literal of 99999999 bytes is too large here")
    ]
    assert frames_of(b"a SEARCH TEXT {99999999+}\r\nx", 1000)[0].tag == b""
    assert frames_of(b"a LOGIN {4097+}\r\n", 1000, limits=BEFORE_LOGIN)[0].tag == b""
    assert frames_of(b"a LOGIN {4096+}\r\n", 1000, limits=BEFORE_LOGIN) == []


def test_lines_are_bounded_with_and_without_an_end() -> None:
    for tail in (b"", b"\r\n", b" {1+}\r\nx" * 9000):
        found = frames_of(b"a NOOP " + b"x" * 9000 + tail, 997, limits=BEFORE_LOGIN)
        assert found == [TooLarge(b"", "line too long")]


def test_many_literals_are_neither_slow_nor_deep() -> None:
    found = frames_of(b"a X" + b" {0+}\r\n" * 3000 + b"\r\n", 65_536)
    assert isinstance(found[0], TooLarge)


def test_the_line_that_answers_a_question_is_taken_as_it_is() -> None:
    framer = Framer(BEFORE_LOGIN)
    framer.feed(b"AGE {3}\r\nDO")
    assert framer.line() == b"AGE {3}"
    assert framer.line() is None
    framer.feed(b"NE\n")
    assert framer.line() == b"DONE"


def test_who_leaves_before_the_handshake_leaves_nothing_behind(door: RunningDoor) -> None:
    leave_before_the_handshake(door.imap, b"a STARTTLS\r\n")
    wait_until_no_handshakes(door.call)
