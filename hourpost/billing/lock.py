"""One at a time for each account, while Stripe is asked and what it said is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable

_WAIT_SECONDS = 60
_LOCK = "SELECT pg_advisory_lock(hashtextextended('billing ' || $1, 0))"


@asynccontextmanager
async def lock_billing(database: Database, account_id: UUID) -> AsyncIterator[None]:
    """Keep everybody else from the billing of this account; it ends with the process at the latest.

    The lock belongs to a session and not to a transaction: none is open while Stripe is asked.
    Raises: ServiceUnavailable when it is not to be had within a minute, or PostgreSQL is away.
    """
    try:
        connection = await database.listen()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ServiceUnavailable("The database is not reachable.", retry_after_seconds=5, cause=repr(error)) from error
    try:
        await _take(connection, account_id)
        yield
    finally:
        connection.terminate()


async def _take(connection: asyncpg.Connection, account_id: UUID) -> None:
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            await connection.execute(_LOCK, str(account_id), timeout=_WAIT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        message = "The billing of this account is busy; please try again."
        raise ServiceUnavailable(message, retry_after_seconds=10, cause=repr(error)) from error
