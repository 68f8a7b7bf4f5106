"""The relay of a machine that has none: a real SMTP server on loopback that keeps every mail as a file.

Mail leaves through it exactly as through a real one (STARTTLS, AUTH) and reaches nobody.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
import ssl
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

MAX_BYTES = 64 * 1_024 * 1_024
"""More than the largest email that we accept."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FOLD_CHARACTERS = 900


class CaptureDirectory:
    """A directory of ``.eml`` files whose names sort by the time they came in; none is ever seen half-written."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._last = 0

    def keep(self, sender: str, recipients: list[str], content: bytes) -> Path:
        """Writes one mail, its envelope on top; when this returns, the file is there under its name.

        Raises: OSError.
        """
        name = self._next_name()
        partial = self._directory / f".{name}.partial"
        try:
            with partial.open("wb") as file:
                file.write(envelope_headers(sender, recipients))
                file.write(content)
            path = self._directory / f"{name}.eml"
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        return path

    def _next_name(self) -> str:
        now = max(time.time_ns() // 1_000, self._last + 1)
        self._last = now
        seconds, microseconds = divmod(now, 1_000_000)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        return f"{stamp}.{microseconds:06d}Z-{os.getpid():x}"


def envelope_headers(sender: str, recipients: list[str]) -> bytes:
    """``X-Envelope-From`` (``<>`` for the null sender) and ``X-Envelope-To``, folded where it would be too long."""
    listed = ", ".join(recipients)
    if len(listed) > _FOLD_CHARACTERS:
        listed = ",\r\n ".join(_CONTROL.sub("", recipient) for recipient in recipients)
    else:
        listed = _CONTROL.sub("", listed)
    return f"X-Envelope-From: {_CONTROL.sub('', sender)}\r\nX-Envelope-To: {listed}\r\n".encode()


class _Capture:
    """What aiosmtpd calls; it says so itself where a mail could not be written."""

    def __init__(self, directory: CaptureDirectory) -> None:
        self._directory = directory

    async def handle_EHLO(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offers PIPELINING: aiosmtpd reads command by command whatever has arrived."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answers 250 only when the file is there."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        recipients = [str(recipient) for recipient in envelope.rcpt_tos]
        try:
            path = await asyncio.to_thread(self._directory.keep, str(envelope.mail_from or "<>"), recipients, content)
        except OSError as error:
            return f"452 4.3.1 cannot write: {error.strerror}"
        return f"250 2.0.0 captured as {path.name}"


async def serve_capture_relay(
    host: str, port: int, directory: Path, *, username: str, password: str, tls_context: ssl.SSLContext
) -> asyncio.Server:
    """Starts the capture relay on ``host``; ``port`` 0 takes a free one. The caller closes the server.

    ``tls_context`` is a server's, with its certificate loaded. Mail is taken only after STARTTLS and AUTH.
    Raises: OSError, when it cannot listen or the directory cannot be made.
    """
    handler = _Capture(CaptureDirectory(directory))

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and (
            hmac.compare_digest(given.login, username.encode()) & hmac.compare_digest(given.password, password.encode())
        )
        return AuthResult(success=is_right, handled=False)

    def session() -> SMTP:
        return SMTP(
            handler,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="capture.localhost",
            ident="capture relay",
            tls_context=tls_context,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
            command_call_limit=None,
            loop=loop,
        )

    loop = asyncio.get_running_loop()
    return await loop.create_server(session, host, port)
