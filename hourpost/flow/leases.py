"""Leases: what one worker process writes about the deliveries it has in hand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import asyncpg
import structlog

from hourpost.batcher import Batcher
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow.claim import Claimed, enrol, mark_dots, renew
from hourpost.flow.logbook import Logbook
from hourpost.flow.record import is_one_statement, record, record_bare
from hourpost.flow.verdict import Verdict
from hourpost.gateways.clock import Clock
from hourpost.gateways.metrics import DOT_SECONDS, SEND_SECONDS, VERDICT_SECONDS, VERDICTS
from hourpost.rules.ids import new_id, to_text

_RETRY_SECONDS = 0.5
_LINGER_SECONDS = 0.03

log = structlog.get_logger()

Item = TypeVar("Item")
Key = tuple[UUID, int]
Dots = tuple[UUID, list[Key]]  # with the lease that they were claimed under
Verdicts = tuple[UUID, list[Verdict]]


@dataclass(frozen=True, slots=True)
class Span:
    """Something happened at a moment between these, readings of a clock that runs on while the machine sleeps."""

    begin: float
    end: float

    def shortest_to(self, other: Span) -> float:
        """The least that can have passed between the two."""
        return other.begin - self.end

    def longest_to(self, other: Span) -> float:
        """The most that can have passed between the two."""
        return other.end - self.begin


def _seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leases:
    """The final dots and the verdicts of one worker, each written many at a time.

    Claims are made under ``worker``. A worker whose leases a sweep has ended goes on under a new id: what it still has
    in hand of the old one may be with another by now, or with itself for the second time.
    """

    def __init__(self, database: Database, clock: Clock, name: str, lease_seconds: int) -> None:
        self.worker = new_id()
        self.on_calls: Callable[[], None] = lambda: None  # told when webhooks are to be called
        self._is_enrolled = self._was_away = False
        self._renewed = Span(0.0, 0.0)
        self._doubtful_until = 0.0
        self._database = database
        self._clock = clock
        self._name = name
        self._lease_seconds = lease_seconds
        self._logbook = Logbook()
        self._dots: Batcher[Dots, bool] = Batcher(self._write_dots)
        self._verdicts: Batcher[Verdicts, bool] = Batcher(self._write_verdicts, linger_seconds=_LINGER_SECONDS)

    async def renew(self) -> None:
        """Hold every lease for another term. Raises: ServiceUnavailable."""
        try:
            left, span = await self._renew()
        except ServiceUnavailable:
            self._was_away = True
            raise
        is_late = left is not None and span.end - self._renewed.begin > self._lease_seconds * 3 / 4
        if self._was_away or is_late:  # others could not renew either, and who has not yet is not dead
            self._was_away, self._doubtful_until = False, time.monotonic() + self._lease_seconds / 2
        if left is not None:
            self._watch_clock(left, span)
        self._renewed = span

    async def _renew(self) -> tuple[float | None, Span]:
        """What was left of the leases of this worker, None where it has begun anew; and when it was renewed."""
        began_at = _seconds()
        async with self._database.transaction() as connection:
            left = await renew(connection, self.worker, self._lease_seconds) if self._is_enrolled else None
        if left is not None:
            return left, Span(began_at, _seconds())
        if self._is_enrolled:
            log.warning("the leases of this worker had ended; it begins anew")
        worker, self._is_enrolled, began_at = new_id(), False, _seconds()
        async with self._database.transaction() as connection:
            await enrol(connection, worker, self._name, self._lease_seconds)
        self.worker, self._is_enrolled = worker, True
        return None, Span(began_at, _seconds())

    @property
    def tell_the_living(self) -> bool:
        """Whether leases say who is alive: not after PostgreSQL was away or its clock set, until all have renewed."""
        return time.monotonic() >= self._doubtful_until

    def _watch_clock(self, left_seconds: float, span: Span) -> None:
        """Compare what was left of the leases with what our own clock says, which nobody sets.

        A pause, of this process or of the machine, is none: it only makes it uncertain how long ago they were renewed.
        """
        passed = self._lease_seconds - left_seconds  # by PostgreSQL's clock
        jumped = min(0.0, passed - self._renewed.shortest_to(span)) + max(0.0, passed - self._renewed.longest_to(span))
        if abs(jumped) > self._lease_seconds / 2:
            log.warning("PostgreSQL's clock was set: no worker is taken for dead for a while", seconds=round(jumped))
            self._doubtful_until = max(self._doubtful_until, time.monotonic() + self._lease_seconds)

    async def may_end(self, email: Claimed) -> bool:
        """Write that the final dot of ``email`` goes out now; False when a lease was lost, or cannot be checked."""
        try:
            return await self._dots.put((email.lease, email.keys))
        except ServiceUnavailable:
            return False

    async def settle(self, email: Claimed, verdicts: list[Verdict]) -> bool:
        """Write verdicts on ``email``, until PostgreSQL has them: an outcome that is forgotten is mail sent twice.

        What it refuses is written without its words and without the calls of webhooks. False where it refuses that
        too: it stays leased, and the sweep makes it unknown where it may have left.
        """
        return await self._verdicts.put((email.lease, verdicts))

    async def _write_dots(self, groups: Sequence[Dots]) -> list[bool]:
        marked: dict[UUID, set[Key]] = {}
        with DOT_SECONDS.time():
            async with self._database.hot_statements() as connection:
                for lease, keys in _by_lease(groups).items():
                    marked[lease] = await mark_dots(connection, lease, keys, self._clock.now())
        return [marked[lease].issuperset(keys) for lease, keys in groups]

    async def _write_verdicts(self, groups: Sequence[Verdicts]) -> list[bool]:
        """Whether each group could be written; what PostgreSQL refuses is tried again, apart from its neighbours."""
        together = _by_lease(groups).items()
        refused = {lease for lease, verdicts in together if not await self._is_written(lease, verdicts)}
        if refused:
            await asyncio.sleep(_RETRY_SECONDS)  # what was in its way may be gone by then
        return [lease not in refused or await self._write_apart(lease, verdicts) for lease, verdicts in groups]

    async def _write_apart(self, lease: UUID, verdicts: list[Verdict]) -> bool:
        if len(verdicts) > 1 and await self._is_written(lease, verdicts):
            return True
        are_written = [await self._write_alone(lease, one) for one in verdicts]
        return all(are_written)

    async def _write_alone(self, lease: UUID, verdict: Verdict) -> bool:
        if await self._is_written(lease, [verdict]):
            return True
        is_written = await self._is_written(lease, [verdict], is_bare=True)
        lost = "the details" if is_written else "all"
        email, state = to_text("em", verdict.email_id), verdict.state.value
        log.error("a verdict could not be written", email=email, state=state, lost=lost)
        return is_written

    async def _is_written(self, lease: UUID, verdicts: list[Verdict], *, is_bare: bool = False) -> bool:
        try:
            await self._write(lease, verdicts, is_bare=is_bare)
        except (asyncpg.PostgresError, ValueError) as error:
            log.warning("verdicts were refused", deliveries=len(verdicts), error=repr(error))
            return False
        return True

    async def _write(self, lease: UUID, verdicts: list[Verdict], *, is_bare: bool) -> None:
        database = self._database
        is_alone = is_bare or is_one_statement(verdicts)
        writing = database.hot_statements if is_alone else database.hot_transaction
        write = record_bare if is_bare else record
        while True:
            began_at = time.monotonic()
            try:
                async with writing() as connection:
                    calls = await write(connection, lease, verdicts, self._clock.now())
            except ServiceUnavailable as error:  # away, or a deadlock
                log.warning("verdicts wait for the database", deliveries=len(verdicts), error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            VERDICT_SECONDS.observe(time.monotonic() - began_at)
            _count(verdicts)
            self._logbook.note(verdicts)
            if calls:
                self.on_calls()
            return


def _by_lease(groups: Sequence[tuple[UUID, list[Item]]]) -> dict[UUID, list[Item]]:
    """What belongs to one lease together; nearly always there is only one."""
    found: defaultdict[UUID, list[Item]] = defaultdict(list)
    for lease, items in groups:
        found[lease] += items
    return found


def _count(verdicts: Sequence[Verdict]) -> None:
    """Tell Prometheus of one batch; one addition for each relay and state in it."""
    states = Counter(((one.attempt and one.attempt.relay) or "none", one.state) for one in verdicts)
    for (relay, state), count in states.items():
        VERDICTS.labels(relay, state).inc(count)
    seconds: defaultdict[str, float] = defaultdict(float)
    for one in verdicts:
        if one.attempt and one.attempt.relay:
            seconds[one.attempt.relay] += one.attempt.seconds
    for relay, spent in seconds.items():
        SEND_SECONDS.labels(relay).inc(spent)
