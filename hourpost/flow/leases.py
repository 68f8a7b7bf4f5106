"""Leases: what one worker process writes about the deliveries it has in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow.batcher import Batcher
from hourpost.flow.claim import Claimed, mark_dots, renew
from hourpost.flow.record import record
from hourpost.flow.verdict import Verdict
from hourpost.gateways.clock import Clock

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
        self._verdicts: Batcher[list[Verdict], None] = Batcher(self._write_verdicts, flights=1)

    async def renew(self) -> None:
        """Hold every lease for another term. Raises: ServiceUnavailable."""
        async with self._database.transaction() as connection:
            await renew(connection, self.worker, self._name, self._clock.now(), self._lease_seconds)

    async def may_end(self, email: Claimed) -> bool:
        """Write that the final dot of ``email`` goes out now; False when a lease was lost, or cannot be checked."""
        try:
            return await self._dots.put(email.keys)
        except ServiceUnavailable:
            return False

    async def settle(self, verdicts: list[Verdict]) -> None:
        """Write verdicts; tries until PostgreSQL has them, for an outcome that is forgotten is mail sent twice."""
        await self._verdicts.put(verdicts)

    async def _write_dots(self, groups: Sequence[list[Key]]) -> list[bool]:
        keys = [key for group in groups for key in group]
        async with self._database.hot_transaction() as connection:
            marked = await mark_dots(connection, self.worker, keys, self._clock.now())
        return [marked.issuperset(group) for group in groups]

    async def _write_verdicts(self, groups: Sequence[list[Verdict]]) -> list[None]:
        verdicts = [verdict for group in groups for verdict in group]
        while True:
            try:
                async with self._database.hot_transaction() as connection:
                    await record(connection, self.worker, verdicts, self._clock.now())
                return [None] * len(groups)
            except ServiceUnavailable as error:
                log.warning("verdicts wait for the database", deliveries=len(verdicts), cause=error.cause)
                await asyncio.sleep(_RETRY_SECONDS)
