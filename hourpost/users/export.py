"""Everything of an account that is not a secret, as one JSON document, written piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Table, select, tuple_

from hourpost import tables
from hourpost.accounts.queries import Account
from hourpost.credentials.queries import PREFIXES, Kind
from hourpost.database import Database
from hourpost.rules.ids import to_text
from hourpost.users.export_parts import ID_PREFIXES, PARENTS, PARTS, Part

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS  # SQLAlchemy names columns by a str of its own
_FIELDS = ("public_id", "name", "email", "plan", "own_limit", "suspended_at", "created_at")

Row = dict[str, Any]


async def export_account(database: Database, account: Account, *, at_once: int = 500) -> AsyncIterator[bytes]:
    """The document in pieces of ``at_once`` rows; whatever there is of something, no more is in memory.

    Between two pieces nothing of the database is held, however slowly they are taken.
    """
    reader = _Reader(database, account.id, at_once)
    yield b'{"account": ' + _dump({field: getattr(account, field) for field in _FIELDS})
    yield b',\n"members": ' + _dump(await _members(database, account.id))
    for part in PARTS:
        yield f',\n"{part.name}": ['.encode()
        separator = b"\n"
        async for rows in reader.pages(part):
            yield separator + b",\n".join(_dump(_shown(part, row)) for row in rows)
            separator = b",\n"
        yield b"]"
    yield b"}\n"


class _Reader:
    """Reads the parts of one account page by page, each where an index leads."""

    def __init__(self, database: Database, account_id: UUID, at_once: int) -> None:
        self._database = database
        self._account_id = account_id
        self._at_once = at_once

    async def pages(self, part: Part) -> AsyncIterator[list[Row]]:
        """The rows of a part with its key, in order."""
        if not part.parent:
            mine = part.table.c.account_id == self._account_id
            async for rows in self._pages(part.table, {*part.columns, *part.key}, part.key, mine):
                yield rows
            return
        parents = PARENTS[part.parent]
        key = (part.parent, *part.key)
        async for some in self._pages(parents, {"id"}, ("id",), parents.c.account_id == self._account_id):
            theirs = part.table.c[part.parent].in_([one["id"] for one in some])
            async for rows in self._pages(part.table, {*part.columns, *key}, key, theirs):
                yield rows

    async def _pages(
        self, table: Table, columns: set[str], key: Sequence[str], which: ColumnElement[bool]
    ) -> AsyncIterator[list[Row]]:
        order = [table.c[name] for name in key]
        statement = select(*(table.c[name] for name in sorted(columns))).where(which).order_by(*order)
        after: tuple[Any, ...] | None = None
        while True:
            page = statement if after is None else statement.where(tuple_(*order) > after)
            rows = await _read(self._database, page.limit(self._at_once))
            if rows:
                yield rows
            if len(rows) < self._at_once:
                return
            after = tuple(rows[-1][name] for name in key)


def _shown(part: Part, row: Row) -> Row:
    """A row as the API names its things."""
    shown = {name: row[name] for name in part.columns}
    for name, prefix in ID_PREFIXES.items():
        if isinstance(shown.get(name), UUID):
            shown[name] = to_text(prefix, shown[name])
    if isinstance(shown.get("id"), UUID):
        prefix = PREFIXES[Kind(row["kind"])] if part.name == "credentials" else part.prefix
        shown["id"] = to_text(prefix, shown["id"])
    return shown


async def _members(database: Database, account_id: UUID) -> list[Row]:
    member, user = tables.Membership, tables.User
    statement = select(user.email, user.name, member.role).join(member, member.user_id == user.id)
    return await _read(database, statement.where(member.account_id == account_id).order_by(user.email))


async def _read(database: Database, statement: Any) -> list[Row]:
    async with database.reading() as connection:
        return [dict(row._mapping) for row in await connection.execute(statement)]


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=_OPTIONS)
