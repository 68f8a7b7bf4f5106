"""Strings as IMAP writes them (RFC 9051 §4.3): quoted where the bytes allow it, a literal otherwise, NIL for none."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(rb'[^\x00\r\n"\\\x7f-\xff]*+')
_QUOTABLE = re.compile(rb"[^\x00\r\n\x7f-\xff]*+")
MAX_QUOTED = 1000


def to_string(value: bytes) -> bytes:
    """A quoted string of US-ASCII, or a literal; no byte of it can end a line or a command."""
    if len(value) <= MAX_QUOTED:
        if _PLAIN.fullmatch(value):
            return b'"%b"' % value
        if _QUOTABLE.fullmatch(value):
            return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    value = value.replace(b"\0", b"")  # CHAR8 has no NUL
    return b"{%d}\r\n%b" % (len(value), value)


def to_nstring(value: bytes | None) -> bytes:
    """The string, or NIL where there is no value; an empty value is an empty string."""
    return b"NIL" if value is None else to_string(value)


def to_list(items: Iterable[bytes]) -> bytes:
    """Strings in parentheses, or NIL for none."""
    written = b" ".join(map(to_string, items))
    return b"(%b)" % written if written else b"NIL"
