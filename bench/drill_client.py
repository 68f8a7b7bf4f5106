"""A client that behaves: each submission has an idempotency key and is repeated until it was accepted.

It writes down what was accepted (202 or 250 seen) and what was only tried, and nothing else is to be trusted.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiosmtplib
import httpx

from bench.letters import Sender

BATCH = 50
_PAUSE_SECONDS = 0.3
_ANSWER_SECONDS = 10.0
# Lines that begin with dots, and letters beyond ASCII: what a transport may alter.
_TEXT = "Dear customer,\n.your order %d\n..is on its way — grüße\n.\nbye\n"


def recipient(number: int) -> str:
    """The address that stands for a number."""
    return f"r{number:07d}@example.net"


@dataclass(frozen=True, slots=True)
class Unit:
    """What is submitted at once: one email by HTTP or SMTP, or a batch."""

    kind: str  # single, batch, smtp
    sender: Sender
    numbers: range
    key: str


@dataclass(slots=True)
class Ledger:
    """Numbers of emails: accepted, and tried whatever came of it."""

    accepted: set[int] = field(default_factory=set)
    tried: set[int] = field(default_factory=set)
    repeats: int = 0
    refusals: list[str] = field(default_factory=list)


def units(senders: Sequence[tuple[Sender, float]], emails: int, run: str) -> Iterator[Unit]:
    """A third of the emails by each way in; ``senders`` with their shares of the whole."""
    first, owed = 0, [0.0] * len(senders)
    kinds = ["batch", *(["single"] * BATCH), *(["smtp"] * BATCH)]
    turn = 0
    while first < emails:
        kind = kinds[(turn * 7) % len(kinds)]
        size = min(BATCH if kind == "batch" else 1, emails - first)
        owed = [debt + share * size for debt, (_, share) in zip(owed, senders, strict=True)]
        chosen = owed.index(max(owed))
        owed[chosen] -= size
        yield Unit(kind, senders[chosen][0], range(first, first + size), f"{run}-{first}")
        first, turn = first + size, turn + 1


class Client:
    """Submits units at a steady pace over a few HTTP connections and SMTP sessions."""

    def __init__(self, http_port: int, submissions_port: int, rate: float, gives_up_at: float) -> None:
        self.ledger = Ledger()
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=_ANSWER_SECONDS)
        self._smtp_port = submissions_port
        self._rate = rate
        self._gives_up_at = gives_up_at
        self._queue: asyncio.Queue[Unit | None] = asyncio.Queue(maxsize=64)

    async def run(self, wanted: Iterator[Unit], told: Callable[[int], None], workers: int = 12) -> None:
        """Submit everything; ``told`` hears how many emails each unit had. Ends when each was accepted or given up."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(told))
            due_at = time.monotonic()
            for unit in wanted:
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
                await self._queue.put(unit)
                due_at = max(due_at + len(unit.numbers) / self._rate, time.monotonic() - 1.0)
            for _ in range(workers):
                await self._queue.put(None)
        await self._http.aclose()

    async def _work(self, told: Callable[[int], None]) -> None:
        sessions: dict[str, aiosmtplib.SMTP] = {}
        while (unit := await self._queue.get()) is not None:
            self.ledger.tried.update(unit.numbers)
            while not await self._submit(unit, sessions):
                self.ledger.repeats += 1
                if time.monotonic() > self._gives_up_at:
                    break
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self.ledger.accepted.update(unit.numbers)
            told(len(unit.numbers))
        for session in sessions.values():
            with suppress(aiosmtplib.SMTPException, OSError, asyncio.TimeoutError):
                await session.quit()

    async def _submit(self, unit: Unit, sessions: dict[str, aiosmtplib.SMTP]) -> bool:
        if unit.kind == "smtp":
            return await self._submit_by_smtp(unit, sessions)
        path = "/v1/emails"
        body: Any = _email(unit, unit.numbers[0])
        if unit.kind == "batch":
            path, body = "/v1/emails/batch", [_email(unit, number) for number in unit.numbers]
        headers = {"Authorization": f"Bearer {unit.sender.token}", "Idempotency-Key": unit.key}
        try:
            answer = await self._http.post(path, json=body, headers=headers)
        except (httpx.HTTPError, OSError):
            return False
        if answer.status_code in (200, 202):
            return True
        if answer.status_code not in (409, 429, 500, 502, 503):
            self.ledger.refusals.append(f"{unit.kind}: {answer.status_code} {answer.text[:200]}")
        return False

    async def _submit_by_smtp(self, unit: Unit, sessions: dict[str, aiosmtplib.SMTP]) -> bool:
        token, number = unit.sender.token, unit.numbers[0]
        try:
            if token not in sessions:
                sessions[token] = await self._log_in(token)
            errors, _ = await sessions[token].sendmail(unit.sender.address, [recipient(number)], message(unit, number))
        except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
            with suppress(KeyError):
                sessions.pop(token).close()
            if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500:
                self.ledger.refusals.append(f"smtp: {error.code} {error.message[:200]}")
            return False
        return not errors

    async def _log_in(self, token: str) -> aiosmtplib.SMTP:
        # The door's certificate is self-signed and made by the run itself.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        session = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=self._smtp_port, use_tls=True, tls_context=context, timeout=_ANSWER_SECONDS
        )
        await session.connect()
        await session.login("drill", token)
        return session


def message(unit: Unit, number: int) -> bytes:
    """The bytes of an email that goes in by SMTP."""
    text = (_TEXT % number).replace("\n", "\r\n")
    head = (
        f"From: {unit.sender.address}\r\nTo: {recipient(number)}\r\nSubject: order {number}\r\n"
        f"Message-ID: <{unit.key}@drill.test>\r\nDate: Tue, 03 Nov 2026 09:00:00 +0000\r\n"
        f"Idempotency-Key: {unit.key}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (head + text).encode()


def _email(unit: Unit, number: int) -> dict[str, Any]:
    to = recipient(number)
    return {"from": unit.sender.address, "to": [to], "subject": f"order {number}", "text": _TEXT % number}
