"""Ten sessions on two processes do at random what sessions do, on one folder; at the end all of them know the same.

Each client keeps its own books by what it is told: numbers, UIDs, flags, MODSEQs. Whatever is told at a moment at
which it must not be, or does not fit the books, fails the test. Some lose their connection now and then, and catch up
by QRESYNC with nothing but their books.

``make drill`` does it for a minute, by ``TOGETHER_SECONDS``.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time

from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.processes import RunningProcess

SESSIONS = 10
SECONDS = float(os.environ.get("TOGETHER_SECONDS", "8"))
_NUMBERED = re.compile(rb"\* ([0-9]+) (EXISTS|EXPUNGE|FETCH|RECENT)(.*)", re.DOTALL)
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_MODSEQ = re.compile(rb"MODSEQ \(([0-9]+)\)")
_UID = re.compile(rb"UID ([0-9]+)")
_UIDVALIDITY = re.compile(rb"UIDVALIDITY ([0-9]+)")
_STORED = (b"\\Seen", b"\\Flagged", b"\\Answered", b"\\Draft", b"Work", b"$Forwarded")


class Books:
    """One client and what it knows: for each number the UID (0: not yet asked), flags and MODSEQ."""

    def __init__(self, door: RunningProcess, box: Box, dice: random.Random, *, is_resync: bool) -> None:
        self.door, self.box = door, box
        self.dice = dice
        self.is_resync = is_resync
        self.rows: list[list[object]] = []
        self.uidvalidity = 0
        self.connect()
        self.ask(b"SELECT INBOX (CONDSTORE)")
        self.learn()

    def connect(self) -> None:
        self.client = Client(self.door)
        self.client.log_in(self.box.address, self.box.password)
        if self.is_resync:
            self.ask(b"ENABLE QRESYNC")

    def ask(self, command: bytes, *, may_expunge: bool = True) -> bytes:
        *untagged, tagged = self.client.ask(command)
        for response in untagged:
            self.take(response, may_expunge=may_expunge)
        assert tagged.startswith((b"OK", b"NO [EXPUNGEISSUED]")), (command, tagged)
        return tagged

    def take(self, response: bytes, *, may_expunge: bool) -> None:
        if response.startswith(b"* VANISHED "):
            assert may_expunge
            assert self.is_resync
            self._vanish(set(_expand(response.rpartition(b" ")[2])), response)
            return
        found = _NUMBERED.fullmatch(response)
        if found is None:
            said = _UIDVALIDITY.search(response)
            self.uidvalidity = int(said[1]) if said else self.uidvalidity
            return
        number, kind = int(found[1]), found[2]
        if kind == b"EXISTS":
            assert number >= len(self.rows), response
            self.rows += [[0, None, 0] for _ in range(number - len(self.rows))]
        elif kind == b"EXPUNGE":
            assert may_expunge, response
            del self.rows[number - 1]
        elif kind == b"FETCH":
            self._take_fetch(number, found[3])

    def _vanish(self, gone: set[int], response: bytes) -> None:
        """A new message whose UID was not asked for yet may vanish too: its place is between the UIDs beside it."""
        for uid in sorted(gone):
            place = next((at for at, row in enumerate(self.rows) if row[0] == uid), None)
            if place is None:
                behind = next((at for at, row in enumerate(self.rows) if row[0] > uid), len(self.rows))  # type: ignore[operator]
                place = behind - 1
                assert place >= 0, response
                assert self.rows[place][0] == 0, response
            del self.rows[place]

    def _take_fetch(self, number: int, rest: bytes) -> None:
        row = self.rows[number - 1]
        uid, flags, modseq = _UID.search(rest), _FLAGS.search(rest), _MODSEQ.search(rest)
        if uid:
            assert row[0] in (0, int(uid[1])), (row, rest)
            row[0] = int(uid[1])
        if flags:
            row[1] = frozenset(flags[1].split()) - {b"\\Recent"}
        if modseq:
            assert int(modseq[1]) >= row[2], (row, rest)  # type: ignore[operator]
            row[2] = int(modseq[1])

    def learn(self) -> None:
        """Ask for the UIDs of new messages; they are greater than all before."""
        new = [number for number, row in enumerate(self.rows, 1) if not row[0]]
        if not new:
            return
        self.ask(b"FETCH %d:%d (UID FLAGS MODSEQ)" % (new[0], len(self.rows)), may_expunge=False)
        uids = [row[0] for row in self.rows if row[0]]
        assert uids == sorted(set(uids)), uids  # type: ignore[type-var]

    def act(self) -> None:
        """Do one thing."""
        dice, count = self.dice, len(self.rows)
        number = dice.randrange(count) + 1 if count else 0
        kind = dice.randrange(10)
        if kind <= 2 or not count:
            message = b"Subject: %d\r\n\r\nx\r\n" % dice.randrange(1000)
            self.ask(b"APPEND INBOX {%d+}\r\n%b" % (len(message), message))
        elif kind <= 5:
            sign = dice.choice((b"+", b"-", b""))
            silent = dice.choice((b"", b".SILENT"))
            flag = dice.choice(_STORED)
            if silent:
                self._change(number, sign, flag)
            self.ask(b"STORE %d %bFLAGS%b (%b)" % (number, sign, silent, flag), may_expunge=False)
        elif kind == 6:
            self.ask(b"STORE %d +FLAGS (\\Deleted)" % number, may_expunge=False)
            if count > 12:
                self.ask(b"EXPUNGE")
        elif kind == 7:
            self.ask(b"FETCH %d (FLAGS MODSEQ UID BODY.PEEK[])" % number, may_expunge=False)
        elif kind == 8:
            self.ask(b"UID COPY %d INBOX" % (self.rows[number - 1][0] or 1))  # type: ignore[str-bytes-safe]
        else:
            self.come_back() if self.is_resync and dice.random() < 0.5 else self.idle()
        self.learn()

    def come_back(self) -> None:
        """Lose the connection, be away for a moment, and learn what happened by QRESYNC (RFC 7162 §3.2.5)."""
        self.ask(b"NOOP")
        while not all(row[0] for row in self.rows):  # a change of a newer one may come first, with a greater MODSEQ
            self.learn()
            self.ask(b"NOOP")  # and while a FETCH runs no EXPUNGE is told, though changes behind it are
        modseq = max([1, *(row[2] for row in self.rows)])  # type: ignore[type-var, list-item]
        self.client.close()
        time.sleep(self.dice.random() * 0.2)
        self.connect()
        known = b"" if not self.rows or self.dice.random() < 0.5 else b" 1:%d" % self.rows[-1][0]  # type: ignore[str-bytes-safe]
        *told, tagged = self.client.ask(b"SELECT INBOX (QRESYNC (%d %d%b))" % (self.uidvalidity, modseq, known))
        assert tagged.startswith(b"OK"), tagged
        earlier = [one for one in told if one.startswith(b"* VANISHED (EARLIER) ")]
        gone = {uid for one in earlier for uid in _expand(one.rpartition(b" ")[2])}
        self.rows = [row for row in self.rows if row[0] not in gone]
        for response in told:
            if response not in earlier:
                self.take(response, may_expunge=True)

    def _change(self, number: int, sign: bytes, flag: bytes) -> None:
        """What a client believes of its own silent change; what is told afterwards wins."""
        known = self.rows[number - 1][1] or frozenset()
        changed = {b"+": known | {flag}, b"-": known - {flag}, b"": {flag}}[sign]  # type: ignore[operator]
        self.rows[number - 1][1] = frozenset(changed)

    def idle(self) -> None:
        self.client.send(b"i IDLE\r\n")
        assert self.client.response() == b"+ idling"
        time.sleep(self.dice.random() * 0.2)
        self.client.send(b"DONE\r\n")
        *untagged, tagged = self.client.answer(b"i ")
        for response in untagged:
            self.take(response, may_expunge=True)
        assert tagged.startswith(b"OK")

    def settle(self) -> list[tuple[object, ...]]:
        """What it knows once nobody does anything any more."""
        for _ in range(3):
            self.ask(b"NOOP")
            self.learn()
        return [tuple(row) for row in self.rows]


def _expand(text: bytes) -> list[int]:
    found = []
    for item in text.split(b","):
        first, _, last = item.partition(b":")
        found += range(int(first), int(last or first) + 1)
    return found


def test_ten_sessions_on_two_processes_end_with_the_same(two: list[RunningProcess], box: Box) -> None:
    books = [
        Books(two[number % 2], box, random.Random(number), is_resync=number % 4 == 3) for number in range(SESSIONS)
    ]
    faults: list[BaseException] = []
    ends_at = time.monotonic() + SECONDS

    def live(one: Books) -> None:
        try:
            while time.monotonic() < ends_at:
                one.act()
        except BaseException as fault:  # told to the test below
            faults.append(fault)

    threads = [threading.Thread(target=live, args=(one,)) for one in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 60)
    assert not faults, faults[0]
    known = [one.settle() for one in books]
    with Client(two[0]) as fresh:
        fresh.log_in(box.address, box.password)
        fresh.ask(b"SELECT INBOX")
        truth = [
            (
                int(_UID.search(row)[1]),
                frozenset(_FLAGS.search(row)[1].split()) - {b"\\Recent"},
                int(_MODSEQ.search(row)[1]),
            )
            for row in fresh.ask(b"FETCH 1:* (UID FLAGS MODSEQ)")[:-1]
            if b" FETCH (" in row
        ]
    for one in known:
        assert one == truth
    assert len(truth) > 3
    for one in books:
        one.client.close()
