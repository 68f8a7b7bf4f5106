"""Recovery codes: each stands in for the second factor once."""

from __future__ import annotations

import secrets
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.users.tokens import hashed

COUNT = 10
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that looks like something else
_GROUPS, _GROUP = 4, 4


async def make_codes(connection: AsyncConnection, user_id: UUID) -> list[str]:
    """New codes in place of the old ones; this is the only time that they can be read."""
    codes = [_code() for _ in range(COUNT)]
    await drop_codes(connection, user_id)
    rows = [{"user_id": user_id, "code_sha256": hashed(_plain(code))} for code in codes]
    await connection.execute(insert(tables.RecoveryCode), rows)
    return codes


async def make_first_codes(connection: AsyncConnection, user_id: UUID) -> list[str]:
    """Codes for who has just got a first second factor; none where there are some already."""
    return [] if await count_codes(connection, user_id) else await make_codes(connection, user_id)


async def use_code(connection: AsyncConnection, user_id: UUID, code: str) -> bool:
    """Whether it is one of the user's codes; it is used up when the caller's transaction commits."""
    table = tables.RecoveryCode
    statement = delete(table).where(table.user_id == user_id, table.code_sha256 == hashed(_plain(code)))
    return (await connection.execute(statement.returning(table.user_id))).one_or_none() is not None


async def count_codes(connection: AsyncConnection, user_id: UUID) -> int:
    """How many codes are left."""
    statement = select(func.count()).where(tables.RecoveryCode.user_id == user_id)
    return (await connection.execute(statement)).scalar_one()


async def drop_codes(connection: AsyncConnection, user_id: UUID) -> None:
    """Make all codes worthless."""
    await connection.execute(delete(tables.RecoveryCode).where(tables.RecoveryCode.user_id == user_id))


def _code() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def _plain(code: str) -> str:
    return code.strip().lower().replace("-", "").replace(" ", "")
