"""What goes wrong on our side: a command is refused or done, never half of it, and the session goes on."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from api.imap.acts import appending, selecting
from api.imap.open_folders import FolderState
from hourpost.errors import ServiceUnavailable
from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.api.imap.running import RunningDoor
from tests.api.imap.test_fuzz import commands, mutate

Open = Callable[..., RunningDoor]


@pytest.mark.parametrize("mark", [b"", b"+"])
def test_a_fault_of_ours_before_a_message_is_no_end(
    new_door: Open, box: Box, mark: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = new_door()
    with Client(door) as client:
        client.log_in(box.address, box.password)
        with monkeypatch.context() as broken:
            broken.setattr(appending, "find_folder_and_quota", None)
            client.send(b"a APPEND INBOX {4%b}\r\n" % mark + (b"abcd\r\n" if mark else b""))
            assert client.response().startswith(b"a NO [SERVERBUG]")
        assert client.ask(b"NOOP") == [b"OK NOOP completed"]
        client.append(LETTERS["plain"])
        assert door.door.bytes_in_hand == 0


def test_what_is_done_is_answered_so_though_news_cannot_be_read(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ask(b"SELECT INBOX")
    with monkeypatch.context() as away:
        away.setattr(FolderState, "catch_up", _is_away)
        client.append(LETTERS["plain"])
        client.send(b"i IDLE\r\n")
        assert client.response() == b"+ idling"
        client.send(b"DONE\r\n")
        assert client.response() == b"i OK IDLE completed"
        assert client.ask(b"NOOP") == [b"OK NOOP completed"]
    assert client.ask(b"NOOP")[0] == b"* 1 EXISTS"


async def _is_away(_state: FolderState) -> None:
    raise ServiceUnavailable("away")


def test_a_folder_that_could_not_be_described_is_not_selected(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(selecting, "tell_keywords", None)
        assert client.ask(b"SELECT INBOX")[-1].startswith(b"NO [SERVERBUG]")
    assert client.ask(b"FETCH 1 FLAGS") == [b"BAD select a folder first"]
    assert client.ask(b"SELECT INBOX")[-1].startswith(b"OK")


def test_no_command_however_odd_finds_a_fault_of_ours(door: RunningDoor, box: Box) -> None:
    """Literals are left to the fuzzer of framing: here nothing may wait for more."""
    dice = random.Random(3501)
    left_out = (b"{", b"LOGOUT", b"COMPRESS", b"AUTHENTICATE")
    seeds = [one for one in commands() if not any(word in one for word in left_out)]
    client = open_client(door, box)
    for _ in range(1500):
        odd = mutate(dice.choice(seeds), dice).replace(b"{", b"").rstrip(b"\r\n")
        client.send(odd + b"\r\nDONE\r\nend NOOP\r\n")
        answers = client.answer(b"end ")
        assert not [one for one in answers if b"SERVERBUG" in one], odd
        if answers[-1] == b"<end>":
            client.close()
            client = open_client(door, box)
    client.close()


def open_client(door: RunningDoor, box: Box) -> Client:
    client = Client(door)
    client.log_in(box.address, box.password)
    for letter in LETTERS.values():
        client.append(letter)
    client.ask(b"SELECT INBOX")
    return client
