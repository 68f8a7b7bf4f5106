"""The transport of one session: bytes in, replies out in one write, TLS, deadlines."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, cast

import structlog

from api.smtp import replies
from api.smtp.door import Door
from api.smtp.limits import MAX_LINE_BYTES
from api.smtp.role import Role
from api.smtp.session import Answer, Session
from hourpost.gateways.metrics import SMTP_SESSIONS

log = structlog.get_logger()

_ENDLESS = 3  # times the largest message: who still sends then does not mean to end
_MAX_WAITING_BYTES = 64 * 1024  # what a client may send ahead while it waits for an answer


class Connection(asyncio.Protocol):
    """Feeds a session line by line; nothing is read past a command whose answer is still being worked out."""

    def __init__(self, door: Door, role: Role, address: str, connections: set[Connection], *, is_secure: bool) -> None:
        self._door = door
        self._address = address
        self._connections = connections
        self._session = Session(door, role, address, is_secure=is_secure)
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._work: asyncio.Task[None] | None = None
        self.was_made = False
        self._is_clogged = False
        self._is_paused = False
        self._opened_at = self._heard_at = self._content_since = door.seconds()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self.was_made = True
        self._connections.add(self)
        SMTP_SESSIONS.inc()
        self._transport.write(self._session.greet())
        if self._door.is_draining:
            self.end(replies.SHUTTING_DOWN)

    def data_received(self, data: bytes) -> None:
        """Take what the client wrote."""
        self._buffer += data
        self._heard_at = self._door.seconds()
        self._go_on()
        if len(self._buffer) > _MAX_WAITING_BYTES and self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Close: a client that will not send any more cannot end its session either."""

    def pause_writing(self) -> None:
        """Answer nothing more until the client reads."""
        self._is_clogged = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_clogged = False
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the session; a message that is being stored is stored nevertheless. May be called twice."""
        self._transport = None
        self._session.close()
        self._buffer.clear()
        if self in self._connections:
            self._connections.discard(self)
            SMTP_SESSIONS.dec()
            self._door.guard.leave(self._address)

    # what the server calls

    @property
    def is_idle(self) -> bool:
        """Whether closing now would interrupt nothing."""
        return self._work is None and self._session.is_idle

    def check_deadlines(self, now: float) -> None:
        """End a session that takes too long over something."""
        limits = self._door.limits
        if self._work is not None:
            return
        reader = self._session.reader
        if now - self._heard_at > limits.idle_seconds:
            self.end(replies.IDLE)
        elif reader is not None:
            self._check_content(reader.received_bytes, now - self._content_since)
        elif now - self._opened_at > limits.session_seconds and self._session.is_idle:
            self.end(replies.SESSION_TOO_LONG)

    def _check_content(self, received_bytes: int, elapsed_seconds: float) -> None:
        limits = self._door.limits
        is_slow = received_bytes < elapsed_seconds * limits.least_bytes_per_second
        if elapsed_seconds > limits.session_seconds or (elapsed_seconds > limits.slow_after_seconds and is_slow):
            self.end(replies.TOO_SLOW)
        elif received_bytes > _ENDLESS * limits.message_bytes:
            self.end(replies.TOO_LARGE)

    def end(self, reply: bytes) -> None:
        """Say why, and close."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)
            self._transport.close()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    # the work

    def _go_on(self) -> None:
        """Pump, unless something has to happen first; then read again what was held up."""
        if self._work is not None or self._is_clogged:
            return
        self._pump()
        if self._is_paused and self._work is None and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _pump(self) -> None:
        """Answer what has arrived, as far as it goes; all replies leave in one write."""
        session = self._session
        while self._work is None and not session.is_over and not session.wants_tls:
            answer = self._read_on(session)
            if answer is None:
                break
            if isinstance(answer, bytes):
                self._out.append(answer)
            else:
                self._start(answer)
        self._flush()
        if session.wants_tls and self._transport is not None:
            self._leave_clear()

    def _read_on(self, session: Session) -> Answer | None:
        """The answer to the next line or message; None when it is not complete."""
        buffer = self._buffer
        if session.reader is not None:
            return session.finish() if session.reader.take(buffer) else None
        end = buffer.find(b"\n")
        if end > MAX_LINE_BYTES or (end < 0 and len(buffer) > MAX_LINE_BYTES):
            session.is_over = True
            return replies.LINE_TOO_LONG
        if end < 0:
            return None
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            return session.refused(replies.Refusal(replies.BARE_LINE_END))
        answer = session.command(line[:-2], has_more=bool(buffer))
        if session.reader is not None:
            self._content_since = self._heard_at
        return answer

    def _start(self, work: Coroutine[Any, Any, bytes]) -> None:
        self._work = asyncio.get_running_loop().create_task(self._await(work))

    async def _await(self, work: Coroutine[Any, Any, bytes]) -> None:
        try:
            reply = await work
        except Exception:  # the outermost loop of a session: whatever it was, the client may try again
            log.exception("a session failed", address=self._address)
            reply = replies.FAILED
        self._work = None
        self._heard_at = self._door.seconds()
        self._out.append(reply)
        self._go_on()

    def _flush(self) -> None:
        out, session = self._out, self._session
        if self._door.is_draining and self.is_idle and not session.is_over:
            session.is_over = True
            out.append(replies.SHUTTING_DOWN)
        if out:
            self._out = []
            self._write(b"".join(out))
        if session.is_over and self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # TLS

    def _leave_clear(self) -> None:
        """Begin TLS after STARTTLS; nothing that came in clear is left."""
        transport, tls = self._transport, self._door.tls
        assert transport is not None
        assert tls is not None
        transport.pause_reading()  # whatever comes from now on belongs to the handshake
        self._buffer.clear()
        self._work = asyncio.get_running_loop().create_task(self._shake_hands(transport, tls))

    async def _shake_hands(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        if transport.is_closing():  # who has left meanwhile never begins, and start_tls would wait for ever
            self._work = None
            return
        limits = self._door.limits
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=limits.handshake_seconds,
                ssl_shutdown_timeout=limits.goodbye_seconds,
            )
        except OSError as error:
            log.debug("no TLS", address=self._address, error=repr(error))
            transport.abort()
            self._work = None
            self.connection_lost(error)  # nobody else calls it before the handshake is done
            return
        self._work = None
        self._transport = secured
        self._session.secured()
        self._go_on()
