"""When each credential was last used: collected in memory, written in batches, at most once a minute for each."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.clock import Clock

_INTERVAL_SECONDS = 15.0
# Of ten thousand in one statement PostgreSQL would have a processor for itself for 0.2 s.
_AT_ONCE = 500
_PAUSE_SECONDS = 0.1

# In order and without waiting: two processes that write the same credentials must not lock each other out.
_WRITE = (
    "WITH due AS (SELECT id FROM {table} WHERE id = ANY(CAST(:ids AS uuid[]))"
    "   AND (last_used_at IS NULL OR last_used_at <= CAST(:now AS timestamptz) - interval '1 minute')"
    "   ORDER BY id FOR UPDATE SKIP LOCKED)"
    " UPDATE {table} c SET last_used_at = :now FROM due WHERE c.id = due.id"
)

_log = structlog.get_logger(__name__)


class UsageLog:
    """Add to ``credentials`` what is used; a task of its own writes it into ``table``."""

    def __init__(self, database: Database, clock: Clock, table: str = "credentials") -> None:
        self.credentials: set[UUID] = set()
        self._database = database
        self._clock = clock
        self._write = text(_WRITE.format(table=table))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write from time to time."""
        self._task = asyncio.create_task(self._run(), name="last use of credentials")

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self.write()

    async def write(self, pause_seconds: float = 0.0) -> None:
        """Write what was used since the last time; while PostgreSQL is away it is kept for the next."""
        used, self.credentials = self.credentials, set()
        try:
            while used:
                some = list(islice(used, _AT_ONCE))
                async with self._database.transaction() as connection:
                    await connection.execute(self._write, {"ids": some, "now": self._clock.now()})
                used.difference_update(some)
                await asyncio.sleep(pause_seconds)
        except BaseException as error:
            self.credentials |= used
            if not isinstance(error, (ServiceUnavailable, DBAPIError)):
                raise
            _log.warning("the last use of credentials was not written", cause=repr(error))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self.write(_PAUSE_SECONDS)
