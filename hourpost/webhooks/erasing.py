"""What deleted webhooks have left behind: their calls and the tries at them, of which nobody sees anything any more."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

AT_ONCE = 2000

TABLES = ("webhook_calls", "webhook_attempts")
# A loose scan looks once at each webhook, however many calls it has.
_ORPHANED = """
WITH RECURSIVE known AS (
  (SELECT webhook_id FROM {table} ORDER BY webhook_id LIMIT 1)
  UNION ALL
  SELECT n.webhook_id FROM known k CROSS JOIN LATERAL (
    SELECT c.webhook_id FROM {table} c WHERE c.webhook_id > k.webhook_id ORDER BY c.webhook_id LIMIT 1) n
)
SELECT webhook_id FROM known k WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.id = k.webhook_id)
"""
_ERASE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM {table} WHERE webhook_id = ANY(CAST(:webhooks AS uuid[])) LIMIT :most FOR UPDATE SKIP LOCKED))
"""
_FIND = {table: text(_ORPHANED.format(table=table)) for table in TABLES}
_DELETE = {table: text(_ERASE.format(table=table)) for table in TABLES}


async def find_orphaned(connection: AsyncConnection, table: str) -> list[UUID]:
    """The webhooks that are gone, and of which one of ``TABLES`` still has rows.

    Of a webhook that one transaction deletes while another tells it of an event, also that event is found later.
    """
    return list((await connection.execute(_FIND[table])).scalars())


async def erase_some(connection: AsyncConnection, table: str, webhooks: Sequence[UUID]) -> int:
    """Delete some of what they have left in one of ``TABLES``, but nothing that somebody has in hand; how many rows."""
    return (await connection.execute(_DELETE[table], {"webhooks": webhooks, "most": AT_ONCE})).rowcount
