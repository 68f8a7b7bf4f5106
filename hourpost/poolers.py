"""Poolers: whether something between us and PostgreSQL lends a session's connection to others.

Prepared statements, advisory locks and LISTEN belong to a session. A pooler that gives each transaction another one
(PgBouncer's transaction mode) loses them, at the second or the thousandth statement; one in session mode does no harm.
"""

from __future__ import annotations

from enum import StrEnum

import asyncpg

from hourpost.database import Database

_PID = "SELECT pg_backend_pid()"
_LOST = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
_REFUSES = "unsupported startup parameter"  # PgBouncer's words for what it would have to keep for a session

WORDS = (
    "HOURPOST_DATABASE_URL leads to a pooler that keeps no session's own (settings, locks, prepared statements); name"
    " PostgreSQL itself"
)


class Pooler(StrEnum):
    """What was found."""

    PER_TRANSACTION = "per transaction"
    UNKNOWN = "unknown"  # one that may be in session mode


async def find_pooler(database: Database) -> Pooler | None:
    """None for PostgreSQL itself, which gives its own number at the start of a session. Raises: ServiceUnavailable."""
    try:
        async with database.hot_statements() as connection:
            real = await connection.fetchval(_PID)
            if real == connection.get_server_pid():
                return None
            is_lent = await _is_lent(database, real)
    except _LOST:
        return Pooler.PER_TRANSACTION
    return Pooler.PER_TRANSACTION if is_lent else Pooler.UNKNOWN


def refuses_sessions(cause: str | None) -> bool:
    """Whether this is how a pooler tells why it lets nobody in."""
    return _REFUSES in (cause or "")


async def _is_lent(database: Database, pid: int) -> bool:
    """Whether somebody else is given the session with ``pid`` while its owner is still there."""
    async with database.hot_transaction() as connection:
        return bool(await connection.fetchval(_PID) == pid)
