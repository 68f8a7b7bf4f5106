"""The transport of one session: lines in, replies out, TLS, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from api.listening.patience import Patience
from api.listening.wire import Wire
from api.pop3 import replies
from api.pop3.door import Door
from api.pop3.fetching import Interrupted
from api.pop3.limits import MAX_LINE_BYTES
from api.pop3.session import Answer, Session
from hourpost.gateways.metrics import POP3_SESSIONS

log = structlog.get_logger()

_MAX_WAITING_BYTES = 64 * 1024  # what a client may send ahead while it waits for an answer
_PIECE_BYTES = 256 * 1024  # of replies that are written together


class ClientGone(Exception):
    """Nobody is there to write to any more."""


class Connection(Wire[Door]):
    """Feeds a session line by line; nothing is read past a command whose answer is still being worked out."""

    gauge = POP3_SESSIONS
    refusal = replies.TOO_MANY_CONNECTIONS

    def __init__(self, door: Door, address: str, connections: set[Connection], *, is_secure: bool) -> None:
        super().__init__(door, address, connections)
        self._session = Session(door, self._send, self.end, address, is_secure=is_secure)
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._keeping: asyncio.Task[None] | None = None
        self._is_open_again: asyncio.Future[None] | None = None  # for who writes while the client does not read
        self._is_clogged = False
        self._patience = Patience()
        self._renewed_at = self._opened_at

    # what asyncio calls

    def _greet(self) -> None:
        if self._door.is_draining:
            self.end(replies.SHUTTING_DOWN)
        elif self._transport is not None:
            self._transport.write(self._session.greet())

    def data_received(self, data: bytes) -> None:
        """Take what the client wrote."""
        self._buffer += data
        self._heard_at = self._door.seconds()
        self._go_on()
        if len(self._buffer) > _MAX_WAITING_BYTES:
            self._hold_up(is_full=True)

    def pause_writing(self) -> None:
        """Answer nothing more until the client reads."""
        self._is_clogged = True
        self._patience.begin(self._door.seconds(), self._unread_bytes)

    def resume_writing(self) -> None:
        """Go on."""
        self._is_clogged = False
        self._wake()
        self._go_on()

    def _forget(self) -> None:
        """Nothing is removed unless QUIT was being answered."""
        self._buffer.clear()
        self._wake()
        if self in self._connections:
            self._door.start(self._session.close())

    # what the server calls

    @property
    def is_idle(self) -> bool:
        """Whether closing now would interrupt nothing."""
        return self._work is None and not self._is_clogged

    def check_deadlines(self, now: float) -> None:
        """End a session that takes too long, and keep the lock of one that does not."""
        limits, session = self._door.limits, self._session
        if self._is_clogged:
            if self._patience.is_over(now, self._unread_bytes, limits.write_seconds):
                self.abort()
        elif (
            self._work is None and session.visit.entered is None and now - self._opened_at > limits.seconds_before_login
        ):
            self.end(replies.LOGIN_TOO_LATE)
        elif self._work is None and now - self._heard_at > limits.idle_seconds:
            self.end(b"")  # RFC 1939 §3: without a response
        session.rest(now - self._heard_at)
        if (
            session.visit.entered is not None
            and now - self._renewed_at > limits.renew_seconds
            and self._keeping is None
        ):
            self._renewed_at = now
            self._keeping = asyncio.get_running_loop().create_task(self._keep())

    def end(self, reply: bytes) -> None:
        """Say why, and close."""
        self._session.is_over = True
        if self._transport is not None and not self._transport.is_closing():
            if reply:
                self._transport.write(reply)
            self._transport.close()

    # the work

    def _go_on(self) -> None:
        """Pump, unless something has to happen first; then read again what was held up."""
        if self._work is not None or self._is_clogged:
            return
        self._pump()
        if self._work is None and not self._is_clogged:
            self._hold_up(is_full=False)

    def _pump(self) -> None:
        """Answer what has arrived, as far as it goes; replies leave together, in pieces that are not too large."""
        session = self._session
        while self._work is None and not (session.is_over or session.wants_tls or self._is_clogged):
            answer = self._read_on(session)
            if answer is None:
                break
            if isinstance(answer, bytes):
                self._put(answer)
                if self._out_bytes > _PIECE_BYTES:
                    self._flush()
            else:
                self._work = asyncio.get_running_loop().create_task(self._await(answer))
        self._flush()
        if session.wants_tls and self._transport is not None:
            # A byte that came behind STLS in clear ends the session (RFC 2595 §7)
            self.abort() if self._buffer else self._begin_tls()

    def _read_on(self, session: Session) -> Answer | None:
        """The answer to the next line; None when it is not complete."""
        buffer = self._buffer
        end = buffer.find(b"\n", 0, MAX_LINE_BYTES)
        if end < 0:
            if len(buffer) < MAX_LINE_BYTES:
                return None
            session.is_over = True
            return replies.LINE_TOO_LONG
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        return session.command(line.removesuffix(b"\r"))

    async def _await(self, work: Coroutine[Any, Any, bytes]) -> None:
        try:
            self._put(await work)
        except (ClientGone, Interrupted):
            self.abort()
        except Exception:  # the outermost loop of a session: whatever it was, the client may try again
            log.exception("a session failed", address=self._address)
            self._put(replies.FAILED)
        self._work = None
        self._heard_at = self._door.seconds()
        if self._session.visit.entered is not None:
            self._know()
        if self._is_clogged:
            self._flush()
        self._go_on()

    async def _keep(self) -> None:
        """Renew the lock; a session that has lost it ends and removes nothing."""
        try:
            if not await self._session.visit.stay():
                self.end(replies.IN_USE)
        finally:
            self._keeping = None

    # writing

    async def _send(self, data: bytes) -> None:
        """Write a piece of a long answer, and wait while the client does not read. Raises: ClientGone."""
        self._put(data)
        self._flush()
        while self._is_clogged and self._transport is not None:
            self._is_open_again = asyncio.get_running_loop().create_future()
            await self._is_open_again
        if self._transport is None:
            raise ClientGone

    def _wake(self) -> None:
        waiting, self._is_open_again = self._is_open_again, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _put(self, data: bytes) -> None:
        self._out.append(data)
        self._out_bytes += len(data)

    def _flush(self) -> None:
        session, transport = self._session, self._transport
        if self._door.is_draining and self._work is None and not session.is_over:
            session.is_over = True
            self._put(replies.SHUTTING_DOWN)
        out, self._out, self._out_bytes = self._out, [], 0
        if transport is None or transport.is_closing():
            return
        if out:
            transport.write(b"".join(out))
        if session.is_over and self._work is None:
            transport.close()

    def _secured(self) -> None:
        self._session.secured()
