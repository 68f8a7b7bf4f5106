"""What a client may ask of the door, and what happens when it asks for more, or for nothing at all."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
from redis import Redis

from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.api.imap.running import RunningDoor

Open = Callable[..., RunningDoor]


def test_a_mailbox_has_room_for_so_many_sessions(new_door: Open, box: Box) -> None:
    door = new_door(sessions_per_mailbox=2)
    with Client(door) as first, Client(door) as second, Client(door) as third:
        first.log_in(box.address, box.password)
        second.log_in(box.address, box.password)
        third.response()
        login = f'LOGIN "{box.address}" "{box.password}"'.encode()
        assert third.ask(login)[-1].startswith(b"NO [LIMIT]")
        first.ask(b"LOGOUT")
        first.response()
        assert third.ask(login)[-1].startswith(b"OK")


def test_sessions_are_counted_over_all_processes(new_door: Open, box: Box) -> None:
    one, other = (new_door(sessions_per_mailbox=2) for _ in range(2))
    login = f'LOGIN "{box.address}" "{box.password}"'.encode()
    with Client(one) as first, Client(other) as second, Client(other) as third:
        first.log_in(box.address, box.password)
        second.log_in(box.address, box.password)
        third.response()
        assert third.ask(login)[-1].startswith(b"NO [LIMIT]")
        first.close()
        ends_at = time.monotonic() + 20
        while not third.ask(login)[-1].startswith(b"OK"):
            assert time.monotonic() < ends_at


def test_sessions_that_last_keep_their_places(new_door: Open, box: Box, redis_url: str) -> None:
    door = new_door(sessions_per_mailbox=1, renew_seconds=0.05)
    with Client(door) as client, Redis.from_url(redis_url) as redis:
        client.log_in(box.address, box.password)
        key = f"imap:sessions:{{{box.id.hex}}}"
        redis.delete(key)
        ends_at = time.monotonic() + 20
        while not redis.zcard(key):
            assert time.monotonic() < ends_at
            time.sleep(0.02)


def test_too_many_connections_are_told_so(new_door: Open, box: Box) -> None:
    door = new_door(connections=1)
    with Client(door) as first:
        first.log_in(box.address, box.password)
        with Client(door, "imap") as second:
            assert second.response().startswith(b"* BYE [LIMIT]")
            assert second.response() == b"<end>"


def test_one_too_many_takes_the_place_of_who_has_said_nothing(new_door: Open, box: Box) -> None:
    door = new_door(strangers_per_network=1)
    with Client(door) as known:
        known.log_in(box.address, box.password)
        first = Client(door, "imap")
        assert first.response().startswith(b"* OK")
        with first, Client(door, "imap") as second:
            assert second.response().startswith(b"* OK")
            assert first.response().startswith(b"* BYE [LIMIT]")
            assert first.response() == b"<end>"
            assert known.ask(b"NOOP")[-1].startswith(b"OK")


def test_three_wrong_passwords_end_a_session(new_door: Open, box: Box) -> None:
    with Client(new_door()) as client:
        client.response()
        for _ in range(2):
            assert client.ask(f'LOGIN "{box.address}" "wrong"'.encode())[-1].startswith(b"NO [AUTHENTICATIONFAILED]")
        assert client.ask(f'LOGIN "{box.address}" "wrong"'.encode())[0].startswith(b"* BYE [LIMIT]")
        assert client.response() == b"<end>"


def test_who_does_not_log_in_is_sent_away(new_door: Open) -> None:
    with Client(new_door(seconds_before_login=0.1), "imap") as client:
        client.response()
        assert client.response().startswith(b"* BYE nobody logged in in time")
        assert client.response() == b"<end>"


def test_twenty_commands_before_login_are_enough(new_door: Open) -> None:
    with Client(new_door(commands_before_login=3), "imap") as client:
        client.response()
        for _ in range(3):
            client.ask(b"NOOP")
        assert client.ask(b"NOOP")[0].startswith(b"* BYE [LIMIT]")


def test_silence_ends_a_session_even_in_idle(new_door: Open, box: Box) -> None:
    door = new_door(idle_seconds=1800, still_here_seconds=120)
    with Client(door) as client:
        client.log_in(box.address, box.password)
        client.send(b"i IDLE\r\n")
        assert client.response() == b"+ idling"
        door.seconds.advance(121)
        assert client.response() == b"* OK Still here"
        door.seconds.advance(1700)
        assert client.response().startswith(b"* BYE idle")
        assert client.response() == b"<end>"


def test_many_mistakes_in_a_row_end_a_session(new_door: Open, box: Box) -> None:
    with Client(new_door(errors=3)) as client:
        client.log_in(box.address, box.password)
        client.ask(b"NONSENSE")
        client.ask(b"NOOP")
        answers = [client.ask(b"NONSENSE")[-1] for _ in range(3)]
        assert answers[:2] == [b"BAD no such command"] * 2
        assert client.response().startswith(b"* BYE") or answers[2].startswith(b"BAD")
        assert client.response() == b"<end>"


def test_a_client_that_does_not_read_is_let_go(new_door: Open, box: Box) -> None:
    door = new_door(write_seconds=0.3)
    with Client(door) as client:
        client.log_in(box.address, box.password)
        client.append(LETTERS["plain"] + b"x" * 3_000_000)
        client.ask(b"SELECT INBOX")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(10)))
        ends_at = time.monotonic() + 20
        while door.door.guard.connections and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert door.door.guard.connections == 0


def test_everybody_hears_bye_at_the_end(new_door: Open, box: Box) -> None:
    door = new_door()
    with Client(door) as idle, Client(door) as silent:
        idle.log_in(box.address, box.password)
        idle.ask(b"SELECT INBOX")
        idle.send(b"i IDLE\r\n")
        idle.response()
        silent.log_in(box.address, box.password)
        door.call(door.server.drain())
        for client in (idle, silent):
            assert client.response().startswith(b"* BYE [UNAVAILABLE] shutting down")
            assert client.response() == b"<end>"


def test_memory_for_messages_is_bounded_and_given_back(new_door: Open, box: Box) -> None:
    door = new_door(bytes_in_hand=1000)
    with Client(door) as client, Client(door) as other:
        client.log_in(box.address, box.password)
        other.log_in(box.address, box.password)
        client.send(b"a APPEND INBOX {900}\r\n")
        assert client.response() == b"+ OK"
        assert other.ask(b"APPEND INBOX {200}")[-1].startswith(b"NO [UNAVAILABLE]")
        client.close()
        ends_at = time.monotonic() + 20
        while door.door.bytes_in_hand and time.monotonic() < ends_at:
            time.sleep(0.02)
        other.append(LETTERS["plain"][:150])
        assert door.door.bytes_in_hand == 0


def test_who_announces_a_message_and_falls_silent_gives_its_memory_back(new_door: Open, box: Box) -> None:
    door = new_door(arriving_seconds=0.3)
    with Client(door) as client, Client(door) as other:
        client.log_in(box.address, box.password)
        other.log_in(box.address, box.password)
        client.send(b"a APPEND INBOX {900}\r\n")
        assert client.response() == b"+ OK"
        assert client.response().startswith(b"* BYE idle")
        ends_at = time.monotonic() + 10
        while door.door.bytes_in_hand and time.monotonic() < ends_at:
            time.sleep(0.02)
        assert door.door.bytes_in_hand == 0
        assert other.ask(b"NOOP")[-1].startswith(b"OK")  # was as silent, and keeps nothing


@pytest.mark.parametrize(
    ("is_logged_in", "command"),
    [
        (False, b"a LOGIN {address} {password}"),
        (True, b"a SELECT INBOX"),
        (True, b"a APPEND INBOX {1000000+}"),
    ],
)
def test_who_leaves_in_the_middle_of_a_command_leaves_nothing_behind(
    new_door: Open, box: Box, is_logged_in: bool, command: bytes
) -> None:
    running = new_door(sessions_per_mailbox=2)
    command = command.replace(b"{address}", box.address.encode())
    command = command.replace(b"{password}", f'"{box.password}"'.encode())
    for _ in range(6):
        with Client(running) as client:
            if is_logged_in:
                client.log_in(box.address, box.password)
            else:
                client.response()
            client.send(command + b"\r\n")
        running.wait_until_empty()
        running.call(finish_commands())
        door = running.door
        assert (len(door.places), len(door.folders), door.bytes_in_hand) == (0, 0, 0)


async def finish_commands() -> None:
    """Wait for what is still being worked on for nobody."""
    names = ("Connection._await", "MailStore")
    at_work = [one for one in asyncio.all_tasks() if one.get_coro().__qualname__.startswith(names)]  # type: ignore[union-attr]
    await asyncio.wait([*at_work, asyncio.create_task(asyncio.sleep(0))], timeout=10)


def test_commands_sent_ahead_are_answered_in_turn(client: Client) -> None:
    message = LETTERS["plain"]
    client.send(
        b"p1 APPEND INBOX {%d+}\r\n%b\r\np2 SELECT INBOX\r\np3 FETCH 1 FLAGS\r\n" % (len(message), message)
        + b"p4 STORE 1 +FLAGS.SILENT (\\Deleted)\r\np5 EXPUNGE\r\np6 NOOP\r\n" * 1
    )
    tags = []
    while b"p6" not in tags:
        response = client.response()
        if response.startswith(b"p"):
            tag, _, rest = response.partition(b" ")
            assert rest.startswith(b"OK"), response
            tags.append(tag)
    assert tags == [b"p1", b"p2", b"p3", b"p4", b"p5", b"p6"]


def test_a_full_mailbox_is_told_before_a_message_is_sent(client: Client, door: RunningDoor, box: Box) -> None:
    door.call(_shrink(door, box))
    assert client.ask(b"APPEND INBOX {500}")[-1].startswith(b"NO [OVERQUOTA]")
    answer = client.ask(b"APPEND INBOX {500+}\r\n" + b"x" * 500)
    assert answer[-1].startswith(b"NO [OVERQUOTA]")
    assert client.ask(b"NOOP")[-1].startswith(b"OK")


async def _shrink(door: RunningDoor, box: Box) -> None:
    async with door.database.hot_transaction() as connection:
        await connection.execute("UPDATE mailboxes SET quota_bytes = 300 WHERE id = $1", box.id)
