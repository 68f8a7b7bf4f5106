"""Tallies: events counted once into slices of ten minutes, so that a chart over a month reads some thousand rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import first_id_at

SLICE = timedelta(minutes=10)
KINDS = (
    "sent", "delivered", "deferred", "bounced", "complained", "suppressed", "expired", "failed", "canceled", "unknown",
)  # fmt: skip
"""The kinds of events that are counted: what became of a delivery, not how it waited."""
ACCEPTED = "accepted"
"""Counted too: the first event of each delivery, which is of the moment at which its email was stored."""

LAG = timedelta(seconds=15)
"""Events are written within seconds of their moment; those of the last ``LAG`` are counted the next time."""
_AT_ONCE = timedelta(minutes=30)
_ID_AGE = timedelta(minutes=10)

_MARK = text("SELECT counted_until FROM tally_marks WHERE id = 1 FOR UPDATE")
_COUNTED_UNTIL = text("SELECT counted_until FROM tally_marks WHERE id = 1")
_ADVANCE = text("UPDATE tally_marks SET counted_until = :until WHERE id = 1")
_COUNT = text(
    "INSERT INTO tallies (account_id, started_at, kind, count)"
    " SELECT e.account_id, date_bin(:slice, e.at, TIMESTAMPTZ '2000-01-01Z'), e.kind, count(*) FROM events e"
    " WHERE e.at >= :since AND e.at < :until AND e.kind = ANY(CAST(:kinds AS text[])) AND NOT e.detail ? 'test' IS TRUE"
    " AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = e.account_id)"
    " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    " ON CONFLICT (account_id, started_at, kind) DO UPDATE SET count = tallies.count + excluded.count"
)
# What waits comes by the same events again. An email's id is made shortly before it is stored: within ``_ID_AGE``,
# so that few emails are looked at however many there are.
_COUNT_ACCEPTED = text(
    "INSERT INTO tallies (account_id, started_at, kind, count)"
    " SELECT e.account_id, date_bin(:slice, e.at, TIMESTAMPTZ '2000-01-01Z'), :accepted, count(*) FROM events e"
    " JOIN emails m ON m.id = e.email_id AND m.created_at = e.at AND m.id >= :oldest AND m.id < :newest"
    " WHERE e.at >= :since AND e.at < :until AND e.kind IN ('queued', 'held', 'scheduled', 'suppressed')"
    " AND NOT m.test AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = e.account_id)"
    " GROUP BY 1, 2 ORDER BY 1, 2"
    " ON CONFLICT (account_id, started_at, kind) DO UPDATE SET count = tallies.count + excluded.count"
)
_READ = text(
    "SELECT date_bin(:step, started_at, :since) AS started_at, kind, sum(count)::int AS count FROM tallies"
    " WHERE account_id = :account AND started_at >= :since AND started_at < :until GROUP BY 1, 2 ORDER BY 1, 2"
)
# Each cause is counted up to a bound, so that a million that wait cost no more than some thousand.
_WAITING = text(
    """
SELECT cause, count(*)::int AS count, min(due_at) AS next_at, max(due_at) AS last_at FROM (
  (SELECT 'plan' AS cause, due_at FROM deliveries WHERE account_id = :account AND state = 'held' LIMIT :most)
  UNION ALL
  (SELECT 'schedule', due_at FROM deliveries WHERE account_id = :account AND state = 'scheduled' LIMIT :most)
  UNION ALL
  (SELECT coalesce(waits_for, 'retry'), due_at FROM deliveries WHERE account_id = :account AND state = 'deferred'
   LIMIT :most)
) AS w GROUP BY cause
"""
)
# No index has what is queued by account: each would be written twice for every delivery. So two places are looked at:
# the beginning of everybody's line, and the newest emails of the account. A flood of its own fills the one, and what
# stands behind a flood of others is in the other.
_QUEUED = text(
    """
WITH line AS (
  SELECT email_id, position, account_id, state, due_at FROM deliveries WHERE state IN ('queued', 'deferred')
  ORDER BY due_at LIMIT :line
), newest AS (
  SELECT id FROM emails WHERE account_id = :account ORDER BY id DESC LIMIT :newest
)
SELECT count(*)::int AS count, min(due_at) AS next_at, max(due_at) AS last_at,
  (SELECT count(*) FROM line) = :line AS is_least
FROM (
  SELECT email_id, position, due_at FROM line WHERE account_id = :account AND state = 'queued'
  UNION
  SELECT d.email_id, d.position, d.due_at FROM newest n CROSS JOIN LATERAL (
    SELECT email_id, position, due_at FROM deliveries
    WHERE email_id = n.id AND account_id = :account AND state || '' = 'queued' OFFSET 0) d
) AS w
"""
)

MOST_WAITING = 10_000
_LINE, _NEWEST = MOST_WAITING, 1_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many deliveries wait for one cause, or at least so many, and when they are due."""

    cause: str  # plan, schedule, worker, relay, destination, account, retry
    count: int
    next_at: datetime
    last_at: datetime
    is_least: bool


async def count_events(connection: AsyncConnection, now: datetime) -> bool:
    """Count what has come since the last time, half an hour of it at the most; says whether there is more.

    One transaction of one process at a time; an event that is written later than ``LAG`` after its moment is missed.
    """
    since = (await connection.execute(_MARK)).scalar_one()
    until = min(now - LAG, since + _AT_ONCE)
    if until <= since:
        return False
    span = {"since": since, "until": until, "slice": SLICE}
    await connection.execute(_COUNT, span | {"kinds": list(KINDS)})
    ids = {"oldest": first_id_at(since - _ID_AGE), "newest": first_id_at(until + _ID_AGE)}
    await connection.execute(_COUNT_ACCEPTED, span | ids | {"accepted": ACCEPTED})
    await connection.execute(_ADVANCE, {"until": until})
    return bool(until < now - LAG)


async def read_tallies(
    connection: AsyncConnection, account_id: UUID, since: datetime, until: datetime, step: timedelta
) -> dict[str, list[int]]:
    """The counts of each kind that occurs, in steps from ``since`` to ``until``; whole slices each."""
    steps = max(0, -(-(until - since) // step))
    arguments = {"account": account_id, "since": since, "until": until, "step": step}
    found: dict[str, list[int]] = {}
    for started_at, kind, count in await connection.execute(_READ, arguments):
        found.setdefault(kind, [0] * steps)[(started_at - since) // step] += count
    return found


async def read_counted_until(connection: AsyncConnection) -> datetime:
    """Up to which moment events are in the tallies."""
    counted_until: datetime = (await connection.execute(_COUNTED_UNTIL)).scalar_one()
    return counted_until


async def read_waiting(connection: AsyncConnection, account_id: UUID) -> list[Waiting]:
    """What waits, by its cause, the most first."""
    rows = (await connection.execute(_WAITING, {"account": account_id, "most": MOST_WAITING})).all()
    found = [Waiting(cause, count, first, last, count >= MOST_WAITING) for cause, count, first, last in rows]
    bounds = {"account": account_id, "line": _LINE, "newest": _NEWEST}
    queued, next_at, last_at, is_least = (await connection.execute(_QUEUED, bounds)).one()
    if queued:
        found.append(Waiting("worker", min(queued, MOST_WAITING), next_at, last_at, is_least))
    return sorted(found, key=lambda one: -one.count)
