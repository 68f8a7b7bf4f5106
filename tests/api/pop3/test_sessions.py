"""What a session holds to: its lock, its limits, its end; and that large messages come whole."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from hourpost.gateways.maildrop_locks import RedisMaildropLocks, new_token
from hourpost.mailboxes.messages import list_rows, list_uids
from hourpost.mailboxes.uid_ranges import ALL_UIDS, ranges_of
from hourpost.rules.mail_flags import Flag
from tests.api.pop3.conftest import NewPerson
from tests.api.pop3.dialog import Client
from tests.api.pop3.people import Person
from tests.api.pop3.running import RunningDoor

LETTER = b"Subject: x\r\n\r\nhello\r\n"


def uids_of(person: Person) -> list[int]:
    door = person.door
    return list(door.call(door.store.read(list_uids, person.place[1])))


def open_session(person: Person) -> Client:
    client = Client(person.door)
    client.log_in(person.username)
    return client


def test_a_lost_connection_removes_nothing(person: Person) -> None:
    person.receive(LETTER, LETTER)
    with open_session(person) as client:
        client.ask(b"DELE 1\r\n")
    person.door.wait_until_empty()
    assert uids_of(person) == person.uids
    open_session(person).close()


def test_quit_removes_what_is_marked_and_tells_others_what_was_read(person: Person) -> None:
    person.receive(LETTER, LETTER, LETTER)
    with open_session(person) as client:
        client.ask(b"RETR 1\r\n")
        client.body()
        client.ask(b"RETR 2\r\n")
        client.body()
        assert client.ask(b"DELE 1\r\nQUIT\r\n").startswith("+OK")
        assert client.line() == "+OK bye"
    door = person.door
    rows = door.call(door.store.read(list_rows, person.place[1], ALL_UIDS))
    assert [(row.uid, Flag(row.flags)) for row in rows] == [(2, Flag.SEEN), (3, Flag.NONE)]


def test_what_comes_during_a_session_is_not_in_it(person: Person) -> None:
    person.receive(LETTER)
    with open_session(person) as client:
        person.receive(LETTER)
        assert client.ask(b"STAT\r\n") == f"+OK 1 {len(LETTER)}"
        client.ask(b"DELE 1\r\nQUIT\r\n")
        client.line()
    assert uids_of(person) == [2]


def test_what_another_client_removes_is_still_there_to_be_fetched(person: Person) -> None:
    person.receive(LETTER, LETTER)
    with open_session(person) as client:
        door = person.door
        door.call(door.store.remove(*person.place, ranges_of([1])))
        assert client.ask(b"RETR 1\r\n") == f"+OK {len(LETTER)} octets"
        assert client.body() == LETTER
        assert client.ask(b"DELE 1\r\nDELE 2\r\n").startswith("+OK")
        assert client.line().startswith("+OK")
        assert client.ask(b"QUIT\r\n") == "+OK bye"
    assert uids_of(person) == []


@pytest.mark.parametrize("size", [0, 2_000_000])
def test_the_size_of_a_message_is_that_of_what_is_written(person: Person, size: int) -> None:
    """Also where its last line has no end, and is given one."""
    unended = LETTER + b"x" * size + b"no end"
    person.receive(unended, LETTER, unended)
    told = len(unended) + 2
    with open_session(person) as client:
        assert client.ask(b"STAT\r\n") == f"+OK 3 {2 * told + len(LETTER)}"
        assert client.ask(b"LIST 1\r\n") == f"+OK 1 {told}"
        assert client.ask(b"LIST 2\r\n") == f"+OK 2 {len(LETTER)}"
        for number, expected in ((1, unended + b"\r\n"), (2, LETTER), (3, unended + b"\r\n")):
            assert client.ask(b"RETR %d\r\n" % number) == f"+OK {len(expected)} octets"
            assert client.body() == expected
        client.ask(b"DELE 1\r\n")
        assert client.ask(b"STAT\r\n") == f"+OK 2 {told + len(LETTER)}"


def test_content_that_is_gone_is_an_error_and_no_end(person: Person, door: RunningDoor) -> None:
    person.receive(LETTER, b"x" * 1_500_000)
    with open_session(person) as client:
        person.door.call(forget_contents(person))
        for command in (b"RETR 1", b"RETR 2", b"TOP 1 0", b"TOP 2 0"):
            assert client.ask(command + b"\r\n").endswith("has been removed by another client")
        assert client.ask(b"NOOP\r\n") == "+OK"


async def forget_contents(person: Person) -> None:
    of_folder = "SELECT content_id FROM messages WHERE folder_id = $1"
    await execute(person, f"DELETE FROM content_chunks WHERE content_id IN ({of_folder})", person.place[1])


async def execute(person: Person, statement: str, *values: object) -> None:
    async with person.door.database.hot_statements() as connection:
        await connection.execute(statement, *values)


@pytest.mark.parametrize("seed", range(3))
def test_a_large_message_comes_as_it_is(person: Person, seed: int) -> None:
    chance = random.Random(seed)
    lines = [b"Subject: large", b"", *(chance.choice((b".", b"..", b"", b".a", b"b" * 70)) for _ in range(60_000))]
    content = b"\r\n".join(lines) + b"\r\n"
    assert len(content) > 1_000_000
    person.receive(LETTER, content + content[: chance.randrange(200_000, 400_000)].rpartition(b"\r\n")[0] + b"\r\n")
    with open_session(person) as client:
        size = int(client.ask(b"LIST 2\r\n").split()[-1])
        client.ask(b"RETR 2\r\n")
        body = client.body()
        assert len(body) == size
        assert body.startswith(content)
        client.ask(b"TOP 2 20000\r\n")
        assert client.body() == b"\r\n".join(lines[:20_002]) + b"\r\n"


def test_many_messages_come_in_order_however_they_are_asked_for(person: Person) -> None:
    chance = random.Random(1)
    contents = [b"Subject: %d\r\n\r\n%b\r\n" % (number, b"." * chance.randrange(200)) for number in range(300)]
    person.receive(*contents)
    with open_session(person) as client:
        client.send(b"".join(b"RETR %d\r\n" % number for number in range(1, 301)))
        for content in contents:
            assert client.line() == f"+OK {len(content)} octets"
            assert client.body() == content
        for _ in range(60):
            number = chance.randrange(300)
            client.ask(b"RETR %d\r\n" % (number + 1))
            assert client.body() == contents[number]


def test_a_client_that_does_not_read_holds_up_itself_only(person: Person) -> None:
    person.receive(*[LETTER] * 500)
    with open_session(person) as client:
        client.send(b"LIST\r\nUIDL\r\n" * 600)
        time.sleep(0.2)
        with Client(person.door, "pop3") as other:
            assert other.line().startswith("+OK")
        for _ in range(600):
            assert client.line().startswith("+OK 500")
            assert client.body().count(b"\r\n") == 500
            assert client.line().startswith("+OK 500")
            assert client.body().count(b"\r\n") == 500


async def test_a_lock_is_held_by_one_and_taken_again_when_redis_forgot_it(redis_url: str) -> None:
    locks = RedisMaildropLocks(redis_url, lease_seconds=30)
    mailbox_id, mine, other = uuid4(), new_token(), new_token()
    assert await locks.take(mailbox_id, mine)
    assert await locks.take(mailbox_id, mine)
    assert not await locks.take(mailbox_id, other)
    await locks.release(mailbox_id, other)
    assert not await locks.take(mailbox_id, other)
    await locks.release(mailbox_id, mine)
    assert await locks.take(mailbox_id, other)
    await locks.aclose()


async def test_a_lock_that_is_not_renewed_ends(redis_url: str) -> None:
    locks = RedisMaildropLocks(redis_url, lease_seconds=0.05)
    mailbox_id = uuid4()
    assert await locks.take(mailbox_id, "mine")
    for _ in range(100):
        await asyncio.sleep(0.05)
        if await locks.take(mailbox_id, "other"):
            break
    else:
        pytest.fail("the lock never ended")
    await locks.aclose()


async def test_without_redis_nobody_is_locked_out() -> None:
    locks = RedisMaildropLocks("redis://127.0.0.1:1/0")
    assert await locks.take(uuid4(), "mine")
    await locks.release(uuid4(), "mine")
    await locks.aclose()


async def test_a_session_that_lost_its_lock_ends_and_removes_nothing(
    new_door: Callable[..., RunningDoor], new_person: NewPerson
) -> None:
    person = await new_person(new_door(renew_seconds=0.05))
    await asyncio.to_thread(lose_the_lock, person)


def lose_the_lock(person: Person) -> None:
    door = person.door
    person.receive(LETTER)
    with open_session(person) as client:
        client.ask(b"DELE 1\r\n")
        door.call(take_from(door, person))
        assert client.line().startswith("-ERR [IN-USE]")
        assert client.line() == "<end>"
    assert uids_of(person) == [1]


async def take_from(door: RunningDoor, person: Person) -> None:
    key = f"maildrop:{{{person.place[0].hex}}}"
    await door.locks._redis.set(key, "somebody else", px=60_000)


async def test_a_session_is_renewed_as_long_as_it_lasts(
    new_door: Callable[..., RunningDoor], new_person: NewPerson
) -> None:
    person = await new_person(new_door(renew_seconds=0.05))
    await asyncio.to_thread(hold_the_lock, person)


def hold_the_lock(person: Person) -> None:
    with open_session(person) as client:
        person.door.call(wait_for_a_renewal(person.door, person))
        assert client.ask(b"NOOP\r\n") == "+OK"
        with Client(person.door) as other:
            other.line()
            other.ask(f"USER {person.username}\r\n".encode())
            assert other.ask(b"PASS it is a secret\r\n").startswith("-ERR [IN-USE]")


async def wait_for_a_renewal(door: RunningDoor, person: Person) -> None:
    """Shorten what is left of the lease, until it is long again."""
    key, redis = f"maildrop:{{{person.place[0].hex}}}", door.locks._redis
    shortened_ms = 40_000
    await redis.pexpire(key, shortened_ms)
    for _ in range(1000):
        if await redis.pttl(key) > shortened_ms:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the lock is not renewed")


def test_access_that_ends_ends_the_session(person: Person) -> None:
    person.receive(LETTER)
    with open_session(person) as client:
        client.ask(b"DELE 1\r\n")
        door = person.door
        door.loop.call_soon_threadsafe(door.entrance.watched[-1])
        assert client.line().startswith("-ERR [AUTH]")
        assert client.line() == "<end>"
    door.wait_until_empty()
    assert door.entrance.watched == []
    assert uids_of(person) == [1]


def test_who_guesses_is_written_down_for_those_who_lock_out(person: Person) -> None:
    with Client(person.door) as client, capture_logs() as lines:
        client.line()
        client.ask(f"USER {person.username}\r\n".encode())
        assert client.ask(b"PASS wrong\r\n").startswith("-ERR [AUTH]")
    (line,) = [one for one in lines if one["event"] == "login refused"]
    assert (line["address"], line["username"]) == ("127.0.0.1", person.username)
    assert "wrong" not in line.values()


def test_a_database_that_is_away_is_no_wrong_password(person: Person) -> None:
    person.door.entrance.is_away = True
    with Client(person.door) as client:
        client.line()
        client.ask(f"USER {person.username}\r\n".encode())
        assert client.ask(b"PASS it is a secret\r\n") == "-ERR [SYS/TEMP] The database is not reachable."
        person.door.entrance.is_away = False
        client.ask(f"USER {person.username}\r\n".encode())
        assert client.ask(b"PASS it is a secret\r\n").startswith("+OK")


def test_the_end_of_the_process_is_told_and_removes_nothing(
    new_door: Callable[..., RunningDoor], database: object
) -> None:
    door = new_door()
    with Client(door, "pop3") as client:
        client.line()
        door.call(door.server.drain())
        assert client.line().startswith("-ERR [SYS/TEMP] shutting down")
        assert client.line() == "<end>"


@pytest.mark.parametrize(
    ("limits", "sent", "expected"),
    [
        ({"idle_seconds": 0.05}, b"", "<end>"),
        ({"seconds_before_login": 0.05}, b"", "-ERR log in within a minute; closing"),
        ({"errors": 2}, b"RETR\r\nRETR\r\n", "-ERR too many errors, closing"),
        ({"commands_before_login": 1}, b"CAPA\r\nNOOP\r\n", "-ERR too many commands without logging in, closing"),
        ({}, b"A" * 9000, "-ERR line too long, closing"),
        ({}, b"A" * 9000 + b"\r\n", "-ERR line too long, closing"),
    ],
)
def test_a_limit_ends_the_session_and_says_so(
    new_door: Callable[..., RunningDoor], limits: dict[str, float], sent: bytes, expected: str
) -> None:
    with Client(new_door(**limits), "pop3") as client:
        client.line()
        if sent:
            client.send(sent)
        lines = [client.line()]
        while lines[-1] not in (expected, "<end>"):
            lines.append(client.line())
        assert lines[-1] == expected


def test_of_too_many_connections_the_oldest_that_is_silent_goes(new_door: Callable[..., RunningDoor]) -> None:
    door = new_door(connections_per_network=1)
    with Client(door, "pop3") as client:
        assert client.line().startswith("+OK")
        with Client(door, "pop3") as other:
            assert other.line().startswith("+OK")
            assert [client.line()[:19] for _ in range(2)] == ["-ERR [SYS/TEMP] too", "<end>"]


@pytest.mark.parametrize("size", [0, 1_500_000])
def test_utf_8_in_a_header_comes_as_it_is_only_to_who_asked_for_it(person: Person, size: int) -> None:
    content = "Subject: Grüße\r\n\r\n".encode() + b"x" * size + "ü\r\n".encode()
    surrogate = b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\r\n" + b"x" * size + "ü\r\n".encode()
    person.receive(content, LETTER)
    for wish, expected in ((b"", surrogate), (b"UTF8\r\n", content)):
        with Client(person.door) as client:
            client.send(wish)
            if wish:
                client.line()
            client.log_in(person.username)
            assert client.ask(b"STAT\r\n") == f"+OK 2 {len(expected) + len(LETTER)}"
            assert client.ask(b"RETR 1\r\n") == f"+OK {len(expected)} octets"
            assert client.body() == expected
            client.ask(b"TOP 1 0\r\n")
            assert client.body() == expected.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            client.ask(b"QUIT\r\n")
        person.door.wait_until_empty()


@pytest.mark.parametrize("field", ["Subject", "Message-ID"])
def test_a_header_in_utf_8_whose_last_line_has_no_end_is_as_long_as_is_told(person: Person, field: str) -> None:
    person.receive(f"To: b@x.test\r\n{field}: ü".encode())
    with open_session(person) as client:
        told = int(client.ask(b"LIST 1\r\n").split()[-1])
        assert client.ask(b"RETR 1\r\n") == f"+OK {told} octets"
        body = client.body()
    assert len(body) == told
    assert body.isascii()


def test_what_was_read_is_noted_with_what_is_removed_or_nothing_is(person: Person) -> None:
    person.receive(LETTER, LETTER)
    door = person.door
    with open_session(person) as client:
        client.ask(b"RETR 1\r\n")
        client.body()
        client.ask(b"DELE 2\r\n")
        door.call(execute(person, "ALTER TABLE messages ADD CONSTRAINT unseen CHECK (flags & 1 = 0) NOT VALID"))
        try:
            assert client.ask(b"QUIT\r\n").startswith("-ERR [SYS/TEMP]")
        finally:
            door.call(execute(person, "ALTER TABLE messages DROP CONSTRAINT unseen"))
    assert uids_of(person) == person.uids
