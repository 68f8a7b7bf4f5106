"""Flags of a message: the system flags as bits, as PostgreSQL stores them (RFC 9051 §2.3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntFlag


class Flag(IntFlag):
    r"""The system flags. \Recent is none of them: it belongs to a session, not to a message."""

    NONE = 0
    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


FLAG_NAMES = {
    Flag.SEEN: "\\Seen",
    Flag.ANSWERED: "\\Answered",
    Flag.FLAGGED: "\\Flagged",
    Flag.DELETED: "\\Deleted",
    Flag.DRAFT: "\\Draft",
}

_BY_NAME = {name.lower(): flag for flag, name in FLAG_NAMES.items()}


def find_flag(name: str) -> Flag | None:
    r"""The system flag of this name in any case (``\seen``), or None for a keyword."""
    return _BY_NAME.get(name.lower())


def list_flag_names(flags: int) -> Iterator[str]:
    """The names of the bits that are set."""
    return (name for flag, name in FLAG_NAMES.items() if flags & flag)


def split_flags(names: Iterable[str]) -> tuple[Flag, tuple[str, ...]]:
    """System flags as bits, and keywords as they were written, each once."""
    flags, keywords = Flag.NONE, dict[str, str]()
    for name in names:
        flag = find_flag(name)
        if flag is None:
            keywords.setdefault(name.lower(), name)
        else:
            flags |= flag
    return flags, tuple(keywords.values())
