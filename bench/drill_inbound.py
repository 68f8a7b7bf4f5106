"""Servers of others in the drill: they bring mail to port 25, and bring it again until 250 was seen.

Afterwards: no 250 without a stored message, no message that nobody brought, and UIDs that only ever rise.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiosmtplib
import asyncpg

from bench.drill_judge import Judgement

MAILBOXES = 3
_PAUSE_SECONDS = 0.3
_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.3
_BODY = "Hello,\r\n.this is %d.\r\n..and — grüße\r\n\r\n.\r\n"
_STORED = """
SELECT c.message_id, string_agg(k.bytes, ''::bytea ORDER BY k.number) AS content
FROM messages m JOIN folders f ON f.id = m.folder_id JOIN mailboxes b ON b.id = f.mailbox_id
JOIN message_contents c ON c.content_id = m.content_id JOIN content_chunks k ON k.content_id = m.content_id
WHERE b.address = ANY($1) GROUP BY m.folder_id, m.uid, c.message_id
"""
_FOLDERS = """
SELECT f.id, f.uidnext, f.highestmodseq, f.messages, coalesce(max(m.uid), 0) AS last, count(m.uid) AS found
FROM folders f JOIN mailboxes b ON b.id = f.mailbox_id LEFT JOIN messages m ON m.folder_id = f.id
WHERE b.address = ANY($1) AND f.name = 'INBOX' GROUP BY f.id
"""


@dataclass(slots=True)
class Visitors:
    """Bring ``count`` messages at a steady pace over ``sessions`` connections."""

    port: int
    url: str
    addresses: list[str]
    count: int
    rate: float
    gives_up_at: float
    accepted: set[int] = field(default_factory=set)
    fallen: int = 0  # times that a UIDNEXT or MODSEQ was lower than before

    async def run(self, sessions: int = 4) -> None:
        """Bring them all."""
        numbers = iter(range(self.count))
        watching = asyncio.create_task(self._watch())
        async with asyncio.TaskGroup() as group:
            for _ in range(sessions):
                group.create_task(self._bring(numbers.__next__, sessions / self.rate))
        watching.cancel()

    async def _bring(self, take: Callable[[], int], pause_seconds: float) -> None:
        session: aiosmtplib.SMTP | None = None
        with suppress(StopIteration):
            while True:
                number = take()
                while time.monotonic() < self.gives_up_at:
                    session = session or await _connect(self.port)
                    if session is not None and await self._send(session, number):
                        self.accepted.add(number)
                        break
                    session = None
                    await asyncio.sleep(_PAUSE_SECONDS)
                await asyncio.sleep(pause_seconds)
        if session is not None:
            session.close()

    async def _send(self, session: aiosmtplib.SMTP, number: int) -> bool:
        try:
            errors, _ = await session.sendmail("ada@elsewhere.test", self._recipients(number), _message(number))
        except (TimeoutError, aiosmtplib.SMTPException, OSError):
            session.close()
            return False
        return not errors

    def _recipients(self, number: int) -> list[str]:
        """One mailbox, or now and then two of them."""
        first = number % len(self.addresses)
        return self.addresses[first : first + 2] if number % 5 == 0 else [self.addresses[first]]

    async def _watch(self) -> None:
        """Look at the folders again and again."""
        highest: dict[object, tuple[int, int]] = {}
        while True:
            with suppress(OSError, asyncpg.PostgresError):
                for row in await _fetch(self.url, _FOLDERS, self.addresses):
                    now, before = (row["uidnext"], row["highestmodseq"]), highest.get(row["id"], (0, 0))
                    self.fallen += now[0] < before[0] or now[1] < before[1]
                    highest[row["id"]] = now
            await asyncio.sleep(_LOOK_SECONDS)

    async def judge(self, judgement: Judgement) -> None:
        """Compare what was answered with what is stored. Raises: OSError, asyncpg.PostgresError."""
        judgement.came_in = len(self.accepted)
        stored = await _fetch(self.url, _STORED, self.addresses)
        known = {_message_id(number): number for number in range(self.count)}
        seen = {known[row["message_id"]] for row in stored if row["message_id"] in known}
        judgement.unstored += judgement.blame("unstored", len(self.accepted - seen), example=self.accepted - seen)
        for row in stored:
            number = known.get(row["message_id"])
            if number is None or _digest(row["content"]) != _digest(_message(number)):
                judgement.altered += judgement.blame("altered on its way in", 1, example=row["message_id"])
        for row in await _fetch(self.url, _FOLDERS, self.addresses):
            is_right = row["last"] < row["uidnext"] and row["messages"] == row["found"]
            judgement.uid_faults += judgement.blame("folder", int(not is_right), example=dict(row))
        judgement.uid_faults += judgement.blame("UIDNEXT fell", self.fallen, example=self.fallen)


async def _connect(port: int) -> aiosmtplib.SMTP | None:
    session = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=_ANSWER_SECONDS)
    try:
        await session.connect()
    except (TimeoutError, aiosmtplib.SMTPException, OSError):
        return None
    return session


async def _fetch(url: str, statement: str, addresses: list[str]) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(statement, addresses))
    finally:
        await connection.close()


def _message_id(number: int) -> str:
    return f"<in.{number}@elsewhere.test>"


def _message(number: int) -> bytes:
    head = f"From: ada@elsewhere.test\r\nSubject: in {number}\r\nMessage-ID: {_message_id(number)}\r\n\r\n"
    return head.encode() + (_BODY % number).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content.partition(b"\r\n\r\n")[2]).hexdigest()
