"""Load on the submission door: sessions under TLS that write MAIL, RCPT and DATA at once."""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64encode
from typing import cast

from bench.letters import Messages, Sender
from bench.tally import Tally


class SmtpLoad:
    """Sends messages over ``sessions`` logged-in sessions, one under way on each."""

    def __init__(self, port: int, sender: Sender, messages: Messages, sessions: int = 32) -> None:
        self.messages = messages
        self.sender = sender
        self.tally = Tally()
        self.ends_at = 0.0
        self.numbers = iter(range(0))
        self._port = port
        self._sessions = sessions

    async def run(self, seconds: float, most: int = 1_000_000_000, first: int = 0) -> Tally:
        """Log in everywhere, then drive the load; gives what was counted."""
        self.numbers = iter(range(first, first + most))
        sessions = [await self._open() for _ in range(self._sessions)]
        await asyncio.wait_for(asyncio.gather(*(session.ready for session in sessions)), 30)
        self.tally.begin()
        self.ends_at = time.monotonic() + seconds
        for session in sessions:
            session.next_message()
        await asyncio.wait([asyncio.ensure_future(session.done) for session in sessions], timeout=seconds + 30)
        return self.tally

    async def _open(self) -> Session:
        # The door's certificate is self-signed and made by the run itself.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        loop = asyncio.get_running_loop()
        _, session = await loop.create_connection(lambda: Session(self), "127.0.0.1", self._port, ssl=context)
        return session


class Session(asyncio.Protocol):
    """One session: greeting, EHLO, AUTH PLAIN, and then messages in two round trips each."""

    def __init__(self, load: SmtpLoad) -> None:
        loop = asyncio.get_running_loop()
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.buffer = b""
        self.number = 0
        self.left_at = 0.0
        self.awaited = self._greeted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends; an answer that is missing was refused."""
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the door closed before the session was logged in"))
        if not self.done.done():
            self.load.tally.refuse(b"connection lost")
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Hands each whole reply to the step that waits for it."""
        *lines, self.buffer = (self.buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self.awaited(line)

    def next_message(self) -> None:
        """Begins a message, if there is one and time for it."""
        number = next(self.load.numbers, None) if time.monotonic() < self.load.ends_at else None
        if number is None:
            self._say(b"QUIT\r\n")
            self.awaited = self._ignored
            self.done.set_result(None)
            return
        self.number = number
        self.left_at = time.monotonic()
        self.awaited = self._envelope_answered
        self._say(self.load.messages.envelope(number))

    def _say(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _greeted(self, line: bytes) -> None:
        self.awaited = self._introduced
        self._say(b"EHLO bench.test\r\n")

    def _introduced(self, line: bytes) -> None:
        sender = self.load.sender
        proof = b64encode(f"\0{sender.username}\0{sender.password}".encode())
        self.awaited = self._logged_in
        self._say(b"AUTH PLAIN " + proof + b"\r\n")

    def _logged_in(self, line: bytes) -> None:
        if line.startswith(b"235"):
            self.ready.set_result(None)
        else:
            self.ready.set_exception(ConnectionError(line.decode(errors="replace")))

    def _envelope_answered(self, line: bytes) -> None:
        if line.startswith(b"250"):
            return
        if line.startswith(b"354"):
            self.awaited = self._content_answered
            self._say(self.load.messages.content(self.number))
            return
        self.load.tally.refuse(line)
        self.done.set_result(None)
        if self.transport is not None:
            self.transport.abort()

    def _content_answered(self, line: bytes) -> None:
        if line.startswith(b"250"):
            self.load.tally.take(1, time.monotonic() - self.left_at)
        else:
            self.load.tally.refuse(line)
        self.next_message()

    def _ignored(self, line: bytes) -> None:
        if self.transport is not None:
            self.transport.close()
