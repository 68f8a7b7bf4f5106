"""Telling the hour of an account what a committed change has given back, and who waits for room that there is some."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text

from hourpost.database import Database
from hourpost.emails.changes import GivenBack
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.hour import Hour

ROOM_CHANNEL = "room"
"""On which PostgreSQL names the accounts in whose hour there is room before its time, and something is held."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RING = text(
    "SELECT pg_notify(:channel, CAST(CAST(:account AS uuid) AS text)) WHERE EXISTS"
    " (SELECT FROM deliveries WHERE account_id = :account AND state = 'held')"
)

log = structlog.get_logger()


async def give_back(hour: Hour, database: Database, given: GivenBack) -> None:
    """Return tokens, shorten the queue, and have what is held let go at once where there is room for it now.

    What fails here is found by the next comparison.
    """
    if given.generation is None:
        return
    try:
        for spent_at, count in given.tokens:
            moment_us = (spent_at - _EPOCH) // timedelta(microseconds=1)
            await hour.refund(given.account_id, given.generation, count, moment_us)
        if given.waiting:
            await hour.adjust_waiting(given.account_id, -given.waiting, given.generation)
        if given.tokens:
            async with database.transaction() as connection:
                await connection.execute(_RING, {"channel": ROOM_CHANNEL, "account": given.account_id})
    except ServiceUnavailable as error:
        log.warning("the hour was not told what was given back", cause=error.cause)
