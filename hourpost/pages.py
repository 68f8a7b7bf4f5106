"""Pages of a list: newest first, moved through by ids (UUIDv7), which sort by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from hourpost.errors import Fault, ValidationFailed

T = TypeVar("T")
U = TypeVar("U")

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


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
    """Some items of a list, newest first; ``has_more`` says whether others follow in the direction asked for."""

    data: list[T]
    has_more: bool

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """The same page with each item changed."""
        return Page([change(item) for item in self.data], self.has_more)


async def read_page(
    connection: AsyncConnection,
    statement: Select[Any],
    key: ColumnElement[UUID] | InstrumentedAttribute[UUID],
    cursor: Cursor,
) -> Page[Row[Any]]:
    """Run ``statement`` for one page, ordered by ``key``. Raises: ValidationFailed."""
    cursor.check()
    if cursor.before is not None:
        statement = statement.where(key > cursor.before).order_by(key)
    elif cursor.after is not None:
        statement = statement.where(key < cursor.after).order_by(key.desc())
    else:
        statement = statement.order_by(key.desc())
    rows = list((await connection.execute(statement.limit(cursor.limit + 1))).all())
    found = rows[: cursor.limit]
    return Page(found[::-1] if cursor.before is not None else found, len(rows) > cursor.limit)
