"""Queues: what waits in the whole installation, and how relays have answered lately. For operators only.

Every count is bounded, so that a page of it costs the same however much waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.emails.oldest import read_oldest_seconds

MOST_COUNTED = 20_000
LATELY = timedelta(minutes=15)
_MOST_ATTEMPTS = 20_000

# Each is read off an index alone: a row of the table looked at costs five times as much.
_BY_STATE = text(
    " UNION ALL ".join(
        f"(SELECT '{state}' AS state, count(*)::int AS count FROM"  # noqa: S608  # states of ours
        f" (SELECT 1 FROM deliveries WHERE state = '{state}' LIMIT :most) AS few)"
        for state in ("scheduled", "held", "sending", "deferred", "unknown", "failed")
    )
)
# Queued and deferred stand in one line, which is looked at from its beginning: however many of the one stand before
# the first of the other, no more are looked at.
_LINE = text(
    "SELECT state, coalesce(waits_for, 'retry') AS cause, count(*)::int AS deliveries FROM"
    " (SELECT state, waits_for FROM deliveries WHERE state IN ('queued', 'deferred') ORDER BY due_at LIMIT :most) AS w"
    " GROUP BY 1, 2"
)
_STATES = ("scheduled", "held", "queued", "sending", "deferred", "unknown", "failed")
_CAUSE_OF_STATE = {"held": "plan", "scheduled": "schedule"}
_HOLDING = text(
    "SELECT h.account_id, a.name, h.count, h.since FROM ("
    "  SELECT account_id, count(*)::int AS count, min(due_at) AS since FROM"
    "   (SELECT account_id, due_at FROM deliveries WHERE state = 'held' LIMIT :most) AS few GROUP BY account_id"
    ") h JOIN accounts a ON a.id = h.account_id ORDER BY h.count DESC LIMIT 20"
)
# An email's id holds its moment, so the attempts of lately accepted emails are one stretch of the primary key.
_RELAYS = text(
    "SELECT relay, count(*)::int AS attempts, (count(*) FILTER (WHERE outcome IN ('sent', 'delivered')))::int AS taken,"
    " (count(*) FILTER (WHERE outcome = 'deferred'))::int AS deferred,"
    " (count(*) FILTER (WHERE outcome = 'bounced'))::int AS bounced, avg(seconds)::float AS seconds,"
    " max(started_at) AS last_at, (array_agg(reply ORDER BY started_at DESC)"
    "  FILTER (WHERE outcome NOT IN ('sent', 'delivered')))[1] AS last_trouble"
    " FROM (SELECT * FROM attempts WHERE email_id >= :first AND relay IS NOT NULL ORDER BY email_id DESC LIMIT :most)"
    " AS lately GROUP BY relay ORDER BY relay"
)


@dataclass(frozen=True, slots=True)
class Holding:
    """An account whose hour is full: how many wait, and since when the first."""

    account_id: UUID
    name: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class RelayHealth:
    """How a relay answered for what was accepted within ``LATELY``."""

    relay: str
    attempts: int
    taken: int
    deferred: int
    bounced: int
    seconds: float
    last_at: datetime
    last_trouble: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one cause: how many deliveries, whether at least so many, and the oldest's age."""

    cause: str
    count: int
    is_least: bool
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Count:
    """How many deliveries are in a state, and whether at least so many."""

    state: str
    count: int
    is_least: bool


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits: by state, by cause, by account; and how relays fare."""

    counts: list[Count]
    waiting: list[Waiting]
    holding: list[Holding]
    relays: list[RelayHealth]


async def read_queues(connection: AsyncConnection, now: datetime) -> Queues:
    """What waits now, over all accounts."""
    most: dict[str, Any] = {"most": MOST_COUNTED}
    counts = {state: (count, count >= MOST_COUNTED) for state, count in await connection.execute(_BY_STATE, most)}
    line = (await connection.execute(_LINE, most)).all()
    is_long = sum(one.deliveries for one in line) >= MOST_COUNTED
    counts["queued"] = sum(one.deliveries for one in line if one.state == "queued"), is_long
    causes = {cause: counts[state] for state, cause in _CAUSE_OF_STATE.items()} | {"worker": counts["queued"]}
    causes |= {one.cause: (one.deliveries, is_long) for one in line if one.state == "deferred"}
    oldest = await read_oldest_seconds(connection, now)
    holding = [Holding(*row) for row in await connection.execute(_HOLDING, most)]
    first = UUID(int=int((now - LATELY).timestamp() * 1000) << 80)
    relays = await connection.execute(_RELAYS, {"first": first, "most": _MOST_ATTEMPTS})
    return Queues(
        [Count(state, *counts[state]) for state in _STATES],
        [Waiting(cause, *causes.get(cause, (0, False)), oldest.get(cause, 0.0)) for cause in {**oldest, **causes}],
        holding,
        [RelayHealth(*row) for row in relays],
    )
