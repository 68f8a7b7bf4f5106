"""What the door says, and the one translation of our errors into POP3 (RFC 2449 §8, RFC 3206)."""

from __future__ import annotations

from hourpost.errors import Forbidden, HourpostError, LimitExceeded, NotAuthenticated

MAX_TEXT = 400  # a reply line has at most 512 bytes (RFC 2449 §4)

OK = b"+OK\r\n"
END = b".\r\n"
ASK = b"+ \r\n"
WHO = b"+OK and the password?\r\n"
GO_AHEAD_TLS = b"+OK begin TLS\r\n"
BYE = b"+OK bye\r\n"
UTF8_ON = b"+OK UTF8 enabled\r\n"

SHUTTING_DOWN = b"-ERR [SYS/TEMP] shutting down, please come again\r\n"
TOO_MANY_CONNECTIONS = b"-ERR [SYS/TEMP] too many connections, please come again later\r\n"
TOO_MANY_ERRORS = b"-ERR too many errors, closing\r\n"
TOO_MANY_COMMANDS = b"-ERR too many commands without logging in, closing\r\n"
TOO_MANY_LOGINS = b"-ERR [AUTH] too many failed logins, closing\r\n"
LOGIN_TOO_LATE = b"-ERR log in within a minute; closing\r\n"
ACCESS_ENDED = b"-ERR [AUTH] your access has changed, please log in again\r\n"
LINE_TOO_LONG = b"-ERR line too long, closing\r\n"
FAILED = b"-ERR [SYS/TEMP] something went wrong here, please try again\r\n"
IN_USE = b"-ERR [IN-USE] another session has this mailbox open\r\n"
BAD_LOGIN = b"-ERR [AUTH] no such mailbox, or a wrong password\r\n"
NOT_DELETED = b"-ERR [SYS/TEMP] the deleted messages may not have been removed\r\n"


class Refusal(Exception):
    """An answer that refuses a command; ``ends`` closes the session after it."""

    def __init__(self, reply: bytes, *, ends: bool = False) -> None:
        super().__init__(reply)
        self.reply = reply
        self.ends = ends


def refuse(text: str, *, ends: bool = False) -> Refusal:
    """A refusal to raise."""
    return Refusal(write_error("", text), ends=ends)


def write_error(code: str, text: str) -> bytes:
    """``-ERR [code] text`` on one line of ASCII, whatever ``text`` holds."""
    safe = "".join(char if " " <= char <= "~" else "?" for char in text[:MAX_TEXT])
    return f"-ERR [{code}] {safe}\r\n".encode("ascii") if code else f"-ERR {safe}\r\n".encode("ascii")


def translate(error: HourpostError) -> bytes:
    """The reply for an error of ours."""
    if isinstance(error, NotAuthenticated | Forbidden):
        return BAD_LOGIN
    if isinstance(error, LimitExceeded):
        # RFC 2449 §8.1.1: the mailbox was left too short a while ago, or somebody guesses at its password
        return write_error("LOGIN-DELAY", f"{error.message} Try again in {error.retry_after_seconds} s.")
    return write_error("SYS/PERM" if error.permanent else "SYS/TEMP", error.message)
