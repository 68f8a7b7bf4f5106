"""The small words of answers: flags, moments, sets, names of folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from hourpost.rules.mail.folder_names import encode_folder_name
from hourpost.rules.mail.imap_text import to_string
from hourpost.rules.mail_flags import list_flag_names

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ATOM = re.compile(rb"[A-Za-z0-9!#$&'+,\-./:;<=>?@^_`|~]+")
_QUOTABLE = re.compile(r"[^\x00-\x1f\x7f\\\"]*")
_SYSTEM_FLAGS = tuple(" ".join(list_flag_names(bits)) for bits in range(32))


def write_flags(flags: int, keywords: Iterable[str] = (), *, is_recent: bool = False) -> bytes:
    r"""Flags as they stand in parentheses: ``\Seen $Forwarded``."""
    words = [_SYSTEM_FLAGS[flags & 31]] if flags & 31 else []
    words += keywords
    if is_recent:
        words.append("\\Recent")
    return " ".join(words).encode("ascii")


def write_moment(moment: datetime) -> bytes:
    """A date-time as in INTERNALDATE, in UTC, with its quotes."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    month = _MONTHS[at.month - 1]
    return b'"%02d-%b-%04d %02d:%02d:%02d +0000"' % (
        at.day,
        month.encode("ascii"),
        at.year,
        at.hour,
        at.minute,
        at.second,
    )


def write_numbers(numbers: Sequence[int]) -> str:
    """Ascending numbers as a set: ``1:4,7``."""
    parts: list[str] = []
    first = last = 0
    for number in numbers:
        if number == last + 1 and first:
            last = number
            continue
        if first:
            parts.append(str(first) if first == last else f"{first}:{last}")
        first = last = number
    if first:
        parts.append(str(first) if first == last else f"{first}:{last}")
    return ",".join(parts)


def write_numbers_in_turn(numbers: Sequence[int]) -> str:
    """Numbers as a set that keeps their order, as COPYUID wants it: ``3,1:2``."""
    return write_numbers(numbers)


@lru_cache(maxsize=1024)
def write_folder(name: str, *, is_utf8: bool) -> bytes:
    """The name of a folder: an atom where it can be one, else quoted."""
    if is_utf8:
        return _write_utf8(name)
    encoded = encode_folder_name(name)
    return encoded if _ATOM.fullmatch(encoded) and encoded.upper() != b"NIL" else to_string(encoded)


def _write_utf8(name: str) -> bytes:
    encoded = name.encode("utf-8", "replace")
    if _ATOM.fullmatch(encoded) and encoded.upper() != b"NIL":
        return encoded
    if _QUOTABLE.fullmatch(name):
        return b'"' + encoded + b'"'
    return b'"' + encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def write_text(text: str, *, is_utf8: bool) -> bytes:
    """A string for people: quoted UTF-8 where that was agreed on, else quoted ASCII or a literal of UTF-8."""
    return _write_utf8_string(text) if is_utf8 and not text.isascii() else to_string(text.encode("utf-8", "replace"))


def _write_utf8_string(text: str) -> bytes:
    encoded = text.encode("utf-8", "replace")
    if not _QUOTABLE.fullmatch(text) or len(encoded) > 1000:
        return b"{%d}\r\n%b" % (len(encoded), encoded)
    return b'"' + encoded + b'"'


def write_id(kind: str, value: Mapping[str, str] | str) -> bytes:
    """An object id (RFC 8474): a letter for its kind, and the id."""
    return f"({kind}{value})".encode("ascii")
