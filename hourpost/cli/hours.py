"""The hours of accounts as operators are told of them: by their buckets, or by PostgreSQL where those are not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import typer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.cli.desk import Desk
from hourpost.errors import ServiceUnavailable
from hourpost.flow.limit import to_microseconds, to_moment
from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour import HOUR_US, Schedule, slots_of

# The rolling hour as PostgreSQL knows it: the truth, of which the bucket in Redis is the fast copy.
_COUNTED = text(
    "SELECT a.id,"
    " (SELECT coalesce(sum(s.count), 0) FROM spends s WHERE s.account_id = a.id"
    "    AND s.spent_at > now() - interval '1 hour')::int AS used,"
    " (SELECT count(*) FROM deliveries d WHERE d.account_id = a.id AND d.state = 'held') AS held"
    " FROM unnest(CAST(:accounts AS uuid[])) AS a(id)"
)
_SPENDS = text(
    "SELECT account_id, spent_at, sum(count)::int AS count FROM spends"
    " WHERE account_id = ANY(CAST(:accounts AS uuid[])) AND spent_at > now() - interval '1 hour 10 seconds'"
    " GROUP BY account_id, spent_at"
)


@dataclass(frozen=True, slots=True)
class Hour:
    """Used and held of one account; ``source`` is redis or, where its bucket is cold or away, postgresql.

    ``next_free_at``: when the next token comes back of an hour that is full; None while it has room.
    """

    used: int
    held: int
    next_free_at: datetime | None
    source: str


async def read_hours(desk: Desk, limits: Mapping[UUID, int]) -> dict[UUID, Hour]:
    """The hours of accounts with these limits."""
    found = await _peek(desk, limits)
    cold = {account: limit for account, limit in limits.items() if account not in found}
    if cold:
        async with desk.database.reading() as connection:
            found |= await _count(connection, cold, desk.clock.now())
    return found


async def _peek(desk: Desk, limits: Mapping[UUID, int]) -> dict[UUID, Hour]:
    """Of the accounts whose bucket is there; none while Redis is away."""
    found: dict[UUID, Hour] = {}
    if desk.settings.redis_url is None:
        return found
    hour = RedisHour(desk.settings.redis_url.get_secret_value(), timeout_seconds=2)
    try:
        for account, limit in limits.items():
            reading = await hour.peek(account, limit)
            if reading is not None:
                free_at = to_moment(reading.next_free_at_us) if reading.used >= limit > 0 else None
                found[account] = Hour(reading.used, reading.waiting, free_at, "redis")
    except ServiceUnavailable as error:
        typer.echo(f"note: counted in PostgreSQL: {error.message}", err=True)
    finally:
        await hour.aclose()
    return found


async def _count(connection: AsyncConnection, limits: Mapping[UUID, int], now: datetime) -> dict[UUID, Hour]:
    rows = await connection.execute(_COUNTED, {"accounts": list(limits)})
    found = {row.id: Hour(row.used, row.held, None, "postgresql") for row in rows}
    full = [account for account, hour in found.items() if hour.used >= limits[account] > 0]
    spends: defaultdict[UUID, list[tuple[int, int]]] = defaultdict(list)
    for account, spent_at, count in await connection.execute(_SPENDS, {"accounts": full}) if full else ():
        spends[account].append((to_microseconds(spent_at), count))
    now_us = to_microseconds(now)
    for account, spent in spends.items():
        out = [slot for slot in slots_of(spent) if slot.youngest_at_us + HOUR_US > now_us]
        free_at = to_moment(Schedule.of(now_us, limits[account], out).when(1))
        found[account] = replace(found[account], next_free_at=free_at)
    return found
