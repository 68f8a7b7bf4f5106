"""What came by a route is forgotten once it has been kept for so long. The caller owns the transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import first_id_at

AT_ONCE = 200  # of up to 40 MB each, in one short transaction

# The ids sort by time. The content is of each alone, whatever became of a copy in a mailbox.
_FORGET = text(
    """
WITH gone AS (
  DELETE FROM inbound_emails WHERE id IN (SELECT id FROM inbound_emails WHERE id < :first ORDER BY id LIMIT :most)
  RETURNING id
), chunks AS (
  DELETE FROM content_chunks c USING gone g WHERE c.content_id = g.id
)
SELECT count(*) FROM gone
"""
)


async def forget_inbound(connection: AsyncConnection, before: datetime) -> int:
    """Delete some of the mail that came by routes before then, the oldest first; gives how much it was."""
    return int((await connection.execute(_FORGET, {"first": first_id_at(before), "most": AT_ONCE})).scalar_one())
