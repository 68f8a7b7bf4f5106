"""The transport of one session: bytes in, replies out in one write, TLS, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from api.listening.wire import Wire
from api.smtp import replies
from api.smtp.door import Door
from api.smtp.limits import MAX_LINE_BYTES
from api.smtp.role import Role
from api.smtp.session import Answer, Session
from hourpost.gateways.metrics import SMTP_SESSIONS

log = structlog.get_logger()

_ENDLESS = 3  # times the largest message: who still sends then does not mean to end
_MAX_WAITING_BYTES = 64 * 1024  # what a client may send ahead while it waits for an answer


class Connection(Wire[Door]):
    """Feeds a session line by line; nothing is read past a command whose answer is still being worked out."""

    gauge = SMTP_SESSIONS
    refusal = replies.TOO_MANY_CONNECTIONS

    def __init__(self, door: Door, role: Role, address: str, connections: set[Connection], *, is_secure: bool) -> None:
        super().__init__(door, address, connections)
        self._session = Session(door, role, address, is_secure=is_secure)
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._is_clogged = False
        self._content_since = self._opened_at

    # what asyncio calls

    def _greet(self) -> None:
        self._write(self._session.greet())
        if self._door.is_draining:
            self.end(replies.SHUTTING_DOWN)

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

    def resume_writing(self) -> None:
        """Go on."""
        self._is_clogged = False
        self._go_on()

    def _forget(self) -> None:
        self._session.close()
        self._buffer.clear()

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
        elif not self._session.is_introduced and now - self._opened_at > limits.seconds_before_login:
            self.end(replies.LOGIN_TOO_LATE)
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

    # the work

    def _go_on(self) -> None:
        """Pump, unless something has to happen first; then read again what was held up."""
        if self._work is not None or self._is_clogged:
            return
        self._pump()
        if self._work is None:
            self._hold_up(is_full=False)

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
            self._buffer.clear()  # nothing that came in clear is left
            self._begin_tls()

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
        if self._session.standing is not None:
            self._know()
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

    def _secured(self) -> None:
        self._session.secured()
