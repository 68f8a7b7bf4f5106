"""Word to all processes that what they remember of an account is no longer true."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

STANDING_CHANNEL = "standing"

# Of a domain that has changed hands both accounts may have a mailbox of the same address
_NAMESAKES = (
    "SELECT pg_notify(:channel, CAST(o.account_id AS text)) FROM (SELECT DISTINCT account_id FROM mailbox_addresses"
    " WHERE {known_as} AND account_id <> :account) o"
)
_NOTIFY_OF_ADDRESS = text(_NAMESAKES.format(known_as="address = :name"))
_NOTIFY_OF_DOMAIN = text(_NAMESAKES.format(known_as="domain = :name"))
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def announce_change(connection: AsyncConnection, account_id: UUID) -> None:
    """Tell every process, when the caller's transaction commits, to forget the standing of this account."""
    await connection.execute(_NOTIFY, {"channel": STANDING_CHANNEL, "payload": str(account_id)})


async def announce_taken(connection: AsyncConnection, account_id: UUID, name: str) -> None:
    """Tell the same of all other accounts that have an address of ``name``, a domain or an address itself."""
    statement = _NOTIFY_OF_ADDRESS if "@" in name else _NOTIFY_OF_DOMAIN
    await connection.execute(statement, {"channel": STANDING_CHANNEL, "account": account_id, "name": name})
