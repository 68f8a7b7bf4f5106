"""Word to all processes that who may enter a mailbox has changed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ACCESS_CHANNEL = "mailbox_access"

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def announce_access(connection: AsyncConnection, mailbox_id: UUID) -> None:
    """Tell every process, when the caller's transaction commits, to look again who may be in this mailbox."""
    await connection.execute(_NOTIFY, {"channel": ACCESS_CHANNEL, "payload": str(mailbox_id)})
