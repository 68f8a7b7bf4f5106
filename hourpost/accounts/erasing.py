"""Erasing emails with all that hangs on them, some at a time: those of a closed account, and those of long ago.

Their content is shared with messages of mailboxes, under the email's id; those have their own grace.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.delivery_state import WAITING
from hourpost.rules.ids import first_id_at


def _erase(part: str) -> TextClause:
    """Erases the emails whose ids ``part`` selects, and gives how many they were."""
    return text(
        f"""
WITH part AS MATERIALIZED (
  {part}
), events AS (
  DELETE FROM events e USING part s WHERE e.email_id = s.id
), attempts AS (
  DELETE FROM attempts a USING part s WHERE a.email_id = s.id
), deliveries AS (
  DELETE FROM deliveries d USING part s WHERE d.email_id = s.id
), chunks AS (
  DELETE FROM content_chunks c USING part s WHERE c.content_id = s.id
    AND NOT EXISTS (SELECT FROM messages m WHERE m.content_id = s.id)
    AND NOT EXISTS (SELECT FROM expunges x WHERE x.content_id = s.id)
), gone AS (
  DELETE FROM emails e USING part s WHERE e.id = s.id RETURNING e.id
)
SELECT count(*) FROM gone
"""  # noqa: S608
    )


EMAILS_OF_ACCOUNT = _erase("SELECT id FROM emails WHERE account_id = :account ORDER BY id LIMIT :most")
# The ids sort by time. What waits stays however old it is, what has waited and ended lately too, and what a Sent folder
# still waits for. Counted, as what does not exist would be looked for in all deliveries when much is old.
_OLD_EMAILS = _erase(
    """SELECT e.id FROM emails e WHERE e.id < :first
    AND 0 = (SELECT count(*) FROM deliveries d WHERE d.email_id = e.id
      AND (d.state = ANY(:waiting) OR d.changed_at >= :settled))
    AND 0 = (SELECT count(*) FROM sent_copies c WHERE c.email_id = e.id AND NOT c.settled)
  ORDER BY e.id LIMIT :most FOR UPDATE SKIP LOCKED"""
)
SETTLED = timedelta(days=30)
"""What has become of an email is kept so long at least, for reports that come late and for whoever looks it up."""


async def erase_old_emails(connection: AsyncConnection, now: datetime, kept: timedelta, most: int) -> int:
    """Erase up to ``most`` of those that are older than they are ``kept`` and have ended, the oldest first.

    Gives how many they were.
    """
    moment = {
        "first": first_id_at(now - kept),
        "settled": now - SETTLED,
        "waiting": [state.value for state in WAITING],
        "most": most,
    }
    return int((await connection.execute(_OLD_EMAILS, moment)).scalar_one())
