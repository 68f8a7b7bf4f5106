"""Sets of message numbers and UIDs as ranges, never expanded: ``1:4294967295`` is one pair (RFC 9051 §9)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_NUMBER = 2**32 - 1
_SET = re.compile(
    r"(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?(?>(?:,(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?)*)"
)

Range = tuple[int, int]


class SetError(ValueError):
    """The text is no set of numbers; the message says why."""


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Pairs of first and last as they were written, in whatever order; None stands for ``*``."""

    pairs: tuple[tuple[int | None, int | None], ...]

    def resolve(self, last: int) -> list[Range]:
        """The set as ranges in order that neither touch nor overlap; ``*`` is ``last``, the largest there is.

        ``559:*`` is 500:559 where 500 is the largest: the last message is always in it.
        """
        ranges = []
        for first, second in self.pairs:
            low, high = last if first is None else first, last if second is None else second
            ranges.append((low, high) if low <= high else (high, low))
        return merge_ranges(ranges)

    @property
    def has_star(self) -> bool:
        """Whether what it means depends on the largest number there is."""
        return any(None in pair for pair in self.pairs)


def parse_set(text: str) -> SequenceSet:
    """The set that a client wrote: ``2,4:7,9,12:*``.

    Raises:
        SetError: It is none, or holds a number above 4294967295.
    """
    if _SET.fullmatch(text) is None:
        raise SetError("expected a set of numbers such as 1:4,7,9:*")
    pairs = []
    for item in text.split(","):
        first, colon, second = item.partition(":")
        pairs.append((_to_number(first), _to_number(second if colon else first)))
    return SequenceSet(tuple(pairs))


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers in as few ranges as there can be, in order."""
    merged: list[Range] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def _to_number(text: str) -> int | None:
    if text == "*":
        return None
    number = int(text)
    if number > MAX_NUMBER:
        raise SetError(f"{text} is larger than any number of a message")
    return number
