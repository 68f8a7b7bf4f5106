"""Tokens of the hour: what one asks for and what one is told.

A token lets one delivery be handed over. Moments are microseconds since 1970 on Redis's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple
from uuid import UUID

from hourpost.rules.hour import HOUR_US, SECOND_US, Schedule
from hourpost.rules.ids import random_bits
from hourpost.rules.plans import BACKLOG_HOURS


class Mode(IntEnum):
    """What to do where there is not room for all."""

    SOME = 0
    """Take as many as there are; the rest waits. Takes nothing while others wait."""
    ALL = 1
    """Take all or nothing; nothing waits. Takes nothing while others wait."""
    RELEASE = 2
    """Take as many as there are, for deliveries that wait already."""


class Refusal(StrEnum):
    """Why nothing was taken and nothing waits."""

    PLAN = "plan"
    BACKLOG = "backlog"
    UNDONE = "undone"
    """The take was given up before; ask with a new one."""


class Want(NamedTuple):
    """The tokens that one email asks for. A tuple, because a thousand are made at a time."""

    tokens: int
    mode: Mode = Mode.SOME


class Answer(NamedTuple):
    """What one want got. A tuple, because a thousand are made at a time.

    ``position`` is the place in the queue (from 1) of the first delivery that waits; where the want was refused, the
    place whose turn is the time to ask again; 0 where all were taken.
    """

    taken: int
    held: int = 0
    position: int = 0
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """The wants of one account, in order (at least one); ``limit`` is its plan's.

    The same takes (by their ``request``), asked twice together within a minute, are counted once and answered as
    before, unless they were given up in between.
    """

    account: UUID
    limit: int
    wants: Sequence[Want]
    request: int = field(default_factory=random_bits)

    @property
    def backlog_limit(self) -> int:
        """How many deliveries may wait."""
        return self.limit * BACKLOG_HOURS


class Seed(NamedTuple):
    """What a bucket is filled with: ``spends`` (moment in µs, tokens; of an hour at least, in any order)."""

    account: UUID
    generation: int
    spends: Sequence[tuple[int, int]]
    waiting: int


class Reading(NamedTuple):
    """The state of a bucket at ``now_us``, for a plan of ``limit``. A tuple, because a thousand are made at a time."""

    now_us: int
    generation: int
    limit: int
    used: int
    waiting: int
    oldest_at_us: int
    youngest_at_us: int
    schedule: Schedule
    """Complete from a peek, and wherever something waits or was refused; else empty."""

    @property
    def remaining(self) -> int:
        """Tokens that are free now, whoever may have them."""
        return max(0, self.limit - self.used)

    @property
    def next_free_at_us(self) -> int:
        """When a token is free; now, if one is."""
        if self.used < self.limit:
            return self.now_us
        return self.schedule.when(1) if self.schedule.slots else self.oldest_at_us + HOUR_US

    @property
    def resets_at_us(self) -> int:
        """When all tokens are free, if nothing is taken until then."""
        return self.youngest_at_us + HOUR_US if self.used else self.now_us

    def seconds_until(self, moment_us: int) -> int:
        """Seconds from this reading to ``moment_us``, rounded up."""
        return -((self.now_us - moment_us) // SECOND_US)


class Taken(NamedTuple):
    """The answers to a take, in the order of its wants. A tuple, because a thousand are made at a time.

    They hold only as long as ``reading.generation`` is the account's current one in PostgreSQL.
    """

    account: UUID
    taken_at_us: int
    """The moment of the debit, which PostgreSQL keeps as the moment of release."""
    answers: tuple[Answer, ...]
    reading: Reading

    def leaves_at_us(self, answer: Answer) -> tuple[int, int]:
        """When the first and the last of what ``answer`` holds will get their tokens, unless something changes."""
        when = self.reading.schedule.when
        return when(answer.position), when(answer.position + answer.held - 1)

    def retry_seconds(self, answer: Answer) -> int:
        """Seconds (at least 1) after which what was refused would find room, if nobody else comes before."""
        return max(1, self.reading.seconds_until(self.reading.schedule.when(max(1, answer.position))))
