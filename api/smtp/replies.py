"""What the door says, and the one translation of our errors into SMTP (RFC 5321 §4.2, RFC 3463)."""

from __future__ import annotations

from datetime import timedelta

from hourpost.errors import (
    Conflict,
    DiskFull,
    Forbidden,
    HourpostError,
    IdempotencyInFlight,
    LimitExceeded,
    MailboxFull,
    MessageTooLarge,
    NotAuthenticated,
    ServiceUnavailable,
    ValidationFailed,
)
from hourpost.rules.ids import moment_of, to_text
from hourpost.rules.submission import Receipt

_DAY = timedelta(days=1)
MAX_TEXT = 400  # a reply line has at most 512 bytes (RFC 5321 §4.5.3.1.5)

BYE = b"221 2.0.0 bye\r\n"
OK = b"250 2.0.0 ok\r\n"
SENDER_OK = b"250 2.1.0 sender ok\r\n"
CHUNK_OK = b"250 2.0.0 chunk received\r\n"
RECIPIENT_OK = b"250 2.1.5 recipient ok\r\n"
VRFY = b"252 2.1.5 cannot verify, send some mail\r\n"
HELP = b"214 2.0.0 commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n"
GO_AHEAD_TLS = b"220 2.0.0 ready to start TLS\r\n"
GO_AHEAD_DATA = b"354 end data with <CR><LF>.<CR><LF>\r\n"
LOGGED_IN = b"235 2.7.0 logged in\r\n"

SHUTTING_DOWN = b"421 4.3.2 shutting down, please come again\r\n"
LOGIN_TOO_LATE = b"421 4.4.2 neither a log-in nor, on port 25, EHLO came in time, closing\r\n"
TOO_MANY_CONNECTIONS = b"421 4.7.0 too many connections, please come again later\r\n"
TOO_MANY_ERRORS = b"421 4.7.0 too many errors, closing\r\n"
TOO_MANY_LOGINS = b"421 4.7.0 too many failed logins, closing\r\n"
IDLE = b"421 4.4.2 idle for too long, closing\r\n"
SESSION_TOO_LONG = b"421 4.4.2 the session lasted too long, closing\r\n"
TOO_SLOW = b"421 4.4.2 the message comes too slowly, closing\r\n"
LINE_TOO_LONG = b"500 5.5.2 line too long, closing\r\n"
BARE_LINE_END = b"500 5.5.2 a command line ends with CRLF and holds no other CR or LF\r\n"
FAILED = b"451 4.3.0 something went wrong here, please try again\r\n"
TOO_LARGE = b"552 5.3.4 the message is larger than we take\r\n"
CROWDED = b"452 4.3.1 too many large messages at the moment, please try again\r\n"
NO_RECIPIENTS = b"554 5.5.1 no valid recipients\r\n"
OUT_OF_SEQUENCE = b"503 5.5.1 bad sequence of commands\r\n"
BAD_LOGIN = b"535 5.7.8 authentication failed: no such credential, or a wrong secret\r\n"


class Refusal(Exception):
    """An answer that refuses a command; ``ends`` closes the session after it, ``is_error`` counts towards its end."""

    def __init__(self, reply: bytes, *, ends: bool = False, is_error: bool = True) -> None:
        super().__init__(reply)
        self.reply = reply
        self.ends = ends
        self.is_error = is_error


def write_reply(code: int, enhanced: str, text: str) -> bytes:
    """One reply on one line of ASCII, whatever ``text`` holds."""
    safe = "".join(char if " " <= char <= "~" else "?" for char in text[:MAX_TEXT])
    return f"{code} {enhanced} {safe}\r\n".encode("ascii")


def refuse(code: int, enhanced: str, text: str, *, ends: bool = False) -> Refusal:
    """A refusal to raise."""
    return Refusal(write_reply(code, enhanced, text), ends=ends)


def too_many_recipients(most: int) -> Refusal:
    """A recipient beyond ``most``: no error of the client's, who sends again to the rest (RFC 5321 §4.5.3.1.10)."""
    reply = write_reply(452, "4.5.3", f"too many recipients: at most {most} for one message")
    return Refusal(reply, is_error=False)


def write_accepted(receipt: Receipt) -> bytes:
    """The answer to a message that is committed: its id, and when it leaves if something holds it."""
    placed = receipt.placed[0]
    leaves = ""
    if placed.held_by is not None and placed.estimated_send_at is not None:
        is_soon = placed.estimated_send_at - moment_of(placed.email_id) < _DAY
        leaves = f"; leaves about {placed.estimated_send_at:{'%H:%M' if is_soon else '%Y-%m-%d %H:%M'}}Z"
    return f"250 2.0.0 queued as {to_text('em', placed.email_id)}{leaves}\r\n".encode("ascii")


# The first that fits; a temporary limit never gets a permanent code
_CODES: tuple[tuple[type[HourpostError], int, str], ...] = (
    (LimitExceeded, 452, "4.4.5"),
    (MailboxFull, 452, "4.2.2"),
    (IdempotencyInFlight, 451, "4.3.2"),
    (DiskFull, 452, "4.3.1"),
    (ServiceUnavailable, 451, "4.3.0"),
    (NotAuthenticated, 550, "5.7.1"),
    (Forbidden, 550, "5.7.1"),
    (MessageTooLarge, 552, "5.3.4"),
    (Conflict, 550, "5.5.4"),
    (ValidationFailed, 554, "5.6.0"),
)


def translate(error: HourpostError) -> bytes:
    """The reply for an error of ours."""
    text = error.message
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None and f" {retry_after} second" not in text:  # a limit says so itself
        text = f"{text[:300].rstrip('. ')}; try again in {retry_after} s"
    for kind, code, enhanced in _CODES:
        if isinstance(error, kind):
            return write_reply(code, enhanced, text)
    return write_reply(554, "5.0.0", text) if error.permanent else write_reply(451, "4.3.0", text)
