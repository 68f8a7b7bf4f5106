"""The hour as arithmetic: which tokens come back, and when.

Moments are microseconds since 1970 on Redis's clock. A *slot* is what was spent within ten seconds of that clock: its
tokens come back together, 60 minutes after the youngest of them, so never early and at most one slot late.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

SECOND_US = 1_000_000
SLOT_US = 10 * SECOND_US
HOUR_US = 3600 * SECOND_US


class Slot(NamedTuple):
    """Tokens that come back together."""

    youngest_at_us: int
    tokens: int


class Schedule(NamedTuple):
    """When the spent tokens of an account come back, for as many hours ahead as are asked for.

    A tuple, because a thousand are made at a time.
    """

    now_us: int
    limit: int
    slots: tuple[Slot, ...]
    """Oldest first."""
    sums: tuple[int, ...]
    """How many tokens are back once the slot of the same index is."""

    @classmethod
    def of(cls, now_us: int, limit: int, slots: Iterable[Slot]) -> Schedule:
        """Build one from ``slots``, oldest first."""
        kept = tuple(slots)
        if not kept:
            return cls(now_us, limit, (), ())
        return cls(now_us, limit, kept, tuple(accumulate(slot.tokens for slot in kept)))

    @property
    def used(self) -> int:
        """How many tokens are out; more than ``limit`` right after a smaller plan was chosen."""
        return self.sums[-1] if self.sums else 0

    def when(self, position: int) -> int:
        """The moment at which the ``position``-th in the queue (from 1) gets its token.

        Each token given out at that moment comes back an hour later, so what is more than one plan away repeats the
        first hour.

        Raises:
            ValueError: ``position`` or ``limit`` is below 1.
        """
        if position < 1 or self.limit < 1:
            raise ValueError(f"there is no position {position} in a plan of {self.limit}")
        hours, index = divmod(position - 1, self.limit)
        back = index + 1 - (self.limit - self.used)
        if back <= 0:
            return self.now_us + hours * HOUR_US
        return self.slots[bisect_left(self.sums, back)].youngest_at_us + (hours + 1) * HOUR_US

    def per_minute(self) -> tuple[int, ...]:
        """What was spent in each of the last 60 minutes, oldest first."""
        minutes = [0] * 60
        for youngest_at_us, tokens in self.slots:
            age = (self.now_us - youngest_at_us) // (60 * SECOND_US)
            minutes[59 - min(59, max(0, age))] += tokens
        return tuple(minutes)


def slots_of(spends: Sequence[tuple[int, int]]) -> list[Slot]:
    """Fold ``spends`` (moment in µs, tokens; in any order, negative for refunds) into slots, oldest first.

    What has come back by the youngest spend that was not refunded is left out.
    """
    slots: dict[int, Slot] = {}
    for moment, tokens in sorted(spends):
        number = moment // SLOT_US
        slots[number] = Slot(moment, tokens + (slots[number].tokens if number in slots else 0))
    out = [slot for slot in slots.values() if slot.tokens > 0]
    return [slot for slot in out if slot.youngest_at_us > out[-1].youngest_at_us - HOUR_US]
