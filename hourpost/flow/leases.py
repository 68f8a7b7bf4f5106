"""Leases: what one worker process writes about the deliveries it has in hand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow.batcher import Batcher
from hourpost.flow.claim import Claimed, mark_dots, renew
from hourpost.flow.record import record
from hourpost.flow.verdict import Verdict
from hourpost.gateways.clock import Clock
from hourpost.gateways.metrics import DOT_SECONDS, SEND_SECONDS, VERDICT_SECONDS, VERDICTS

_RETRY_SECONDS = 0.5

log = structlog.get_logger()

Key = tuple[UUID, int]


class Leases:
    """The final dots and the verdicts of one worker, each written many at a time."""

    def __init__(self, database: Database, clock: Clock, worker: UUID, name: str, lease_seconds: int) -> None:
        self.worker = worker
        self._database = database
        self._clock = clock
        self._name = name
        self._lease_seconds = lease_seconds
        self._dots: Batcher[list[Key], bool] = Batcher(self._write_dots, flights=1)
        self._verdicts: Batcher[list[Verdict], bool] = Batcher(self._write_verdicts, flights=1)

    async def renew(self) -> None:
        """Hold every lease for another term. Raises: ServiceUnavailable."""
        async with self._database.transaction() as connection:
            await renew(connection, self.worker, self._name, self._lease_seconds)

    async def may_end(self, email: Claimed) -> bool:
        """Write that the final dot of ``email`` goes out now; False when a lease was lost, or cannot be checked."""
        try:
            return await self._dots.put(email.keys)
        except ServiceUnavailable:
            return False

    async def settle(self, verdicts: list[Verdict]) -> bool:
        """Write verdicts; tries until PostgreSQL has them, for an outcome that is forgotten is mail sent twice.

        False where PostgreSQL refuses them.
        """
        return await self._verdicts.put(verdicts)

    async def _write_dots(self, groups: Sequence[list[Key]]) -> list[bool]:
        keys = [key for group in groups for key in group]
        with DOT_SECONDS.time():
            async with self._database.hot_transaction() as connection:
                marked = await mark_dots(connection, self.worker, keys, self._clock.now())
        return [marked.issuperset(group) for group in groups]

    async def _write_verdicts(self, groups: Sequence[list[Verdict]]) -> list[bool]:
        """Whether each group could be written: one that PostgreSQL refuses must not take its neighbours along."""
        try:
            await self._write([verdict for group in groups for verdict in group])
        except (asyncpg.PostgresError, ValueError):
            log.exception("verdicts were refused", deliveries=sum(map(len, groups)))
            if len(groups) == 1:
                return [False]
            return [(await self._write_verdicts([group]))[0] for group in groups]
        return [True] * len(groups)

    async def _write(self, verdicts: list[Verdict]) -> None:
        while True:
            began_at = time.monotonic()
            try:
                async with self._database.hot_transaction() as connection:
                    await record(connection, self.worker, verdicts, self._clock.now())
            except (ServiceUnavailable, asyncpg.TransactionRollbackError) as error:  # away, or a deadlock
                log.warning("verdicts wait for the database", deliveries=len(verdicts), error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            VERDICT_SECONDS.observe(time.monotonic() - began_at)
            _count(verdicts)
            return


def _count(verdicts: Sequence[Verdict]) -> None:
    """Tell Prometheus of one batch; one addition for each relay and state in it."""
    states = Counter(((one.attempt and one.attempt.relay) or "none", one.state.value) for one in verdicts)
    for (relay, state), count in states.items():
        VERDICTS.labels(relay, state).inc(count)
    seconds: defaultdict[str, float] = defaultdict(float)
    for one in verdicts:
        if one.attempt and one.attempt.relay:
            seconds[one.attempt.relay] += one.attempt.seconds
    for relay, spent in seconds.items():
        SEND_SECONDS.labels(relay).inc(spent)
