"""Commands that change or move messages: STORE, COPY, MOVE, EXPUNGE, APPEND."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.imap.grammar.folders import read_folder
from api.imap.grammar.reader import BadCommand, Reader
from api.imap.grammar.sets import Chosen, read_chosen
from api.imap.limits import MAX_LISTED

_SYSTEM_FLAGS = {name.lower(): name for name in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")}
MAX_KEYWORD_BYTES = 100


@dataclass(frozen=True, slots=True)
class Store:
    """Flags to add (+), take away (-) or set; ``unchanged_since`` leaves alone what changed meanwhile."""

    chosen: Chosen
    mode: str  # "+", "-" or ""
    is_silent: bool
    flags: tuple[str, ...]
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY or MOVE of messages into a folder."""

    chosen: Chosen
    folder: str


@dataclass(frozen=True, slots=True)
class Expunge:
    """EXPUNGE, or UID EXPUNGE of some."""

    chosen: Chosen | None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message of APPEND. ``content`` is as it came."""

    flags: tuple[str, ...]
    internal_date: datetime | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND of one message or more (RFC 3502)."""

    folder: str
    messages: tuple[NewMessage, ...]


def read_flag(reader: Reader) -> str:
    """A flag that may be stored, a system flag in its own spelling."""
    start = reader.at
    flag = reader.flag()
    known = _SYSTEM_FLAGS.get(flag.lower(), flag)
    if known.startswith("\\") and known not in _SYSTEM_FLAGS.values():
        reader.at = start
        reader.fail("a flag that can be set")
    if len(known) > MAX_KEYWORD_BYTES:
        reader.at = start
        reader.fail(f"a keyword of at most {MAX_KEYWORD_BYTES} bytes")
    return known


def read_flags(reader: Reader) -> tuple[str, ...]:
    """Flags in parentheses."""
    reader.expect(b"(")
    flags: list[str] = []
    while not reader.takes(b")"):
        if flags:
            reader.space()
        flags.append(read_flag(reader))
        if len(flags) > MAX_LISTED:
            reader.fail("a shorter list")
    return tuple(dict.fromkeys(flags))


def read_store(reader: Reader) -> Store:
    """STORE set [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] flags."""
    chosen = read_chosen(reader)
    reader.space()
    unchanged_since = None
    if reader.takes(b"(UNCHANGEDSINCE "):
        unchanged_since = reader.modseq()
        reader.expect(b")")
        reader.space()
    mode = "+" if reader.takes(b"+") else "-" if reader.takes(b"-") else ""
    reader.expect(b"FLAGS")
    is_silent = reader.takes(b".SILENT")
    reader.space()
    if reader.sees(b"("):
        return Store(chosen, mode, is_silent, read_flags(reader), unchanged_since)
    flags = [read_flag(reader)]
    while reader.takes(b" "):
        flags.append(read_flag(reader))
    return Store(chosen, mode, is_silent, tuple(dict.fromkeys(flags)), unchanged_since)


def read_copy(reader: Reader) -> Copy:
    """COPY or MOVE set folder."""
    chosen = read_chosen(reader)
    reader.space()
    return Copy(chosen, read_folder(reader))


def read_expunge(reader: Reader) -> Expunge:
    """EXPUNGE."""
    return Expunge(None)


def read_uid_expunge(reader: Reader) -> Expunge:
    """UID EXPUNGE set (RFC 4315)."""
    return Expunge(read_chosen(reader))


def read_append(reader: Reader) -> Append:
    """APPEND folder [flags] [date] message …"""
    reader.space()
    folder = read_folder(reader)
    messages = []
    while not reader.is_at_end:
        reader.space()
        messages.append(_read_message(reader))
    if not messages:
        reader.fail("a message")
    return Append(folder, tuple(messages))


def _read_message(reader: Reader) -> NewMessage:
    flags: tuple[str, ...] = ()
    internal_date = None
    if reader.sees(b"("):
        flags = read_flags(reader)
        reader.space()
    if reader.sees(b'"'):
        internal_date = reader.moment()
        reader.space()
    return NewMessage(flags, internal_date, _read_content(reader))


def _read_content(reader: Reader) -> bytes:
    if reader.takes(b"CATENATE"):
        raise BadCommand("CATENATE is not offered")
    if not reader.takes(b"UTF8 ("):
        return reader.literal()
    content = reader.literal()
    reader.expect(b")")
    return content
