"""Sequence sets as ranges, never expanded (RFC 9051 §9), and ``$`` for the saved result of a search (RFC 5182)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.imap.grammar.reader import BadCommand, Reader
from api.imap.limits import MAX_RANGES
from hourpost.rules.mail.sets import SequenceSet, SetError, parse_set

_SET = re.compile(rb"[0-9:*,]+")


@dataclass(frozen=True, slots=True)
class Saved:
    """The messages that the last SEARCH RETURN (SAVE) found."""


Chosen = SequenceSet | Saved


def read_set(reader: Reader) -> SequenceSet:
    """A set of numbers or UIDs."""
    found = _SET.match(reader.text, reader.at)
    if found is None:
        reader.fail("a set of messages")
    if found[0].count(b",") >= MAX_RANGES:
        reader.fail(f"a set of at most {MAX_RANGES} ranges")
    try:
        chosen = parse_set(found[0].decode("ascii"))
    except SetError as error:
        raise BadCommand(str(error)) from None
    reader.at = found.end()
    return chosen


def read_chosen(reader: Reader) -> Chosen:
    """A space, and a set or ``$``."""
    reader.space()
    return Saved() if reader.takes(b"$") else read_set(reader)
