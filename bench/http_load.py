"""HTTP/1.1 load over kept connections, with as little work per request as asyncio allows."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Protocol, cast

from bench.tally import Tally

_SETTLE_SECONDS = 0.3  # the kernel has made the connections, the server has yet to take them
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Requests(Protocol):
    """Where requests come from."""

    emails_each: int

    def request(self, number: int) -> bytes:
        """The whole request of this number."""


class HttpLoad:
    """Sends requests over ``connections``, one under way on each, until ``seconds`` have passed or ``most`` are sent.

    With ``rate`` (requests a second over all connections) each connection keeps a timetable, and an answer that came
    too late for the next departure counts from the departure that was missed.
    """

    def __init__(self, port: int, requests: Requests, connections: int = 64, rate: float = 0.0) -> None:
        self.requests = requests
        self.tally = Tally()
        self.interval = connections / rate if rate else 0.0
        self.ends_at = 0.0
        self.numbers = iter(range(0))
        self._port = port
        self._connections = connections

    async def run(self, seconds: float, most: int = 1_000_000_000, first: int = 0) -> Tally:
        """Drive the load; gives what was counted."""
        loop = asyncio.get_running_loop()
        self.numbers = iter(range(first, first + most))
        made = [
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
            for _ in range(self._connections)
        ]
        await asyncio.sleep(_SETTLE_SECONDS)
        self.tally.begin()
        self.ends_at = time.monotonic() + seconds
        for place, (_, connection) in enumerate(made):
            connection.start(self.interval * place / self._connections)
        await asyncio.wait([asyncio.ensure_future(connection.done) for _, connection in made], timeout=seconds + 30)
        for transport, _ in made:
            transport.close()
        return self.tally


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, load: HttpLoad) -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.buffer = b""
        self.left_at = 0.0
        self.due_at = 0.0

    def start(self, delay_seconds: float) -> None:
        """Sends the first request, after a while."""
        self.due_at = time.monotonic() + delay_seconds
        self.loop.call_later(delay_seconds, self.depart)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends; an answer that is missing was refused."""
        if not self.done.done():
            self.load.tally.refuse(b"connection lost" if exc is None else repr(exc).encode())
            self.done.set_result(None)

    def depart(self) -> None:
        """Sends the next request, if there is one and time for it."""
        number = next(self.load.numbers, None) if time.monotonic() < self.load.ends_at else None
        if self.done.done() or self.transport is None:
            return
        if number is None:
            self.done.set_result(None)
            return
        request = self.load.requests.request(number)
        self.left_at = time.monotonic()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Gathers an answer; when it is whole, counts it and goes on."""
        if self.buffer:
            data = self.buffer + data
        end = data.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(data, 0, end) if end > 3 else None
        if length is None or len(data) < end + int(length[1]):
            self.buffer = data
            return
        self.buffer = b""
        self._count(data)
        self._go_on()

    def _count(self, answer: bytes) -> None:
        if answer.startswith((b"HTTP/1.1 202", b"HTTP/1.1 200")):
            self.load.tally.take(self.load.requests.emails_each, time.monotonic() - self.left_at)
        else:
            self.load.tally.refuse(answer)

    def _go_on(self) -> None:
        interval = self.load.interval
        if not interval:
            self.depart()
            return
        self.due_at += interval
        wait = self.due_at - time.monotonic()
        if wait > 0:
            self.loop.call_later(wait, self.depart)
            return
        self.depart()
        self.left_at = self.due_at
