"""The transport of one session: bytes in, answers out, TLS, compression, deadlines."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Coroutine
from typing import Any

import structlog

from api.imap import replies
from api.imap.dispatch import Dispatcher
from api.imap.door import Door
from api.imap.outlet import ClientGone, Inflation, Outlet
from api.listening.patience import Patience
from api.listening.wire import Wire
from hourpost.gateways.metrics import IMAP_SESSIONS

log = structlog.get_logger()

_MAX_WAITING_BYTES = 64 * 1024  # what a client may send ahead while it waits for an answer
_PIECE_BYTES = 256 * 1024


class Connection(Wire[Door]):
    """Feeds a session; commands run strictly in turn, and nothing is read past one that is still being worked on."""

    __slots__ = ("_inflation", "_outlet", "_patience", "_session", "_told_at")
    gauge = IMAP_SESSIONS
    refusal = replies.TOO_MANY_CONNECTIONS

    def __init__(self, door: Door, address: str, connections: set[Connection], *, is_secure: bool) -> None:
        super().__init__(door, address, connections)
        self._outlet, self._patience = Outlet(), Patience()
        self._session = Dispatcher(door, self._outlet, address, self._wake, is_secure=is_secure)
        self._inflation: Inflation | None = None
        self._told_at = self._opened_at

    # what asyncio calls

    def _greet(self) -> None:
        if self._door.is_draining:
            self.end(replies.SHUTTING_DOWN)
            return
        self._session.greet()
        self._outlet.push()

    def data_received(self, data: bytes) -> None:
        """Take what the client wrote."""
        self._heard_at = self._door.seconds()
        if self._inflation is None:
            self._session.framer.feed(data)
        elif not self._inflate(data):
            return
        self._go_on()
        if self._is_full:
            self._hold_up(is_full=True)

    def pause_writing(self) -> None:
        """Answer nothing more until the client reads."""
        self._outlet.clog()
        self._patience.begin(self._door.seconds(), self._unread_bytes)

    def resume_writing(self) -> None:
        """Go on."""
        self._outlet.resume()
        self._go_on()

    def _forget(self) -> None:
        self._session.is_over = True
        if self._work is None:  # else when it has ended: until then it may still take what has to be given back
            self._session.close()

    # what the server calls

    @property
    def is_idle(self) -> bool:
        """Whether closing now would interrupt nothing."""
        return self._work is None and self._session.framer.is_between

    def check_deadlines(self, now: float) -> None:
        """End a session that takes too long, and tell one in IDLE that somebody is still here."""
        limits, session = self._door.limits, self._session
        if self._outlet.is_clogged:
            if self._patience.is_over(now, self._unread_bytes, limits.write_seconds):
                self.abort()
            return
        if self._work is not None:
            return
        if not session.is_logged_in and now - self._opened_at > limits.seconds_before_login:
            self.end(replies.LOGIN_TOO_LATE)
        elif now - self._heard_at > (limits.arriving_seconds if session.arriving else limits.idle_seconds):
            self.end(replies.IDLE)
        elif session.is_idling and now - self._told_at > limits.still_here_seconds:
            self._outlet.write(replies.STILL_HERE)
            self._flush()

    def end(self, reply: bytes) -> None:
        """Say why, and close."""
        self._session.is_over = True
        if self._transport is not None and not self._transport.is_closing():
            self._outlet.write(reply)
            self._outlet.push()
            self._transport.close()

    # the work

    @property
    def _is_full(self) -> bool:
        framer = self._session.framer
        is_held_up = self._work is not None or self._outlet.is_clogged
        return (is_held_up and len(framer.buffer) > _MAX_WAITING_BYTES) or (
            self._inflation is not None and self._inflation.has_more
        )

    def _inflate(self, data: bytes) -> bool:
        assert self._inflation is not None
        try:
            self._session.framer.feed(self._inflation.feed(data, _PIECE_BYTES))
        except zlib.error:
            self.end(replies.BAD_DEFLATE)
            return False
        return True

    def _go_on(self) -> None:
        """Act on what has arrived, unless something has to happen first; then read again what was held up."""
        is_more = True
        while is_more and self._work is None and not self._outlet.is_clogged and not self._session.is_over:
            is_more = self._pump()
        if self._session.is_over and self._work is None:
            self._flush()
        if not self._is_full:
            self._hold_up(is_full=False)

    def _pump(self) -> bool:
        """Start what can be started; whether there is more to look at without anything new having arrived."""
        session = self._session
        while self._work is None and not (session.is_over or session.wants_tls or session.wants_deflate):
            work = session.next()
            if work is None:
                break
            self._work = asyncio.get_running_loop().create_task(self._await(work))
        if self._work is not None:
            return False
        self._flush()
        if session.wants_tls and self._transport is not None:
            # A byte that came behind STARTTLS in clear ends the session (RFC 9051 §11.3)
            self.abort() if session.framer.buffer else self._begin_tls()
        elif session.wants_deflate:
            session.wants_deflate = False
            self._begin_deflate()
            return True
        return self._inflation is not None and self._inflation.has_more and self._inflate(b"")

    async def _await(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ClientGone:
            self.abort()
        except Exception:  # the outermost loop of a session: whatever it was, the client may try again
            log.exception("a session failed", address=self._address)
            self._session.fail()
        self._work = None
        if self._transport is None:
            self._session.close()
            return
        self._heard_at = self._door.seconds()
        if self._session.is_logged_in:
            self._know()
        self._go_on()
        if self._work is not None and not self._outlet.is_clogged:
            self._outlet.push()

    def _flush(self) -> None:
        outlet, session = self._outlet, self._session
        if self._door.is_draining and self.is_idle and not session.is_over:
            session.is_over = True
            outlet.write(replies.SHUTTING_DOWN)
        self._told_at = self._door.seconds()
        outlet.push()
        if session.is_over and self._transport is not None:
            self._transport.close()

    def _begin_deflate(self) -> None:
        self._outlet.deflate()
        framer = self._session.framer
        waiting = bytes(framer.buffer)
        framer.buffer.clear()
        self._inflation = Inflation()
        if waiting:
            self._inflate(waiting)

    def _wake(self) -> None:
        """The session has something to say that nobody asked for; a command under way says it at its end."""
        if self._work is None:
            self._flush()

    # the transport

    def _attach(self, transport: asyncio.Transport | None) -> None:
        super()._attach(transport)
        self._outlet.attach(transport)

    def _secured(self) -> None:
        self._session.secured()
