"""Patterns of LIST: ``*`` is anything, ``%`` anything within a level; no pattern takes longer than its length."""

from __future__ import annotations

from hourpost.rules.folder_names import INBOX, SEPARATOR

_MAX_PATTERN = 1000


def matches(pattern: str, name: str) -> bool:
    """Whether the name is of the pattern.

    Positions in the name that the pattern has reached are the bits of one number, so that many wildcards cost no more
    than as many letters.
    """
    full = (1 << (len(name) + 1)) - 1
    within = sum(1 << at for at, char in enumerate(name) if char != SEPARATOR)
    reached = 1
    for char in pattern[:_MAX_PATTERN]:
        if char == "*":
            reached = full & ~((reached & -reached) - 1)
        elif char == "%":
            # An addition carries each bit to the end of its level (as in Myers' bit-vector algorithm)
            reached |= (((reached & within) + within) ^ within) & full
        else:
            reached = (reached & _places(name, char)) << 1
        if not reached:
            return False
    return bool(reached >> len(name) & 1)


def _places(name: str, char: str) -> int:
    places, at = 0, name.find(char)
    while at >= 0:
        places |= 1 << at
        at = name.find(char, at + 1)
    return places


def join_reference(reference: str, pattern: str) -> str:
    """The pattern under its reference, INBOX in its one spelling."""
    whole = reference + pattern
    head, separator, rest = whole.partition(SEPARATOR)
    return f"{INBOX}{separator}{rest}" if head.upper() == INBOX else whole
