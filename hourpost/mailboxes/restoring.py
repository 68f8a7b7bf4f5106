"""After a backup was restored: what came since it was made is lost, and its UIDs are given again to other messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Greater than any that was given after the backup, as that began with the seconds of its own moment.
_OUTDATE = text(
    """
WITH fresh AS (
  SELECT f.id, f.mailbox_id, greatest(m.last_uidvalidity, :seconds)
    + row_number() OVER (PARTITION BY f.mailbox_id ORDER BY f.uidvalidity) AS uidvalidity
  FROM folders f JOIN mailboxes m ON m.id = f.mailbox_id
), last AS (
  UPDATE mailboxes m SET last_uidvalidity = l.uidvalidity
  FROM (SELECT mailbox_id, max(uidvalidity) AS uidvalidity FROM fresh GROUP BY mailbox_id) l WHERE m.id = l.mailbox_id
)
UPDATE folders f SET uidvalidity = fresh.uidvalidity FROM fresh WHERE f.id = fresh.id
"""
)


async def outdate_clients(connection: AsyncConnection, now: datetime) -> int:
    """Have every mail program read its folders anew (RFC 9051 §2.3.1.1); gives how many there are.

    Nobody may have one open meanwhile.
    """
    return (await connection.execute(_OUTDATE, {"seconds": int(now.timestamp())})).rowcount
