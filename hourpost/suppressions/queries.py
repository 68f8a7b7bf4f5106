"""Reading suppressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Subquery, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import pages, tables
from hourpost.errors import NotFound
from hourpost.pages import Cursor, Page, Sieve, read_page, search_page
from hourpost.rules.ids import from_text, to_text

PREFIX = "sup"


class Reason(StrEnum):
    """Why an address is suppressed."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, in lower case, that the account must not send to."""

    id: UUID
    account_id: UUID
    address: str
    reason: Reason
    email_id: UUID | None
    created_at: datetime

    @property
    def public_id(self) -> str:
        """``sup_…``."""
        return to_text(PREFIX, self.id)


COLUMNS = [getattr(tables.Suppression, field.name) for field in fields(Suppression)]


async def get_suppression(connection: AsyncConnection, account_id: UUID, key: str) -> Suppression:
    """The suppression by its id (``sup_…``) or its address. Raises: NotFound."""
    row = (await connection.execute(_mine(account_id).where(is_one_of([key])))).one_or_none()
    if row is None:
        raise NotFound(f"There is no suppression {key!r}.")
    return to_suppression(row)


async def list_suppressions(
    connection: AsyncConnection, account_id: UUID, cursor: Cursor, reason: Reason | None = None
) -> Page[Suppression]:
    """One page of an account's suppressions, perhaps of one reason only."""
    statement = _mine(account_id)
    if reason is not None:
        statement = statement.where(tables.Suppression.reason == reason)
    return (await read_page(connection, statement, tables.Suppression.id, cursor)).map(to_suppression)


async def find_suppressions(
    connection: AsyncConnection, account_id: UUID, part: str, cursor: Cursor, reason: Reason | None = None
) -> Page[Suppression]:
    """One page of those whose address has ``part`` in it; so many are looked at and no more, as in every search."""
    statement = _mine(account_id)
    if reason is not None:
        statement = statement.where(tables.Suppression.reason == reason)

    def sift(candidates: Subquery) -> ColumnElement[bool]:
        return candidates.c.address.contains(part.lower(), autoescape=True)

    sieve = Sieve(sift, [tables.Suppression.address], pages.SEARCHED_AT_ONCE)
    found = await search_page(connection, statement, tables.Suppression.id, cursor, sieve)
    return found.map(to_suppression)


def is_one_of(keys: Sequence[str]) -> ColumnElement[bool]:
    """The condition for rows whose id or address is among ``keys``."""
    ids = [found for found in (from_text(PREFIX, key) for key in keys) if found is not None]
    addresses = [key.strip().lower() for key in keys if "@" in key]
    return or_(tables.Suppression.id.in_(ids), tables.Suppression.address.in_(addresses))


def to_suppression(row: Row[Any]) -> Suppression:
    """The object of a row of ``COLUMNS``."""
    values = dict(row._mapping)
    return Suppression(**values | {"reason": Reason(values["reason"])})


def _mine(account_id: UUID) -> Select[Any]:
    return select(*COLUMNS).where(tables.Suppression.account_id == account_id)
