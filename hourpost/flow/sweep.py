"""Sweep: what lost its worker goes back to the queue, what outlived its expiry ends. Every worker does it in turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.flow import limit
from hourpost.rules.ids import new_id
from hourpost.webhooks.telling import with_calls

MAX_CRASHES = 3
_UNKNOWN_SECONDS = 30
_ROWS_AT_ONCE = 1000

# A worker that is missing from `workers` is as dead as one whose lease ended: it lost its row to an earlier sweep.
# A lease of more than an hour, or a start that is still to come, is from before PostgreSQL's clock was set back.
# While PostgreSQL was away nobody could renew, and an outcome that is known but not yet written must not be swept.
_DEAD = text(
    "DELETE FROM workers WHERE id IN (SELECT id FROM workers"
    " WHERE (leased_until < now() OR leased_until > now() + interval '1 hour')"
    " AND pg_postmaster_start_time() NOT BETWEEN now() - make_interval(secs => :grace) AND now()"
    " ORDER BY id FOR UPDATE SKIP LOCKED)"
)
_LEFT = """
SELECT d.email_id, d.position, d.dot_at IS NOT NULL AS dotted, d.crashes, a.unknown_policy
FROM deliveries d JOIN accounts a ON a.id = d.account_id WHERE d.state = 'sending' AND {which}
LIMIT :most FOR UPDATE OF d SKIP LOCKED
"""
_NOT_IN_HAND = """d.lease = :worker AND NOT EXISTS (
  SELECT 1 FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[])) AS h(email, position)
  WHERE h.email = d.email_id AND h.position = d.position)"""
_ORPHANS = text(_LEFT.format(which="NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = d.lease)"))
_DROPPED = text(_LEFT.format(which=f"d.dot_at IS NOT NULL AND {_NOT_IN_HAND}"))
_RETURN = text(
    with_calls(
        """
WITH w AS (
  SELECT * FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:state AS text[]),
    CAST(:event AS text[]), CAST(:event_id AS uuid[]), CAST(:due AS timestamptz[]))
    AS w(email, position, state, event, event_id, due)
), changed AS (
  UPDATE deliveries d SET state = w.state, due_at = w.due, lease = NULL, dot_at = NULL, crashes = d.crashes + 1,
    changed_at = :now
  FROM w WHERE d.email_id = w.email AND d.position = w.position RETURNING d.email_id, d.position, d.account_id
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT c.email_id, w.event_id, c.position, c.account_id, w.event, :now,
    jsonb_build_object('reason', 'its worker went away')
  FROM changed c JOIN w ON w.email = c.email_id AND w.position = c.position
  {told}
)
{calls}
"""
    )
)
_UNANSWERED = """
WITH strays AS (
  SELECT d.email_id, d.position FROM deliveries d WHERE d.state = 'sending' AND d.dot_at IS NULL AND {not_in_hand}
  LIMIT :most FOR UPDATE SKIP LOCKED
), changed AS (
  UPDATE deliveries d SET state = 'queued', lease = NULL, dot_at = NULL, attempts = d.attempts - 1, changed_at = :now
  FROM strays s WHERE d.email_id = s.email_id AND d.position = s.position
  RETURNING d.email_id, d.position, d.account_id
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT email_id, uuidv7(), position, account_id, 'queued', :now,
    jsonb_build_object('reason', 'its claim was not answered') FROM changed
  {told}
), calls AS ({calls})
SELECT email_id FROM changed
"""
_STRAYS = text(with_calls(_UNANSWERED).format(not_in_hand=_NOT_IN_HAND))
# Two hours back and no more: what is older was ended by an earlier sweep, or is found at its claim or release.
_EXPIRE = text(
    with_calls(
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
  {told}
), calls AS ({calls})
SELECT account_id, count(*) FILTER (WHERE before = 'held') AS held FROM changed GROUP BY account_id
"""
    )
)


async def return_orphans(connection: AsyncConnection, now: datetime, grace_seconds: float) -> int:
    """Put back what dead workers had in hand; gives how many.

    What may have been sent (its final dot was written) is *unknown*: sent again a little later, or parked where the
    account asked for at most once. What stopped its worker three times is parked, as failed or as unknown.
    """
    await connection.execute(_DEAD, {"grace": grace_seconds})
    rows = (await connection.execute(_ORPHANS, {"most": _ROWS_AT_ONCE})).all()
    return await _put_back(connection, rows, now)


async def _put_back(connection: AsyncConnection, rows: Sequence[Any], now: datetime) -> int:
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
    is_poison = crashes + 1 >= MAX_CRASHES
    if dotted and (is_poison or unknown_policy == "park"):
        return "unknown", "unknown", now
    if is_poison:
        return "failed", "failed", now
    if dotted:
        return "deferred", "unknown", now + timedelta(seconds=_UNKNOWN_SECONDS)
    return "queued", "queued", now


async def return_strays(
    connection: AsyncConnection, worker: UUID, in_hand: Collection[tuple[UUID, int]], now: datetime
) -> int:
    """Put back what is leased to ``worker`` and not in its hands; gives how many.

    That is a claim whose commit was not answered; where a final dot was written, a delivery that was dropped.
    """
    arguments = {
        "worker": worker,
        "email": [email_id for email_id, _ in in_hand],
        "position": [position for _, position in in_hand],
        "most": _ROWS_AT_ONCE,
        "now": now,
    }
    dropped = (await connection.execute(_DROPPED, {key: arguments[key] for key in arguments if key != "now"})).all()
    returned = await _put_back(connection, dropped, now)
    return returned + len((await connection.execute(_STRAYS, arguments)).all())


async def expire(connection: AsyncConnection, now: datetime) -> list[tuple[UUID, int, int]]:
    """End what outlived its expiry; gives how many of each account were held, and its bucket's generation."""
    rows = await connection.execute(_EXPIRE, {"since": now - timedelta(hours=2), "now": now, "most": _ROWS_AT_ONCE})
    held = {row.account_id: row.held for row in rows if row.held}
    generations = await limit.lock_generations(connection, held)
    return [(account, held[account], generation) for account, generation in generations.items()]
