"""What a client writes to log in: PLAIN (RFC 4616) and LOGIN, in base64 (RFC 4954)."""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from api.smtp.replies import Refusal, refuse

ASK_PLAIN = b"334 \r\n"
ASK_USERNAME = b"334 VXNlcm5hbWU6\r\n"
ASK_PASSWORD = b"334 UGFzc3dvcmQ6\r\n"

MAX_PART = 512


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its secret, which is not shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


def parse_plain(line: str) -> Login:
    """Read ``[authzid] NUL authcid NUL passwd`` in base64. Raises: Refusal."""
    parts = decode_answer(line).split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise refuse(501, "5.5.2", "PLAIN is NUL, user name, NUL, password in base64")
    if parts[0] not in ("", parts[1]):
        raise refuse(535, "5.7.8", "nobody acts for somebody else here: leave the authorisation identity empty")
    return Login(parts[1], parts[2])


def parse_login_part(line: str) -> str:
    """Read one answer of LOGIN. Raises: Refusal."""
    part = decode_answer(line)
    if not part or "\0" in part:
        raise refuse(501, "5.5.2", "an answer to AUTH LOGIN is empty or holds NUL")
    return part


def decode_answer(line: str) -> str:
    """Base64 as UTF-8; ``=`` is an empty one, ``*`` cancels. Raises: Refusal."""
    if line == "*":
        raise refuse(501, "5.7.0", "authentication cancelled")
    try:
        text = "" if line == "=" else binascii.a2b_base64(line, strict_mode=True).decode("utf-8")
    except (ValueError, binascii.Error):
        raise malformed() from None
    if len(text) > 2 * MAX_PART:
        raise malformed()
    return text


def malformed() -> Refusal:
    """The refusal of what is not base64."""
    return refuse(501, "5.5.2", "the answer is not valid base64")
