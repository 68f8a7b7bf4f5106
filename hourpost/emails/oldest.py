"""The oldest delivery that waits, by cause: what a probe and an alarm look at, in a few index probes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CAUSES = ("plan", "schedule", "worker", "relay", "destination", "account", "retry")

# The parts are bounded, so that a million that wait cost no more than some thousand: one probe for each account that
# holds something, and the longest due of what is queued or deferred. An email's id holds the moment of its acceptance.
_OLDEST = text(
    """
WITH RECURSIVE holding AS (
  (SELECT account_id, due_at FROM deliveries WHERE state = 'held' ORDER BY account_id, due_at LIMIT 1)
  UNION ALL
  SELECT n.account_id, n.due_at FROM holding h CROSS JOIN LATERAL (
    SELECT d.account_id, d.due_at FROM deliveries d WHERE d.state = 'held' AND d.account_id > h.account_id
    ORDER BY d.account_id, d.due_at LIMIT 1) n
), line AS (
  SELECT email_id, state, waits_for, due_at FROM deliveries WHERE state IN ('queued', 'deferred')
  ORDER BY due_at LIMIT 5000
)
SELECT 'plan' AS cause, min(due_at) AS since FROM holding
UNION ALL
SELECT 'schedule', (SELECT due_at FROM deliveries WHERE state = 'scheduled' AND due_at <= :now ORDER BY due_at LIMIT 1)
UNION ALL
SELECT 'worker', (SELECT min(due_at) FROM line WHERE due_at <= :now)
UNION ALL
SELECT coalesce(waits_for, 'retry'), min(uuid_extract_timestamp(email_id)) FROM line WHERE state = 'deferred' GROUP BY 1
"""
)
_CLAIMED = text(
    "SELECT max(d.changed_at) FROM workers w JOIN deliveries d ON d.lease = w.id AND d.state = 'sending'"
    " WHERE w.name LIKE :host"
)
_LEASED = text("SELECT max(leased_until) FROM workers WHERE name LIKE :host")


async def read_oldest_seconds(connection: AsyncConnection, now: datetime) -> dict[str, float]:
    """Seconds for each of ``CAUSES``, 0 where nothing waits for it.

    ``plan`` counts from the place in the line, ``schedule`` and ``worker`` from the moment it was due, the others
    from acceptance.
    """
    found = dict.fromkeys(CAUSES, 0.0)
    for cause, since in await connection.execute(_OLDEST, {"now": now}):
        if since is not None:
            found[cause] = max(0.0, (now - since).total_seconds())
    return found


async def read_worker_signs(connection: AsyncConnection, host: str) -> tuple[datetime | None, datetime | None]:
    """Until when a worker of ``host`` holds its leases, and when it last took a delivery that it still has."""
    pattern = {"host": host.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + ":%"}
    leased_until = (await connection.execute(_LEASED, pattern)).scalar()
    return leased_until, (await connection.execute(_CLAIMED, pattern)).scalar()
