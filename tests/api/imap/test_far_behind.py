"""A session that says nothing while much happens is told all of it, however long the series of changes was."""

from __future__ import annotations

import pytest

from api.imap import open_folders
from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.api.imap.running import RunningDoor


def test_a_session_far_behind_is_told_of_every_expunge(
    door: RunningDoor, box: Box, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_folders, "_MOST_REMEMBERED", 3)
    for _ in range(8):
        client.append(LETTERS["plain"])
    client.ask(b"SELECT INBOX")
    with Client(door) as other:
        other.log_in(box.address, box.password)
        other.ask(b"SELECT INBOX")
        for uid in (1, 3, 4, 7, 8):
            other.ask(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
            other.ask(b"EXPUNGE")
            other.append(LETTERS["answer"])
            other.ask(b"UID STORE 2 %cFLAGS (\\Flagged)" % (b"+-"[uid % 2]))
        kept = [line for line in other.ask(b"FETCH 1:* (UID FLAGS)") if b" FETCH " in line]
    known = list(range(1, 9))
    for answer in client.ask(b"NOOP"):
        if answer.endswith(b" EXPUNGE"):
            del known[int(answer.split(b" ")[1]) - 1]
        elif answer.endswith(b" EXISTS"):
            count = int(answer.split(b" ")[1])
    assert (known, count) == ([2, 5, 6], 8)
    seen = [line for line in client.ask(b"FETCH 1:* (UID FLAGS)") if b" FETCH " in line]
    assert [line.replace(b" \\Recent", b"").replace(b"\\Recent", b"") for line in seen] == [
        line.replace(b" \\Recent", b"").replace(b"\\Recent", b"") for line in kept
    ]
