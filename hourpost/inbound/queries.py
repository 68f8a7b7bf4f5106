"""Reading routes and the mail that came by them, always of one account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import NotFound
from hourpost.inbound.addressees import PREFIX
from hourpost.inbound.arrivals import ROUTE_PREFIX
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.ids import to_text

Inbound, Route, Chunk = tables.InboundEmail, tables.InboundRoute, tables.ContentChunk


@dataclass(frozen=True, slots=True)
class StoredRoute:
    """Mail for ``pattern`` is posted to ``url``, signed with the secret of the route's own webhook."""

    id: UUID
    account_id: UUID
    pattern: str
    webhook_id: UUID
    created_at: datetime
    url: str

    @property
    def public_id(self) -> str:
        """``rte_…``."""
        return to_text(ROUTE_PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class StoredInbound:
    """One mail that came by a route, without its content."""

    id: UUID
    account_id: UUID
    route_id: UUID
    recipient: str
    envelope_from: str
    header_from: str
    subject: str
    message_id: str
    authentication: dict[str, Any] | None
    listing: dict[str, Any]
    size_bytes: int
    received_at: datetime

    @property
    def public_id(self) -> str:
        """``in_…``."""
        return to_text(PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which mail; None is any."""

    route_id: UUID | None = None
    recipient: str | None = None


_COLUMNS = [getattr(Inbound, name) for name in StoredInbound.__slots__]


async def list_routes(connection: AsyncConnection, account_id: UUID, cursor: Cursor) -> Page[StoredRoute]:
    """One page of an account's routes, newest first."""
    return (await read_page(connection, _routes(account_id), Route.id, cursor)).map(to_route)


async def get_route(connection: AsyncConnection, account_id: UUID, route_id: UUID) -> StoredRoute:
    """The route of this account. Raises: NotFound."""
    row = (await connection.execute(_routes(account_id).where(Route.id == route_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such route.")
    return to_route(row)


async def list_inbound(
    connection: AsyncConnection, account_id: UUID, cursor: Cursor, filters: Filters
) -> Page[StoredInbound]:
    """One page of the mail that came by routes, newest first."""
    statement = select(*_COLUMNS).where(Inbound.account_id == account_id)
    if filters.route_id is not None:
        statement = statement.where(Inbound.route_id == filters.route_id)
    if filters.recipient is not None:
        statement = statement.where(Inbound.recipient == filters.recipient)
    return (await read_page(connection, statement, Inbound.id, cursor)).map(_inbound)


async def get_inbound(connection: AsyncConnection, account_id: UUID, inbound_id: UUID) -> StoredInbound:
    """One mail of this account. Raises: NotFound."""
    statement = select(*_COLUMNS).where(Inbound.account_id == account_id, Inbound.id == inbound_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no such email.")
    return _inbound(row)


async def read_content(connection: AsyncConnection, email: StoredInbound) -> bytes:
    """Its bytes as they came, below the headers that we put on top."""
    statement = select(Chunk.bytes_).where(Chunk.content_id == email.id).order_by(Chunk.number)
    return b"".join((await connection.execute(statement)).scalars())


def to_route(row: Row[Any]) -> StoredRoute:
    """The object of a row of ``_routes``."""
    return StoredRoute(**row._mapping)


def _routes(account_id: UUID) -> Select[Any]:
    columns = [getattr(Route, name) for name in StoredRoute.__slots__ if name != "url"]
    joined = select(*columns, tables.Webhook.endpoint.label("url")).join(
        tables.Webhook, tables.Webhook.id == Route.webhook_id
    )
    return joined.where(Route.account_id == account_id)


def _inbound(row: Row[Any]) -> StoredInbound:
    return StoredInbound(**row._mapping)
