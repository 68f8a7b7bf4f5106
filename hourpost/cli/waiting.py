"""Why anything is waiting: the deliveries that have not ended, counted by what they wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.plans import hourly_limit


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason to wait, with how many wait for it, since when the first, and when the next is due.

    What is held is due when its hour has room again; None where it has, or waits for something else.
    """

    name: str
    count: int
    oldest_at: datetime
    next_at: datetime | None


MEANINGS = {
    "plan": "held: waits for room in its account's hour, or for its plan to be paid, and leaves by itself",
    "account": "its account is suspended or its plan has ended: see `hourpost account show`",
    "schedule": "waits for the moment its sender chose",
    "worker": "released: the next free worker takes it; if it grows old, look at the workers",
    "sending": "a worker has it in hand now",
    "destination": "the recipient's server said: later",
    "relay": "no relay took it: see `hourpost doctor`",
    "retry": "a temporary fault: waits for its next attempt",
}

# One part for each partial index of deliveries. An email's id holds the moment of its acceptance (UUIDv7).
_COLUMNS = "count(*) AS count, min(uuid_extract_timestamp(email_id)) AS oldest_at, min(due_at) AS next_at"
_PARTS = (
    ("'plan'", "state = 'held'"),
    ("'schedule'", "state = 'scheduled'"),
    (
        "CASE WHEN state = 'queued' THEN 'worker' ELSE coalesce(waits_for, 'retry') END",
        "state IN ('queued', 'deferred')",
    ),
    ("'sending'", "state = 'sending'"),
)
_OF_ACCOUNT = "(CAST(:account AS uuid) IS NULL OR account_id = :account)"
_WAITING = text(
    " UNION ALL ".join(
        f"SELECT {cause} AS cause, {_COLUMNS} FROM deliveries WHERE {which} AND {_OF_ACCOUNT} GROUP BY 1"  # noqa: S608
        for cause, which in _PARTS
    )
)
_HOLDING = text(
    "SELECT a.id, a.plan, a.own_limit FROM accounts a WHERE plan IS NOT NULL AND suspended_at IS NULL"
    " AND (CAST(:account AS uuid) IS NULL OR id = :account)"
    " AND EXISTS (SELECT FROM deliveries WHERE account_id = a.id AND state = 'held')"
)
_TIMED = ("schedule", "destination", "relay", "retry")


async def list_causes(connection: AsyncConnection, account_id: UUID | None = None) -> list[Cause]:
    """What anything waits for, of one account or of all, the longest queue first; not when an hour has room again."""
    rows = await connection.execute(_WAITING, {"account": account_id})
    causes = [Cause(row[0], row[1], row[2], row[3] if row[0] in _TIMED else None) for row in rows]
    return sorted(causes, key=lambda cause: -cause.count)


async def list_holding(connection: AsyncConnection, account_id: UUID | None = None) -> dict[UUID, int]:
    """The limits of the accounts whose mail waits for room in the hour."""
    rows = await connection.execute(_HOLDING, {"account": account_id})
    return {row.id: hourly_limit(row.plan, row.own_limit) for row in rows}
