"""A customer's server on loopback: answers what a test has laid out, and keeps what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """``answer`` is what goes back, byte for byte; while ``gate`` is closed nothing does."""

    port: int = 0
    answer: bytes = OK
    received: list[Received] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def fail(self, status: int = 500, headers: str = "", body: bytes = b"") -> None:
        head = f"HTTP/1.1 {status} No\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self.answer = head.encode() + body

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.received.append(Received(first.split()[1], headers, body))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self._open_or_left(reader)
        self.at_once -= 1
        writer.write(self.answer)
        await writer.drain()

    async def _open_or_left(self, reader: asyncio.StreamReader) -> None:
        """Until the gate is open, or who called has given up, as on a busy machine it may."""
        if self.gate.is_set():
            return
        waits = [asyncio.ensure_future(wait) for wait in (self.gate.wait(), reader.read(1))]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


@asynccontextmanager
async def run_endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    endpoint.gate.set()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    yield endpoint
    endpoint.gate.set()
    server.close()
