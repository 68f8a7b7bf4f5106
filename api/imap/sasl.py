"""What a client writes to log in, in base64: PLAIN (RFC 4616)."""

from __future__ import annotations

import binascii

from api.imap.grammar.access import Login
from api.imap.replies import Bad, No

MAX_PART = 512


def decode_answer(line: bytes) -> bytes:
    """Base64 of an answer; ``*`` cancels. Raises: Bad."""
    if line.strip() == b"*":
        raise Bad("authentication cancelled")
    try:
        return binascii.a2b_base64(line.strip(), strict_mode=True)
    except (ValueError, binascii.Error):
        raise Bad("the answer is not valid base64") from None


def parse_plain(answer: bytes) -> Login:
    """Read ``[authzid] NUL authcid NUL passwd``. Raises: Bad, No."""
    try:
        parts = answer.decode("utf-8").split("\0")
    except UnicodeDecodeError:
        raise Bad("PLAIN is written in UTF-8") from None
    if len(parts) != 3 or not parts[1] or not parts[2] or max(map(len, parts)) > MAX_PART:
        raise Bad("PLAIN is NUL, user name, NUL, password in base64")
    if parts[0] not in ("", parts[1]):
        raise No("AUTHORIZATIONFAILED", "nobody acts for somebody else here")
    return Login(parts[1], parts[2])
