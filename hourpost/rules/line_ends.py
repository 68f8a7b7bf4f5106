"""Canonical bytes (RFC 5321 §2.3.8, §4.5.3.1.6): only CRLF ends a line, no NUL, no line of over 998 bytes."""

from __future__ import annotations

import re

from hourpost.rules.headers import HeaderError, read_header_list
from hourpost.rules.transfer_encoding import has_long_line

_LINE_END = re.compile(rb"\r\n|\r|\n")


class ContentError(ValueError):
    """A message that we do not take; ``code``, ``enhanced`` and ``text`` make the SMTP reply."""

    def __init__(self, text: str, *, code: int = 554, enhanced: str = "5.6.0") -> None:
        # A reply is one line of ASCII (RFC 5321 §4.5.3.1.5)
        self.text = "".join(char if " " <= char <= "~" else "?" for char in text[:400])
        self.code = code
        self.enhanced = enhanced
        super().__init__(self.text)

    @property
    def reply(self) -> str:
        """The reply without its line end: ``554 5.6.0 …``."""
        return f"{self.code} {self.enhanced} {self.text}"


def require_canonical(raw: bytes) -> None:
    """Pass canonical bytes, whether or not a CRLF ends them.

    Raises:
        ContentError: A bare CR or LF, a NUL, or a line of more than 998 bytes.
    """
    if _has_bare_line_end(raw):
        raise ContentError("bare CR or LF in the message; lines end with CRLF")
    _require_plain_lines(raw)


def require_line_ends(raw: bytes) -> None:
    """Pass bytes in which only CRLF ends a line and no NUL is, however long the lines are. Raises: ContentError."""
    if _has_bare_line_end(raw) or b"\0" in raw:
        raise ContentError("the message holds a bare CR or LF, or a NUL")


def canonicalise(raw: bytes) -> bytes:
    """The same text with CRLF for every line end and one at the very end; canonical bytes come back as they are.

    Raises:
        ContentError: A NUL, or a line of more than 998 bytes.
    """
    if _has_bare_line_end(raw):
        raw = _LINE_END.sub(b"\r\n", raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    _require_plain_lines(raw)
    return raw


def _has_bare_line_end(raw: bytes) -> bool:
    line_ends = raw.count(b"\r\n")
    return raw.count(b"\r") != line_ends or raw.count(b"\n") != line_ends


def _require_plain_lines(raw: bytes) -> None:
    if b"\0" in raw:
        raise ContentError("NUL in the message")
    if has_long_line(raw):
        raise ContentError("a line of the message is longer than 998 bytes: write it as quoted-printable or base64")


def prepend_headers(raw: bytes, fields: bytes) -> bytes:
    """The message with more header fields, each ended by CRLF, at its top; nothing else of it changes.

    Raises:
        HeaderError: ``fields`` is not a block of header fields.
    """
    if b"\r\n\r\n" in fields:
        raise HeaderError("an empty line would end the header block")
    read_header_list(fields)
    return fields + raw
