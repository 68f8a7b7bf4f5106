"""One connection to a relay: bytes out, replies in, and what can go wrong between.

It knows no SMTP beyond replies; who logs in is ``login``, who sends a message is ``exchange``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import cast

from hourpost.gateways.relays.capabilities import Capabilities
from hourpost.gateways.relays.replies import Reply, ReplyInvalid, ReplyReader

_CLOSED_BY_RELAY = "the relay closed the connection"
_READ_BYTES = 8 * 1024  # replies are short, and more is read in turns


class Answer:
    """The replies that a group of commands waits for.

    ``future`` is done when all ``missing`` have come, or when no more will; ``replies`` holds those that came.
    """

    __slots__ = ("future", "missing", "patience", "replies")

    def __init__(self, missing: int, patience: float, future: asyncio.Future[None]) -> None:
        self.missing = missing
        self.patience = patience
        self.future = future
        self.replies: list[Reply] = []

    def end(self) -> None:
        """No more replies will come."""
        if not self.future.done():
            self.future.set_result(None)


class RelayConnection(asyncio.BufferedProtocol):
    """A connection with answers in order, one time-out, and a ``failure`` that is set once and never cleared.

    It has a buffer of its own: for every read under TLS uvloop would else ask the system for one of 256 KB, twice.

    A reply 421, one that nobody waits for, garbage, a time-out and a close all end it; ``last_words`` is the reply
    that the relay gave unasked, where it did. ``on_failure`` is called once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.capabilities = Capabilities()
        self.tls_version: str | None = None
        self.cipher: str | None = None
        self.address = ""  # of several that the relay's name has
        self.failure: str | None = None
        self.last_words: Reply | None = None
        self.needs_reset = False
        self.has_sent = False
        self.dots_answered = 0
        self.idle_since = 0.0
        self.on_failure: Callable[[RelayConnection], None] | None = None
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._incoming = memoryview(bytearray(_READ_BYTES))
        self._reader = ReplyReader()
        self._answers: deque[Answer] = deque()
        self._closes_when_answered = False
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._body_patience: float | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # what the owner does

    def expect(self, replies: int, patience: float) -> Answer:
        """Registers that ``replies`` will come next, each within ``patience`` seconds of the one before."""
        answer = Answer(replies, patience, self._loop.create_future())
        if self.failure is not None:
            answer.end()
            return answer
        if not self._answers:
            self._arm(patience)
        self._answers.append(answer)
        return answer

    def write(self, data: bytes) -> None:
        """Writes, if there still is a connection."""
        if self._transport is not None and self.failure is None:
            self._transport.write(data)

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        """Writes several pieces as one (one TLS record where they fit), if there still is a connection."""
        if self._transport is not None and self.failure is None:
            self._transport.write(b"".join(pieces))

    async def ask(self, command: bytes, patience: float) -> Reply | None:
        """Writes one command and gives its reply, or ``None`` when the connection ended."""
        answer = self.expect(1, patience)
        self.write(command)
        await answer.future
        return answer.replies[0] if answer.replies else None

    async def write_body(self, pieces: Iterable[bytes | memoryview], patience: float) -> None:
        """Writes a large body as fast as the relay takes it; ends the connection where it stands still."""
        for piece in pieces:
            if self.failure is not None or self._transport is None:
                return
            self._transport.write(piece)
            if not self._is_writable.is_set():
                self._body_patience = patience
                self._arm(patience)
                await self._is_writable.wait()
                self._body_patience = None

    async def start_tls(self, context: ssl.SSLContext, server_name: str, patience: float) -> None:
        """Goes on under TLS. Raises: OSError (ssl.SSLError is one), asyncio.TimeoutError."""
        transport = self._transport
        if transport is None or self.failure is not None or self._reader.is_midway:
            raise ConnectionAbortedError(self.failure or "the relay spoke before TLS began")
        upgraded = await self._loop.start_tls(
            transport, self, context, server_hostname=server_name, ssl_handshake_timeout=patience
        )
        if upgraded is None:
            raise ConnectionAbortedError(_CLOSED_BY_RELAY)
        self._use(upgraded)

    def quit(self) -> None:
        """Says good-bye to a relay that nobody waits for, and closes."""
        self.write(b"QUIT\r\n")
        transport = self._transport
        self._end("closed by us")
        if transport is not None:
            transport.close()

    def fail(self, reason: str) -> None:
        """Ends the connection at once, so that a message without its dot can never be completed."""
        transport = self._transport
        self._end(reason)
        if transport is not None:
            transport.abort()

    def give_up(self, answer: Answer) -> None:
        """Stops waiting for the newest answer; the connection ends when those before it have come."""
        self._answers.remove(answer)
        self._closes_when_answered = True
        answer.end()

    def is_queued(self, answer: Answer) -> bool:
        """Whether another answer has to come before this one."""
        return answer in self._answers and self._answers[0] is not answer

    @property
    def is_usable(self) -> bool:
        """Whether another message may be sent over it."""
        return self.failure is None and not self._closes_when_answered

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport, unless this connection was given up meanwhile."""
        if self.failure is not None:
            cast(asyncio.Transport, transport).abort()
        else:
            self._use(cast(asyncio.Transport, transport))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Gives the place for what is read next."""
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Hands the replies to those who wait for them, in order."""
        if self.failure is not None:
            return
        try:
            replies = self._reader.feed(self._incoming[:nbytes].tobytes())
        except ReplyInvalid as error:
            self._take_all(error.replies)
            self.fail(str(error))
        else:
            self._take_all(replies)

    def eof_received(self) -> None:
        """Lets the transport close; there is no half-open SMTP."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Notes that the relay, or the network, ended it."""
        self._transport = None
        self._end(f"the connection was lost: {exc}" if exc else _CLOSED_BY_RELAY)

    def pause_writing(self) -> None:
        """The relay reads slower than we write."""
        self._is_writable.clear()

    def resume_writing(self) -> None:
        """The relay has caught up."""
        self._is_writable.set()

    # inside

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            cipher = tls.cipher()
            self.tls_version = tls.version()
            self.cipher = cipher[0] if cipher else None

    def _take_all(self, replies: list[Reply]) -> None:
        for reply in replies:
            if self.failure is not None:
                return
            self._take(reply)
        if self._answers and replies:
            self._arm(self._answers[0].patience)

    def _take(self, reply: Reply) -> None:
        if not self._answers:
            self.last_words = reply
            self.fail("the relay ended the session" if reply.code == 421 else "the relay spoke out of turn")
            return
        answer = self._answers[0]
        answer.replies.append(reply)
        answer.missing -= 1
        if answer.missing == 0:
            self._answers.popleft()
            answer.end()
        if reply.code == 421:
            self.fail("the relay ended the session")
        elif self._closes_when_answered and not self._answers:
            self.fail("closed by us")

    def _end(self, reason: str) -> None:
        if self.failure is not None:
            return
        self.failure = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answers, self._answers = self._answers, deque()
        for answer in answers:
            answer.end()
        self._is_writable.set()
        if self.on_failure is not None:
            self.on_failure(self)

    def _arm(self, patience: float) -> None:
        """Moves the deadline; the timer itself is moved only when it would come too late."""
        self._deadline = self._loop.time() + patience
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if not self._answers and self._body_patience is None:
            return
        if self._loop.time() < self._deadline - 0.001:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        elif self._answers:
            self.fail(f"no answer within {self._answers[0].patience:g} s")
        else:
            self.fail(f"the relay took no data for {self._body_patience:g} s")
