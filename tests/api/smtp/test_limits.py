"""What a client may not do for ever, too often, or too slowly."""

from __future__ import annotations

import asyncio
import resource
import smtplib
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable

import pytest

from hourpost.gateways.throttle import Growth, LocalThrottle, LoginKeys
from tests.api.smtp.dialog import Client
from tests.api.smtp.running import RunningDoor
from tests.fakes.standings import PASSWORD, USERNAME
from tests.fixtures.handshakes import leave_before_the_handshake, wait_until_no_handshakes

OPEN = b"MAIL FROM:<a@acme.test>\r\nRCPT TO:<b@example.net>\r\n"
TOO_MANY = "421 4.7.0 too many connections, please come again later"
HEAD = b"From: a@acme.test\r\n\r\n"
NewDoor = Callable[..., RunningDoor]


def begin_data(client: Client) -> None:
    client.send(OPEN + b"DATA\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]


def logged_in(door: RunningDoor) -> Client:
    client = Client(door, "submissions")
    client.log_in()
    return client


def test_a_message_over_the_size_is_refused_at_its_end(new_door: NewDoor) -> None:
    door = new_door(message_bytes=1000)
    with logged_in(door) as client:
        begin_data(client)
        assert client.ask(HEAD + b"x" * 78 + b"\r\n" * 1000 + b".\r\n").startswith("552 5.3.4")
        begin_data(client)
        filling = HEAD + b"x" * (1000 - len(HEAD) - 2) + b"\r\n"
        assert client.ask(filling.replace(b"x" * 900, b"x" * 450 + b"\r\n" + b"x" * 448) + b".\r\n").startswith("250")


def test_chunks_over_the_size_are_refused_together(new_door: NewDoor) -> None:
    with logged_in(new_door(message_bytes=1000)) as client:
        client.send(OPEN + b"BDAT 600\r\n" + b"x" * 600 + b"BDAT 600\r\n" + b"x" * 600 + b"BDAT 1 LAST\r\nxRSET\r\n")
        assert [client.reply()[:9] for _ in range(6)] == [
            "250 2.1.0",
            "250 2.1.5",
            "250 2.0.0",
            "552 5.3.4",
            "503 5.5.1",
            "250 2.0.0",
        ]


def test_no_memory_left_for_messages_is_temporary(new_door: NewDoor) -> None:
    door = new_door(bytes_in_hand=1000)
    with logged_in(door) as client:
        begin_data(client)
        assert client.ask(HEAD + b"y\r\n" * 1000 + b".\r\n").startswith("452 4.3.1")
        begin_data(client)
        assert client.ask(HEAD + b"y\r\n.\r\n").startswith("250")
    assert door.door.budget.held_bytes == 0


def test_bytes_in_hand_are_given_back_when_the_client_leaves(new_door: NewDoor) -> None:
    door = new_door()
    with logged_in(door) as client:
        begin_data(client)
        client.send(HEAD + b"y" * 500)
        wait_for(lambda: door.door.budget.held_bytes > 500)
    wait_for(lambda: door.door.budget.held_bytes == 0)


def test_recipients_beyond_the_most_are_put_off_and_no_error_of_the_session(new_door: NewDoor) -> None:
    with logged_in(new_door(errors=3, recipients=2)) as client:
        recipients = b"".join(b"RCPT TO:<r%d@example.net>\r\n" % number for number in range(10))
        client.send(b"MAIL FROM:<a@acme.test>\r\n" + recipients + b"DATA\r\n")
        answers = [client.reply()[:9] for _ in range(12)]
        assert answers[1:] == ["250 2.1.5"] * 2 + ["452 4.5.3"] * 8 + ["354 end d"]
        assert client.ask(HEAD + b"x\r\n.\r\n").startswith("250 2.0.0 queued")


def test_too_many_errors_end_the_session(new_door: NewDoor) -> None:
    with logged_in(new_door(errors=3)) as client:
        client.send(b"x\r\ny\r\nz\r\nNOOP\r\n")
        assert [client.line()[:3] for _ in range(4)] == ["500", "500", "500", "421"]
        assert client.line() == "<end>"


def test_a_line_without_an_end_ends_the_session(door: RunningDoor) -> None:
    with Client(door, "inbound") as client:
        client.line()
        client.send(b"x" * 13_000)
        assert client.line() == "500 5.5.2 line too long, closing"
        assert client.line() == "<end>"


def test_an_idle_session_ends(new_door: NewDoor) -> None:
    door = new_door(idle_seconds=100)
    with logged_in(door) as client:
        door.seconds.advance(101)
        assert client.line().startswith("421 4.4.2 idle")
        assert client.line() == "<end>"


def test_a_session_does_not_last_for_ever(new_door: NewDoor) -> None:
    door = new_door(session_seconds=1000, idle_seconds=300)
    with Client(door, "inbound") as client:
        client.line()
        client.ask(b"EHLO x\r\n")
        for _ in range(4):
            door.seconds.advance(200)
            assert client.ask(b"NOOP\r\n").startswith("250")
        door.seconds.advance(201)
        assert client.line().startswith("421 4.4.2 the session lasted too long")


def test_a_message_that_trickles_ends_the_session(new_door: NewDoor) -> None:
    door = new_door(slow_after_seconds=30, least_bytes_per_second=10)
    with logged_in(door) as client:
        begin_data(client)
        client.send(HEAD)
        door.seconds.advance(31)
        assert client.line().startswith("421 4.4.2 the message comes too slowly")


def test_connections_of_an_address_are_capped_before_the_handshake(new_door: NewDoor) -> None:
    door = new_door(connections_per_network=2)
    first, second = logged_in(door), logged_in(door)
    with Client(door, "inbound") as third:
        assert third.line().startswith("421 4.7.0 too many connections")
    with pytest.raises((ssl.SSLError, OSError)):
        Client(door, "submissions")
    first.close()
    second.close()
    door.wait_until_empty()


@pytest.mark.parametrize(
    ("port", "said", "answers"),
    [
        ("inbound", b"", []),
        ("inbound", b"NOOP\r\n", ["250 2.0.0 ok"]),
        ("submission", b"EHLO x\r\nNOOP\r\n", None),
        ("submissions", b"", []),
    ],
)
def test_who_does_not_say_who_it_is_is_sent_away_after_a_minute(
    new_door: NewDoor, port: str, said: bytes, answers: list[str] | None
) -> None:
    door = new_door()
    with Client(door, port) as client:
        client.line()
        heard = [client.ask(line + b"\r\n") for line in said.split(b"\r\n") if line]
        assert answers is None or heard == answers
        door.seconds.advance(61)
        assert client.line().startswith("421 4.4.2 neither a log-in nor")
        assert client.line() == "<end>"


def test_who_has_said_its_name_on_port_25_or_logged_in_may_be_silent_for_minutes(new_door: NewDoor) -> None:
    door = new_door()
    with Client(door, "inbound") as server, logged_in(door) as program:
        server.line()
        server.ask(b"EHLO x\r\n")
        door.seconds.advance(200)
        time.sleep(0.1)
        assert [one.ask(b"NOOP\r\n") for one in (server, program)] == ["250 2.0.0 ok"] * 2


@pytest.mark.parametrize("port", ["inbound", "submission", "submissions"])
def test_of_strangers_one_too_many_takes_the_place_of_the_oldest_that_is_silent(new_door: NewDoor, port: str) -> None:
    door = new_door(strangers_per_network=2)
    with logged_in(door) as known, Client(door, port) as first, Client(door, port) as second:
        assert [one.line()[:3] for one in (first, second)] == ["220", "220"]
        with Client(door, port) as third:
            assert third.line().startswith("220")
            assert first.line() == ("<end>" if port == "submissions" else TOO_MANY)
            assert [one.ask(b"NOOP\r\n") for one in (second, third, known)] == ["250 2.0.0 ok"] * 3


def test_nobody_makes_room_in_the_middle_of_a_message(new_door: NewDoor) -> None:
    door = new_door(strangers_per_network=1)
    with Client(door, "inbound") as sender, Client(door, "submissions") as program:
        sender.line()
        assert [sender.ask(one)[:3] for one in (b"EHLO x\r\n", b"MAIL FROM:<a@far.example>\r\n")] == ["250", "250"]
        with Client(door, "inbound") as another:
            assert another.line() == TOO_MANY
        assert sender.ask(b"RCPT TO:<box@acme.test>\r\n").startswith("250")
        program.log_in()  # who is for something else has room of its own


@pytest.mark.parametrize("begin", [b"", b"EHLO x\r\nSTARTTLS\r\n"], ids=["TLS at once", "STARTTLS"])
def test_who_is_waited_for_in_a_handshake_makes_room(new_door: NewDoor, begin: bytes) -> None:
    door = new_door(strangers_per_network=1)
    port = door.submission if begin else door.submissions
    with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
        silent.sendall(begin[:8])
        if begin:
            while b"250 " not in silent.recv(4096):
                pass
            silent.sendall(begin[8:])
            assert silent.recv(4096).startswith(b"220 ")
        wait_for(lambda: door.door.guard.connections == 1)
        with logged_in(door) as program:
            assert silent.recv(1) == b""
            assert program.ask(b"NOOP\r\n") == "250 2.0.0 ok"
    door.wait_until_empty()


def test_a_full_door_has_room_for_who_logs_in(new_door: NewDoor) -> None:
    door = new_door(connections=4)
    with logged_in(door), logged_in(door):
        silent = [socket.create_connection(("127.0.0.1", door.inbound), timeout=10) for _ in range(2)]
        assert [one.recv(4)[:3] for one in silent] == [b"220", b"220"]
        with logged_in(door) as program:
            assert program.ask(b"NOOP\r\n") == "250 2.0.0 ok"
        for one in silent:
            one.close()


def test_a_handshake_that_never_comes_frees_its_place(new_door: NewDoor) -> None:
    door = new_door(handshake_seconds=0.2)
    with Client(door) as client:
        client.line()
        client.ask(b"EHLO x\r\n")
        client.ask(b"STARTTLS\r\n")
        assert client.line() == "<end>"
    door.wait_until_empty()


def test_garbage_in_place_of_a_handshake_frees_its_place(new_door: NewDoor) -> None:
    door = new_door()
    with Client(door) as client:
        client.line()
        client.ask(b"EHLO x\r\n")
        client.ask(b"STARTTLS\r\n")
        client.send(b"MAIL FROM:<a@acme.test>\r\n")
        while client.line() != "<end>":
            pass
    door.wait_until_empty()


def test_each_failed_login_by_one_name_from_an_address_waits_longer(new_door: NewDoor) -> None:
    door = new_door(throttle=LocalThrottle(Growth(0.05, 0.4, 60)))
    waits = []
    for _ in range(4):
        with Client(door, "submissions") as client:
            client.line()
            client.ask(b"EHLO x\r\n")
            began = time.monotonic()
            assert client.ask(b"AUTH PLAIN AGEAYg==\r\n").startswith("535 5.7.8")
            waits.append(time.monotonic() - began)
    # What the failures before cost, and then this one's own; timers count in whole milliseconds and may end early
    assert [wait >= 0.9 * least for wait, least in zip(waits, (0.05, 0.15, 0.3, 0.6), strict=True)] == [True] * 4


class _Noting(LocalThrottle):
    """Notes how long each log-in was kept waiting."""

    async def delay(self, keys: LoginKeys) -> float:
        self.noted = await super().delay(keys)
        return self.noted


def test_a_program_with_an_old_password_slows_itself_and_not_its_neighbour(new_door: NewDoor) -> None:
    throttle = _Noting(Growth(0.01, 0.02, 3600))
    door = new_door(throttle=throttle)
    for _ in range(12):
        program = smtplib.SMTP_SSL("localhost", door.submissions, context=door.tls, timeout=60)
        with program, pytest.raises(smtplib.SMTPAuthenticationError):
            program.login("old", "wrong")
    assert throttle.noted == 0.02
    with smtplib.SMTP_SSL("localhost", door.submissions, context=door.tls, timeout=60) as neighbour:
        neighbour.login(USERNAME, PASSWORD)
    assert throttle.noted == 0


def test_unknown_user_and_wrong_secret_wait_alike(new_door: NewDoor) -> None:
    answers, waits = [], []
    for word in (b"AGFjbWUAd3Jvbmc=", b"AG5vYm9keQB3cm9uZw=="):
        door = new_door(throttle=LocalThrottle(Growth(0.1, 0.1, 60)))
        with Client(door, "submissions") as client:
            client.line()
            client.ask(b"EHLO x\r\n")
            began = time.monotonic()
            answers.append(client.ask(b"AUTH PLAIN " + word + b"\r\n"))
            waits.append(time.monotonic() - began)
    assert answers[0] == answers[1]
    assert min(waits) >= 0.09  # two clocks


def test_draining_sends_idle_sessions_away_and_lets_messages_end(new_door: NewDoor) -> None:
    door = new_door(drain_seconds=30)
    idle, busy = logged_in(door), logged_in(door)
    begin_data(busy)
    drained = threading.Thread(target=door.call, args=(door.server.drain(),))
    drained.start()
    assert idle.line().startswith("421 4.3.2 shutting down")
    assert idle.line() == "<end>"
    with pytest.raises(ConnectionRefusedError):
        Client(door, "inbound")
    assert busy.ask(HEAD + b".\r\n").startswith("250 2.0.0 queued as em_")
    assert busy.line().startswith("421 4.3.2")
    drained.join(30)
    assert not drained.is_alive()
    assert len(door.intake.orders) == 1


def test_draining_ends_what_does_not_end_by_itself(new_door: NewDoor) -> None:
    door = new_door(drain_seconds=0.2)
    with logged_in(door) as client:
        begin_data(client)
        door.call(door.server.drain())
        assert client.line() == "<end>"


def test_a_client_that_reads_nothing_is_answered_no_further(door: RunningDoor) -> None:
    with Client(door, "inbound") as client:
        client.line()
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.send(b"HELP\r\n" * 4_000_000)


def test_a_thousand_sessions_stay_open(door: RunningDoor) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))

    async def log_in() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.submissions, ssl=door.tls)
        writer.write(b"EHLO x\r\n")
        while not (await reader.readline()).startswith(b"250 "):
            pass
        writer.write(b"AUTH PLAIN " + b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()) + b"\r\n")
        assert (await reader.readline()).startswith(b"235")
        return reader, writer

    async def sit() -> None:
        opened = [await log_in() for _ in range(1000)]
        for _, writer in opened:
            writer.write(b"NOOP\r\n")
        for reader, _ in opened:
            assert await reader.readline() == b"250 2.0.0 ok\r\n"
        assert door.door.guard.connections == 1000
        for _, writer in opened:
            writer.transport.abort()

    asyncio.run(asyncio.wait_for(sit(), 90))
    door.wait_until_empty()


def wait_for(is_true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_who_leaves_before_the_handshake_leaves_nothing_behind(door: RunningDoor) -> None:
    leave_before_the_handshake(door.submission, b"STARTTLS\r\n")
    door.wait_until_empty()
    wait_until_no_handshakes(door.call)
