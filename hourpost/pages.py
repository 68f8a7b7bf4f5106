"""Pages of a list: newest first, moved through by ids (UUIDv7), which sort by time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Subquery, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from hourpost.errors import Fault, ValidationFailed

T = TypeVar("T")
U = TypeVar("U")

Key = ColumnElement[UUID] | InstrumentedAttribute[UUID]

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
SEARCHED_AT_ONCE = 40_000
"""Rows that one search looks at; measured: 15 ms for so many emails, and a whole page is to take 50."""
PROBED_AT_ONCE = 15_000
"""The same where each row is also looked up in another table; measured: 17 ms for so many."""


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
            faults.append(Fault("/limit", f"`limit` must be from 1 to {MAX_LIMIT}"))
        if self.after is not None and self.before is not None:
            faults.append(Fault("/before", "give `after` or `before`, not both"))
        if faults:
            raise ValidationFailed(faults)


@dataclass(frozen=True, slots=True)
class Sieve:
    """What a search asks of each candidate, besides the key of which columns, and of how many candidates."""

    passes: Callable[[Subquery], ColumnElement[bool]]
    columns: Sequence[InstrumentedAttribute[Any]]
    most: int


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
    sieve: Sieve,
) -> Page[Row[Any]]:
    """One page of what passes, where no index knows; the other columns are read of what is found alone.

    Raises: ValidationFailed.
    """
    cursor.check()
    keys = start_at(statement.with_only_columns(key), key, cursor)
    found = search(keys, key, cursor, sieve).limit(cursor.limit + 1).subquery("found")
    page = await read_page(connection, statement.where(key.in_(select(found.c[key.key]))), key, cursor)
    if page.has_more:
        return page
    searched_to = (await connection.execute(keys.offset(sieve.most - 1).limit(1))).scalar()
    return page if searched_to is None else Page(page.data, has_more=True, searched_to=searched_to)


def search(keys: Select[Any], key: InstrumentedAttribute[UUID], cursor: Cursor, sieve: Sieve) -> Select[Any]:
    """What passes among the first of ``keys``; PostgreSQL stops as soon as a page is full."""
    searched = keys.add_columns(*sieve.columns).limit(sieve.most).subquery("searched")
    place = searched.c[key.key]
    return select(place).where(sieve.passes(searched)).order_by(place if cursor.before is not None else place.desc())


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
