"""Everything of an account that is not a secret, as one JSON document, written piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.queries import Account
from hourpost.credentials.queries import PREFIXES, Kind
from hourpost.database import Database
from hourpost.rules.ids import to_text

_AT_ONCE = 500
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS  # SQLAlchemy names columns by a str of its own
_PREFIXES = {
    "domains": "dom",
    "suppressions": "sup",
    "mailboxes": "mbx",
    "webhooks": "whk",
    "inbound_routes": "rte",
    "emails": "em",
    "audit_log": "aud",
}
_FIELDS: dict[str, tuple[type[tables.Table], tuple[str, ...]]] = {
    "domains": (tables.Domain, ("id", "name", "status", "created_at")),
    "credentials": (tables.Credential, ("id", "kind", "name", "hint", "scope", "test", "revoked_at", "created_at")),
    "suppressions": (tables.Suppression, ("id", "address", "reason", "created_at")),
    "mailboxes": (tables.Mailbox, ("id", "address", "name", "forward_to", "used_bytes", "deleted_at", "created_at")),
    "webhooks": (tables.Webhook, ("id", "endpoint", "kinds", "disabled_at", "created_at")),
    "inbound_routes": (tables.InboundRoute, ("id", "pattern", "created_at")),
    "emails": (
        tables.Email,
        ("id", "header_from", "subject", "message_id", "parts", "tags", "metadata_", "size_bytes", "created_at"),
    ),
    "audit_log": (tables.AuditEntry, ("id", "actor", "action", "detail", "address", "at")),
}


async def export_account(database: Database, account: Account) -> AsyncIterator[bytes]:
    """The document in pieces; each list is read page by page, so that a million emails need no memory."""
    fields = ("public_id", "name", "email", "plan", "created_at")
    yield b'{"account": ' + _dump({field: getattr(account, field) for field in fields})
    for name, (table, columns) in _FIELDS.items():
        yield f',\n"{name}": ['.encode()
        separator = b"\n"
        async for rows in _pages(database, table, columns, account.id):
            for row in rows:
                prefix = PREFIXES[Kind(row["kind"])] if table is tables.Credential else _PREFIXES[name]
                row["id"] = to_text(prefix, row["id"])
            yield separator + b",\n".join(map(_dump, rows))
            separator = b",\n"
        yield b"]"
    yield b',\n"members": ' + _dump(await _members(database, account.id)) + b"}\n"


async def _pages(
    database: Database, table: Any, columns: tuple[str, ...], account_id: UUID
) -> AsyncIterator[list[dict[str, Any]]]:
    after: UUID | None = None
    while True:
        statement = select(*(getattr(table, name) for name in columns)).where(table.account_id == account_id)
        if after is not None:
            statement = statement.where(table.id > after)
        async with database.reading() as connection:
            rows = await _read(connection, statement.order_by(table.id).limit(_AT_ONCE))
            if table is tables.Email:
                await _add_deliveries(connection, rows)
        if not rows:
            return
        after = rows[-1]["id"]
        yield rows


async def _add_deliveries(connection: AsyncConnection, emails: list[dict[str, Any]]) -> None:
    table = tables.Delivery
    statement = select(table.email_id, table.address, table.state).order_by(table.email_id, table.position)
    for email in emails:
        email["deliveries"] = []
    by_id = {email["id"]: email["deliveries"] for email in emails}
    for row in await connection.execute(statement.where(table.email_id.in_(by_id))):
        by_id[row.email_id].append({"address": row.address, "status": row.state})


async def _members(database: Database, account_id: UUID) -> list[dict[str, Any]]:
    member, user = tables.Membership, tables.User
    statement = select(user.email, user.name, member.role).join(member, member.user_id == user.id)
    async with database.reading() as connection:
        return await _read(connection, statement.where(member.account_id == account_id).order_by(user.email))


async def _read(connection: AsyncConnection, statement: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in await connection.execute(statement)]


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=_OPTIONS)
