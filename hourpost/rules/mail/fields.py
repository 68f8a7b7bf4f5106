"""The fields of a header block, as bytes: where the block ends, and what each field says unfolded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice

from hourpost.rules.mail.scanned import MAX_FIELDS, MAX_HEADER_BYTES

# Anchored, or a long line without a colon would take time by the square
_FIELD = re.compile(rb"(?m)^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_COMMENT = re.compile(rb'"(?:[^"\\]|\\.)*+"?|\((?:[^()\\]|\\.)*+\)?', re.DOTALL)


def find_header_end(content: bytes, start: int, end: int) -> int:
    """Where the body begins: behind the first empty line, or at ``end`` when there is none."""
    if content.startswith(b"\r\n", start, end):
        return start + 2
    if content.startswith(b"\n", start, end):
        return start + 1
    crlf = content.find(b"\n\r\n", start, end)
    bare = content.find(b"\n\n", start, end if crlf < 0 else crlf + 1)
    if bare >= 0:
        return bare + 2
    return end if crlf < 0 else crlf + 3


def list_fields(content: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """Name in lower case and raw value of at most 1,000 fields in the first 256 KiB of a header."""
    return [(match[1].lower(), match[2]) for match in _find_fields(content, start, end)]


def list_written_fields(content: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """The same with each name as it is written."""
    return [(match[1], match[2]) for match in _find_fields(content, start, end)]


def drop_fields(content: bytes, names: Collection[bytes]) -> bytes:
    """A message without the fields of these names, in lower case, in its header; everything else as it is."""
    kept, at = [], 0
    for match in _FIELD.finditer(content, 0, find_header_end(content, 0, len(content))):
        if match[1].lower() in names:
            kept.append(content[at : match.start()])
            at = match.end() + 1
    return b"".join([*kept, content[at:]])


def first_values(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The first value of each name, unfolded."""
    values: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in values:
            values[name] = unfold(value)
    return values


def unfold(value: bytes) -> bytes:
    """The value on one line (RFC 5322 §2.2.3), without the blanks around it and without NUL."""
    if b"\n" in value:
        value = _FOLD.sub(b"", value)
    if b"\0" in value:
        value = value.replace(b"\0", b"")
    return value.strip()


def _find_fields(content: bytes, start: int, end: int) -> Iterable[re.Match[bytes]]:
    return islice(_FIELD.finditer(content, start, min(end, start + MAX_HEADER_BYTES)), MAX_FIELDS)


def strip_comments(value: bytes) -> bytes:
    """The value without comments (RFC 5322 §3.2.2), which stay where they stand in quotes; nesting is not followed."""
    if b"(" not in value:
        return value
    return _COMMENT.sub(lambda match: match[0] if match[0].startswith(b'"') else b" ", value).strip()


def unescape(text: bytes) -> bytes:
    """The text of a quoted string or a comment without the backslashes of its quoted pairs (RFC 5322 §3.2.1)."""
    if b"\\" not in text:
        return text
    # NUL has been taken out of the value; a substitution would make an object of every piece between
    return text.replace(b"\\\\", b"\0").replace(b"\\", b"").replace(b"\0", b"\\")
