"""Sweep: what lost its worker goes back to the queue, what outlived its expiry ends. Every worker does it in turn."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.flow import limit
from hourpost.rules.ids import new_id

MAX_CRASHES = 3
_UNKNOWN_SECONDS = 30
_ROWS_AT_ONCE = 1000

# A worker that is missing from `workers` is as dead as one whose lease ended: it lost its row to an earlier sweep.
_DEAD = text(
    "DELETE FROM workers WHERE id IN"
    " (SELECT id FROM workers WHERE leased_until < now() ORDER BY id FOR UPDATE SKIP LOCKED)"
)
_ORPHANS = text(
    """
SELECT d.email_id, d.position, d.dot_at IS NOT NULL AS dotted, d.crashes, a.unknown_policy
FROM deliveries d JOIN accounts a ON a.id = d.account_id
WHERE d.state = 'sending' AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = d.lease)
LIMIT :most FOR UPDATE OF d SKIP LOCKED
"""
)
_RETURN = text(
    """
WITH w AS (
  SELECT * FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:state AS text[]),
    CAST(:event AS text[]), CAST(:event_id AS uuid[]), CAST(:due AS timestamptz[]))
    AS w(email, position, state, event, event_id, due)
), changed AS (
  UPDATE deliveries d SET state = w.state, due_at = w.due, lease = NULL, dot_at = NULL, crashes = d.crashes + 1,
    changed_at = :now
  FROM w WHERE d.email_id = w.email AND d.position = w.position RETURNING d.email_id, d.position, d.account_id
)
INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
SELECT c.email_id, w.event_id, c.position, c.account_id, w.event, :now,
  jsonb_build_object('reason', 'its worker went away')
FROM changed c JOIN w ON w.email = c.email_id AND w.position = c.position
"""
)
_STRAYS = text(
    """
WITH strays AS (
  SELECT d.email_id, d.position FROM deliveries d WHERE d.lease = :worker AND d.state = 'sending'
    AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[])) AS h(email, position)
      WHERE h.email = d.email_id AND h.position = d.position)
  LIMIT :most FOR UPDATE SKIP LOCKED
), changed AS (
  UPDATE deliveries d SET state = 'queued', lease = NULL, dot_at = NULL, attempts = d.attempts - 1, changed_at = :now
  FROM strays s WHERE d.email_id = s.email_id AND d.position = s.position
  RETURNING d.email_id, d.position, d.account_id
)
INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
SELECT email_id, uuidv7(), position, account_id, 'queued', :now,
  jsonb_build_object('reason', 'its claim was not answered') FROM changed
"""
)
# Two hours back and no more: what is older was ended by an earlier sweep, or is found at its claim or release.
_EXPIRE = text(
    """
WITH over AS (
  SELECT d.email_id, d.position, d.state FROM emails e JOIN deliveries d ON d.email_id = e.id
  WHERE e.expires_at > :since AND e.expires_at <= :now AND d.state IN ('scheduled', 'held', 'queued', 'deferred')
  LIMIT :most FOR UPDATE OF d SKIP LOCKED
), changed AS (
  UPDATE deliveries d SET state = 'expired', waits_for = NULL, changed_at = :now
  FROM over WHERE d.email_id = over.email_id AND d.position = over.position
  RETURNING d.email_id, d.position, d.account_id, over.state AS before, d.released_at
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT email_id, uuidv7(), position, account_id, 'expired', :now,
    jsonb_build_object('reason', 'its expiry has passed') FROM changed
)
SELECT account_id, count(*) FILTER (WHERE before = 'held') AS held FROM changed GROUP BY account_id
"""
)


async def return_orphans(connection: AsyncConnection, now: datetime) -> int:
    """Put back what dead workers had in hand; gives how many.

    What may have been sent (its final dot was written) is *unknown*: sent again a little later, or parked where the
    account asked for at most once. What stopped its worker three times is parked as failed.
    """
    await connection.execute(_DEAD)
    rows = (await connection.execute(_ORPHANS, {"most": _ROWS_AT_ONCE})).all()
    if not rows:
        return 0
    fates = [_fate(row.dotted, row.crashes, row.unknown_policy, now) for row in rows]
    await connection.execute(
        _RETURN,
        {
            "email": [row.email_id for row in rows],
            "position": [row.position for row in rows],
            "state": [fate[0] for fate in fates],
            "event": [fate[1] for fate in fates],
            "due": [fate[2] for fate in fates],
            "event_id": [new_id() for _ in rows],
            "now": now,
        },
    )
    return len(rows)


def _fate(dotted: bool, crashes: int, unknown_policy: str, now: datetime) -> tuple[str, str, datetime]:
    if dotted and unknown_policy == "park":
        return "unknown", "unknown", now
    if crashes + 1 >= MAX_CRASHES:
        return "failed", "failed", now
    if dotted:
        return "deferred", "unknown", now + timedelta(seconds=_UNKNOWN_SECONDS)
    return "queued", "queued", now


async def return_strays(
    connection: AsyncConnection, worker: UUID, in_hand: Collection[tuple[UUID, int]], now: datetime
) -> int:
    """Put back what is leased to ``worker`` and not in its hands: a claim whose commit was not answered."""
    arguments = {
        "worker": worker,
        "email": [email_id for email_id, _ in in_hand],
        "position": [position for _, position in in_hand],
        "most": _ROWS_AT_ONCE,
        "now": now,
    }
    return (await connection.execute(_STRAYS, arguments)).rowcount


async def expire(connection: AsyncConnection, now: datetime) -> list[tuple[UUID, int, int]]:
    """End what outlived its expiry; gives how many of each account were held, and its bucket's generation."""
    rows = await connection.execute(_EXPIRE, {"since": now - timedelta(hours=2), "now": now, "most": _ROWS_AT_ONCE})
    held = {row.account_id: row.held for row in rows if row.held}
    generations = await limit.lock_generations(connection, held)
    return [(account, held[account], generation) for account, generation in generations.items()]
