"""Leaving: what of a lost domain's mail waits for another try is due at once, so that its sender learns its end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_AT_ONCE = 10_000  # one transaction's share; what is beyond ends when its own moment comes

_WAKE = text(
    """
UPDATE deliveries d SET due_at = :now
FROM (
  SELECT w.email_id, w.position FROM deliveries w JOIN emails e ON e.id = w.email_id
  WHERE w.account_id = :account AND w.state = 'deferred' AND w.due_at > :now
    AND :name IN (lower(split_part(e.from_address, '@', -1)), lower(split_part(e.envelope_from, '@', -1)))
  LIMIT :most FOR UPDATE OF w SKIP LOCKED
) AS w
WHERE d.email_id = w.email_id AND d.position = w.position
"""
)


async def wake_mail(connection: AsyncConnection, account_id: UUID, name: str, now: datetime) -> None:
    """Let a worker look at the deferred mail of an account's domain: it ends what is not to be sent any more."""
    await connection.execute(_WAKE, {"account": account_id, "name": name, "now": now, "most": _AT_ONCE})
