"""The busiest hour of each day: rolled up from what was spent before that is cleared away."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.rules.plans import hourly_limit

LOOK_BACK = timedelta(minutes=10)
"""What is rolled up at once; called more often than that, nothing is missed."""
_ROWS_IN_A_STATEMENT = 1000

# By whole minutes, so that no more than 60 minutes are ever together; a chart needs it no finer.
_PEAKS = text(
    """
WITH bins AS (
  SELECT account_id, date_trunc('minute', spent_at) AS bin, sum(count)::int AS spent
  FROM spends WHERE spent_at > CAST(:since AS timestamptz) - interval '1 hour' AND spent_at <= :now GROUP BY 1, 2
), used AS (
  SELECT account_id, bin, sum(spent) OVER (
    PARTITION BY account_id ORDER BY bin RANGE BETWEEN interval '59 minutes' PRECEDING AND CURRENT ROW)::int AS used
  FROM bins
)
SELECT DISTINCT ON (u.account_id, day) u.account_id, (u.bin AT TIME ZONE 'UTC')::date AS day, u.used, u.bin AS at,
  a.plan, a.own_limit
FROM used u JOIN accounts a ON a.id = u.account_id
WHERE u.bin >= :since AND u.used > 0 ORDER BY u.account_id, day, u.used DESC, u.bin
"""
)


async def roll_up_peaks(connection: AsyncConnection, now: datetime) -> int:
    """Write the busiest 60 minutes that ended lately into the days they ended on; gives how many were looked at."""
    rows = (await connection.execute(_PEAKS, {"since": now - LOOK_BACK, "now": now})).all()
    peaks = [
        {
            "account_id": row.account_id,
            "day": row.day,
            "used": row.used,
            "hourly_limit": hourly_limit(row.plan, row.own_limit),
            "at": row.at,
        }
        for row in rows
    ]
    table = tables.HourPeak
    for start in range(0, len(peaks), _ROWS_IN_A_STATEMENT):
        statement = insert(table).values(peaks[start : start + _ROWS_IN_A_STATEMENT])
        more = statement.excluded
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "day"],
                set_={"used": more.used, "hourly_limit": more.hourly_limit, "at": more.at},
                where=table.used < more.used,
            )
        )
    return len(peaks)
