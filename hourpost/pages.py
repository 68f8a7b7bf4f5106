"""Pages of a list: newest first, moved through by ids (UUIDv7), which sort by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Subquery, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from hourpost.errors import Fault, ValidationFailed

T = TypeVar("T")
U = TypeVar("U")

Sift = Callable[[Subquery], ColumnElement[bool]]
Key = ColumnElement[UUID] | InstrumentedAttribute[UUID]

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
SEARCHED_AT_ONCE = 150_000
"""Rows that one search looks at; measured: 100 ms for 250,000 emails, and a whole page has that much."""
PROBED_AT_ONCE = 50_000
"""The same where each row is also looked up in another table; measured: 280 ms for 250,000."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Which page: the ``limit`` items older than ``after``, or newer than ``before``, or else the newest."""

    limit: int = DEFAULT_LIMIT
    after: UUID | None = None
    before: UUID | None = None

    def check(self) -> None:
        """Raises: ValidationFailed for a limit out of range, or both ends at once."""
        faults = []
        if not 1 <= self.limit <= MAX_LIMIT:
            faults.append(Fault("/limit", f"limit must be from 1 to {MAX_LIMIT}"))
        if self.after is not None and self.before is not None:
            faults.append(Fault("/before", "give after or before, not both"))
        if faults:
            raise ValidationFailed(faults)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, newest first; ``has_more`` says whether others follow in the direction asked for.

    ``searched_to`` is set where the search ended before the page was full: the id to go on from.
    """

    data: list[T]
    has_more: bool
    searched_to: UUID | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """The same page with each item changed."""
        return Page([change(item) for item in self.data], self.has_more, self.searched_to)


async def read_page(
    connection: AsyncConnection,
    statement: Select[Any],
    key: Key,
    cursor: Cursor,
) -> Page[Row[Any]]:
    """Run ``statement`` for one page, ordered by ``key``. Raises: ValidationFailed."""
    cursor.check()
    return await _read(connection, start_at(statement, key, cursor), cursor)


async def search_page(
    connection: AsyncConnection,
    statement: Select[Any],
    key: InstrumentedAttribute[UUID],
    cursor: Cursor,
    sift: Sift,
    most: int,
) -> Page[Row[Any]]:
    """One page of what passes ``sift``, for which there is no index: at most ``most`` rows are looked at.

    ``statement`` selects ``key`` among its columns. Raises: ValidationFailed.
    """
    cursor.check()
    candidates = start_at(statement, key, cursor)
    page = await _read(connection, search(candidates, key, cursor, sift, most), cursor)
    if page.has_more:
        return page
    last = candidates.with_only_columns(key).offset(most - 1).limit(1)
    searched_to = (await connection.execute(last)).scalar()
    return page if searched_to is None else Page(page.data, has_more=True, searched_to=searched_to)


def search(
    candidates: Select[Any], key: InstrumentedAttribute[UUID], cursor: Cursor, sift: Sift, most: int
) -> Select[Any]:
    """What passes ``sift`` among the first of ``candidates``; PostgreSQL stops as soon as a page is full."""
    searched = candidates.limit(most).subquery("searched")
    place = searched.c[key.key]
    return select(searched).where(sift(searched)).order_by(place if cursor.before is not None else place.desc())


def start_at(statement: Select[Any], key: Key, cursor: Cursor) -> Select[Any]:
    """The statement in the order of a page and from its beginning, without its end."""
    if cursor.before is not None:
        return statement.where(key > cursor.before).order_by(key)
    if cursor.after is not None:
        statement = statement.where(key < cursor.after)
    return statement.order_by(key.desc())


async def _read(connection: AsyncConnection, statement: Select[Any], cursor: Cursor) -> Page[Row[Any]]:
    rows = list((await connection.execute(statement.limit(cursor.limit + 1))).all())
    found = rows[: cursor.limit]
    return Page(found[::-1] if cursor.before is not None else found, len(rows) > cursor.limit)
