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

MOST_COUNTED = 100_000
LATELY = timedelta(minutes=15)
_MOST_ATTEMPTS = 20_000

_BY_STATE = text(
    " UNION ALL ".join(
        f"(SELECT '{state}' AS state, count(*)::int AS count FROM"  # noqa: S608  # states of ours
        f" (SELECT 1 FROM deliveries WHERE state = '{state}' LIMIT :most) AS few)"
        for state in ("scheduled", "held", "queued", "sending", "deferred", "unknown", "failed")
    )
)
_DEFERRED_BY_CAUSE = text(
    "SELECT coalesce(waits_for, 'retry') AS cause, count(*)::int AS count"
    " FROM (SELECT waits_for FROM deliveries WHERE state = 'deferred' LIMIT :most) AS few GROUP BY 1"
)
_CAUSE_OF_STATE = {"held": "plan", "scheduled": "schedule", "queued": "worker"}
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
    """What waits for one cause: how many deliveries (``MOST_COUNTED`` means at least so many), and the oldest's age."""

    cause: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits: by state (``MOST_COUNTED`` means at least so many), by cause, by account; and how relays fare."""

    counts: dict[str, int]
    waiting: list[Waiting]
    holding: list[Holding]
    relays: list[RelayHealth]


async def read_queues(connection: AsyncConnection, now: datetime) -> Queues:
    """What waits now, over all accounts."""
    most: dict[str, Any] = {"most": MOST_COUNTED}
    counts = {state: count for state, count in await connection.execute(_BY_STATE, most)}
    holding = [Holding(*row) for row in await connection.execute(_HOLDING, most)]
    first = UUID(int=int((now - LATELY).timestamp() * 1000) << 80)
    relays = await connection.execute(_RELAYS, {"first": first, "most": _MOST_ATTEMPTS})
    by_cause = {cause: counts.get(state, 0) for state, cause in _CAUSE_OF_STATE.items()}
    by_cause |= {cause: count for cause, count in await connection.execute(_DEFERRED_BY_CAUSE, most)}
    oldest = await read_oldest_seconds(connection, now)
    waiting = [Waiting(cause, by_cause.get(cause, 0), oldest.get(cause, 0.0)) for cause in {**oldest, **by_cause}]
    return Queues(counts, waiting, holding, [RelayHealth(*row) for row in relays])
