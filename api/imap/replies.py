"""What the door says, and the one translation of our errors into IMAP (RFC 9051 §7.1, RFC 5530)."""

from __future__ import annotations

from hourpost.errors import (
    Conflict,
    Forbidden,
    HourpostError,
    LimitExceeded,
    MailboxFull,
    MessageTooLarge,
    NotAuthenticated,
    NotFound,
    ServiceUnavailable,
    ValidationFailed,
)

MAX_TEXT = 300

GO_ON = b"+ OK\r\n"
ASK = b"+ \r\n"
IDLING = b"+ idling\r\n"
STILL_HERE = b"* OK Still here\r\n"

SHUTTING_DOWN = b"* BYE [UNAVAILABLE] shutting down, please come again\r\n"
TOO_MANY_CONNECTIONS = b"* BYE [LIMIT] too many connections, please come again later\r\n"
TOO_MANY_ERRORS = b"* BYE too many errors\r\n"
TOO_MANY_LOGINS = b"* BYE [LIMIT] too many failed logins\r\n"
TOO_MANY_COMMANDS = b"* BYE [LIMIT] too many commands before log-in\r\n"
LOGIN_TOO_LATE = b"* BYE nobody logged in in time\r\n"
IDLE = b"* BYE idle for too long\r\n"
ACCESS_CHANGED = b"* BYE [UNAVAILABLE] the access to this mailbox was changed, please log in again\r\n"
FOLDER_GONE = b"* BYE the folder was deleted\r\n"
BAD_DEFLATE = b"* BYE this is not DEFLATE\r\n"
FAILED = "NO [SERVERBUG] something went wrong here, please try again"


class No(Exception):
    """A command that cannot be done: a response code without brackets, or none, and a text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return write_condition("NO", self.code, self.text)


class Bad(Exception):
    """A command that makes no sense here."""


def write_condition(kind: str, code: str, text: str) -> str:
    """What stands behind a tag: ``NO [CODE] text`` on one line of ASCII, whatever ``text`` holds."""
    safe = "".join(char if " " <= char <= "~" else "?" for char in text[:MAX_TEXT])
    return f"{kind} [{code}] {safe}" if code else f"{kind} {safe}"


def untagged(text: str) -> bytes:
    """An untagged line."""
    return f"* {text}\r\n".encode("ascii")


# The first that fits
_CODES: tuple[tuple[type[HourpostError], str], ...] = (
    (LimitExceeded, "LIMIT"),
    (MailboxFull, "OVERQUOTA"),
    (ServiceUnavailable, "UNAVAILABLE"),
    (NotFound, "NONEXISTENT"),
    (NotAuthenticated, "AUTHENTICATIONFAILED"),
    (Forbidden, "NOPERM"),
    (MessageTooLarge, "TOOBIG"),
    (ValidationFailed, "CANNOT"),
)
_CONFLICTS = {"already_exists": "ALREADYEXISTS", "use_taken": "USEATTR", "too_many": "LIMIT"}


def translate(error: HourpostError) -> No:
    """The refusal for an error of ours."""
    if isinstance(error, Conflict):
        return No(_CONFLICTS.get(error.name, "CANNOT"), error.message)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "SERVERBUG")
    return No(code, error.message)
