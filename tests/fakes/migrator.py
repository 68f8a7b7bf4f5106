"""Somebody who locks tables in another order than we, as a migration may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

_WAITS = "SELECT count(*) FROM pg_locks WHERE relation = $1::regclass AND NOT granted"


class Migrator:
    """Holds one table in a transaction of its own."""

    def __init__(self, connection: asyncpg.Connection, table: str) -> None:
        self._connection = connection
        self._table = table

    async def is_waited_for(self) -> None:
        """Return as soon as somebody wants the table."""
        while not await self._connection.fetchval(_WAITS, self._table):  # noqa: ASYNC110  # PostgreSQL tells nobody
            await asyncio.sleep(0.005)

    async def cross(self, other: str) -> None:
        """Want what who waits for the table has; returns when the other has been given up."""
        await self.is_waited_for()
        await self._connection.execute(f"LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE")


@asynccontextmanager
async def holding(
    url: str, table: str, *, mode: str = "ACCESS EXCLUSIVE", name: str = "migrator"
) -> AsyncIterator[Migrator]:
    """``table`` is locked as long as the block takes; in a deadlock it is the other who is given up."""
    settings = {"deadlock_timeout": "1min", "application_name": name}
    connection = await asyncpg.connect(url, server_settings=settings)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield Migrator(connection, table)
    finally:
        await connection.close()
