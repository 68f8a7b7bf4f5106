"""APPEND to the folder of the last one, which is not looked up again: what became of it meanwhile is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.api.imap.running import RunningDoor

LETTER = LETTERS["plain"]
COMMAND = b"APPEND %%b {%d+}\r\n%%b" % len(LETTER)


def append(client: Client, folder: bytes = b"Work") -> bytes:
    return client.ask(COMMAND % (folder, LETTER))[-1]


def count(client: Client, folder: bytes) -> bytes:
    return client.ask(b"STATUS %b (MESSAGES)" % folder)[0].rpartition(b"(")[2]


@pytest.fixture
def other(other_door: RunningDoor, box: Box, client: Client) -> Client:
    """A session of another process; the first one has appended to a folder."""
    found = Client(other_door)
    found.log_in(box.address, box.password)
    assert found.ask(b"CREATE Work")[-1].startswith(b"OK")
    assert append(client).startswith(b"OK [APPENDUID ")
    return found


def test_it_goes_to_the_folder_that_has_the_name_now(client: Client, other: Client) -> None:
    other.ask(b"RENAME Work Old")
    other.ask(b"CREATE Work")
    assert append(client).startswith(b"OK [APPENDUID ")
    assert [count(other, name) for name in (b"Old", b"Work")] == [b"MESSAGES 1)", b"MESSAGES 1)"]


@pytest.mark.parametrize("command", [b"DELETE Work", b"RENAME Work Old"])
def test_without_the_name_there_is_no_folder(client: Client, other: Client, command: bytes) -> None:
    other.ask(command)
    assert append(client).startswith(b"NO [TRYCREATE]")
    other.ask(b"CREATE Work")
    assert append(client).startswith(b"OK [APPENDUID ")


def test_another_folder_is_another(client: Client, other: Client) -> None:
    assert append(client, b"INBOX").startswith(b"OK")
    assert append(client, b"inbox").startswith(b"OK")
    assert append(client, b"nowhere").startswith(b"NO [TRYCREATE]")
    assert append(client, b"&&").startswith(b"BAD ")
    assert [count(client, name) for name in (b"INBOX", b"Work")] == [b"MESSAGES 2)", b"MESSAGES 1)"]


def test_a_mailbox_that_is_full_meanwhile_takes_nothing(new_door: Callable[..., RunningDoor], box: Box) -> None:
    door = new_door()
    with Client(door) as client:
        client.log_in(box.address, box.password)
        client.append(LETTER)
        door.call(_fill(door, box))
        assert append(client, b"INBOX").startswith(b"NO [OVERQUOTA]")
        assert client.ask(b'GETQUOTA ""')[0] == b'* QUOTA "" (STORAGE 1 1)'
        assert count(client, b"INBOX") == b"MESSAGES 1)"
        assert door.door.bytes_in_hand == 0


async def _fill(door: RunningDoor, box: Box) -> None:
    async with door.database.hot_transaction() as connection:
        await connection.execute("UPDATE mailboxes SET quota_bytes = used_bytes WHERE id = $1", box.id)


def test_a_message_that_is_too_large_is_so_the_second_time_too(new_door: Callable[..., RunningDoor], box: Box) -> None:
    with Client(new_door(message_bytes=len(LETTER))) as client:
        client.log_in(box.address, box.password)
        client.append(LETTER)
        assert client.ask(b"APPEND INBOX {%d}" % (len(LETTER) + 1))[-1].startswith(b"NO [TOOBIG]")
        assert client.ask(b"APPEND INBOX {%d+}" % (len(LETTER) + 1))[0].startswith(b"* BYE [TOOBIG]")
