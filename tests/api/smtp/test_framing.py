"""The same bytes give the same answers, wherever the network cuts them; and nothing makes the parsers fall over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.smtp.commands import parse_chunk, parse_command, parse_mail, parse_recipient
from api.smtp.connection import Connection
from api.smtp.door import Door
from api.smtp.limits import Limits
from api.smtp.readers import Budget, DataReader
from api.smtp.replies import Refusal
from api.smtp.sasl import parse_login_part, parse_plain
from api.smtp.submit import Submitting
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.throttle import Growth, LocalThrottle
from hourpost.rules.canonical import ContentError
from tests.fakes.intake import RecordingIntake
from tests.fakes.standings import FixedStandings

LIMITS = Limits(message_bytes=300, errors=100)
HEAD = b"From: a@acme.test\r\n\r\n"
PIECES = [
    b"MAIL FROM:<a@acme.test>\r\n",
    b"RCPT TO:<b@example.net>\r\n",
    b"RSET\r\n",
    b"NOOP\n",
    b"xyzzy\r\n",
    b"\r\n",
    b"BDAT 21\r\n" + HEAD,
    b"BDAT 21 LAST\r\n" + HEAD,
    b"BDAT 8 LAST\r\n..\r\n.\r\n\r",
    b"BDAT 400\r\n" + b"x" * 400,
    b"VRFY " + b"y" * 2100 + b"\r\n",
]
LOGIN = b"EHLO x\r\n", b"AUTH PLAIN AGFjbWUAaHBfc210cF9zZWNyZXQ=\r\n"
SCRAPS = [b"\r\n", b".", b"\r", b"\n", b"x", b"\r\n.\r\n", b"..", b"\0", b"\r\n.", b" ", b"y" * 120]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def talk(chunks: list[bytes]) -> tuple[bytes, int]:
    """What a session under TLS that is logged in answers, and how many messages it took."""
    intake = RecordingIntake()
    loop = asyncio.get_running_loop()
    door = Door("mail.test", None, loop.time, LIMITS, LocalThrottle(Growth(0, 0)))
    role = Submitting(FixedStandings(), intake, SystemClock(), "mail.test")
    connection, wire = Connection(door, role, "127.0.0.1", set(), is_secure=True), Wire()
    connection.connection_made(wire)
    for chunk in [*LOGIN, *chunks]:
        if wire.is_closed:
            break
        connection.data_received(chunk)
        if chunk in LOGIN:
            await settle(connection)
    await settle(connection)
    answers = b"".join(line.partition(b" as em_")[0] for line in wire.written.split(b"\r\n"))
    connection.connection_lost(None)
    assert door.budget.held_bytes == 0
    return answers, len(intake.orders)


async def settle(connection: Connection) -> None:
    while connection._work is not None:
        await connection._work


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(borders)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.lists(st.integers(0, 10_000), max_size=20))
def test_commands_and_chunks_are_answered_alike_however_they_arrive(pieces: list[bytes], places: list[int]) -> None:
    data = b"".join(pieces)
    assert asyncio.run(talk([data] if data else [])) == asyncio.run(talk(cut(data, places)))


def test_the_wire_of_these_tests_takes_messages() -> None:
    assert asyncio.run(talk([PIECES[0], PIECES[1], PIECES[7]]))[1] == 1


def read(chunks: list[bytes]) -> tuple[bool, object, bytes]:
    budget = Budget(10_000)
    reader, buffer, is_done = DataReader(300, budget), bytearray(), False
    for chunk in chunks:
        buffer += chunk
        if not is_done:
            is_done = reader.take(buffer)
    content: object = reader.is_too_large
    if is_done and not reader.is_too_large:
        try:
            content = reader.content()
        except ContentError as error:
            content = error.text
    reader.release()
    assert budget.held_bytes == 0
    return is_done, content, bytes(buffer)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(SCRAPS), max_size=14).map(b"".join), st.lists(st.integers(0, 2000), max_size=20))
def test_a_message_is_read_alike_however_it_arrives(data: bytes, places: list[int]) -> None:
    assert read([data]) == read(cut(data, places))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(SCRAPS), max_size=14).map(b"".join))
def test_a_message_is_what_stands_before_the_first_true_end(data: bytes) -> None:
    is_done, content, rest = read([data])
    before, end, after = (b"\r\n" + data).partition(b"\r\n.\r\n")
    assert is_done is bool(end)
    if isinstance(content, bytes):
        assert rest == after
        lines = (before + b"\r\n").removeprefix(b"\r\n").split(b"\r\n")
        assert content == b"\r\n".join(line.removeprefix(b".") for line in lines)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=80) | st.text('<>@:;=+., aFROMTOSIZE0"\\\t\0é\r\n', max_size=60).map(str.encode))
def test_the_parsers_refuse_and_never_break(line: bytes) -> None:
    parsers = [
        (b"", lambda argument: None),
        (b"MAIL FROM:", parse_mail),
        (b"MAIL FROM:<a@b.test> ", parse_mail),
        (b"RCPT TO:", lambda argument: parse_recipient(argument, smtputf8=True)),
        (b"RCPT TO:<a@b.test> ", lambda argument: parse_recipient(argument, smtputf8=False)),
        (b"BDAT ", parse_chunk),
    ]
    for prefix, parse in parsers:
        refused = refusal_of(lambda prefix=prefix, parse=parse: parse(parse_command(prefix + line).argument))
        assert refused == b"" or (refused.endswith(b"\r\n") and refused.count(b"\n") == 1)


def refusal_of(work: Callable[[], object]) -> bytes:
    try:
        work()
    except Refusal as refusal:
        return refusal.reply
    return b""


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_the_answers_to_auth_are_refused_and_never_break(text: str) -> None:
    for parse in (parse_plain, parse_login_part):
        assert refusal_of(lambda parse=parse: parse(text))[:1] in (b"", b"5")


def test_the_postmaster_needs_no_domain() -> None:
    request = parse_recipient("TO:<PostMaster>", smtputf8=False, hostname="mail.test")
    assert request.address.spec.lower() == "postmaster@mail.test"
    with pytest.raises(Refusal):
        parse_recipient("TO:<somebody>", smtputf8=False, hostname="mail.test")


@pytest.mark.parametrize("path", ["<Postmaster>", "<POSTMASTER@LocalHost>"])
def test_from_outside_the_postmaster_of_a_host_without_a_domain_is_let_pass(path: str) -> None:
    request = parse_recipient(f"TO:{path}", smtputf8=False, hostname="localhost", is_from_outside=True)
    assert request.address.spec == "postmaster@localhost"
    with pytest.raises(Refusal):
        parse_recipient("TO:<root@localhost>", smtputf8=False, hostname="localhost", is_from_outside=True)
