"""Word to all processes that what they remember of an account is no longer true."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

STANDING_CHANNEL = "standing"

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def announce_change(connection: AsyncConnection, account_id: UUID) -> None:
    """Tell every process, when the caller's transaction commits, to forget the standing of this account."""
    await connection.execute(_NOTIFY, {"channel": STANDING_CHANNEL, "payload": str(account_id)})
