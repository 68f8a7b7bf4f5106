"""AUTH PLAIN (RFC 5034, RFC 4616): what a client writes to log in."""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from api.pop3.replies import Refusal, refuse

MAX_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password, which is not shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


def parse_plain(line: str) -> Login:
    """Read ``[authzid] NUL authcid NUL passwd`` in base64; ``*`` cancels. Raises: Refusal."""
    if line == "*":
        raise refuse("log-in cancelled")
    try:
        text = "" if line == "=" else binascii.a2b_base64(line, strict_mode=True).decode("utf-8")
    except ValueError:
        raise refuse("the answer is not valid base64 of UTF-8") from None
    parts = text.split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2] or len(text) > MAX_CHARACTERS:
        raise refuse("PLAIN is NUL, user name, NUL, password in base64")
    if parts[0] not in ("", parts[1]):
        raise Refusal(b"-ERR [AUTH] nobody acts for somebody else here: leave the authorisation identity empty\r\n")
    return Login(parts[1], parts[2])
