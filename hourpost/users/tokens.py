"""Tokens that come back once: mailed to somebody, or given to a browser; stored as hashes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables


class Kind(StrEnum):
    """What a token is for."""

    SIGN_UP = "sign_up"
    PASSWORD = "password"  # noqa: S105 - a kind, not a secret
    ADDRESS = "address"
    PASSKEY = "passkey"
    TOTP = "totp"


LIFETIMES: dict[Kind, timedelta] = {
    Kind.SIGN_UP: timedelta(hours=24),
    Kind.PASSWORD: timedelta(hours=1),
    Kind.ADDRESS: timedelta(hours=24),
    Kind.PASSKEY: timedelta(minutes=5),
    Kind.TOTP: timedelta(minutes=15),
}


@dataclass(frozen=True, slots=True)
class OneTime:
    """What a token stands for."""

    kind: Kind
    user_id: UUID | None
    detail: dict[str, Any]


def mint() -> str:
    """A token that nobody guesses: 256 bits."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


async def keep_token(connection: AsyncConnection, token: str, what: OneTime, now: datetime) -> None:
    """Store a token that was minted here, for as long as its kind lives; those that ran out are cleared away."""
    await connection.execute(delete(tables.OneTimeToken).where(tables.OneTimeToken.expires_at < now))
    values = {
        "token_sha256": hashed(token),
        "kind": what.kind,
        "user_id": what.user_id,
        "detail": what.detail,
        "expires_at": now + LIFETIMES[what.kind],
    }
    await connection.execute(insert(tables.OneTimeToken).values(values))


async def find_token(connection: AsyncConnection, token: str, kind: Kind, now: datetime) -> OneTime | None:
    """What a token stands for, without using it up; None once it was used or ran out."""
    row = (await connection.execute(select(tables.OneTimeToken).where(*_is(token, kind, now)))).one_or_none()
    return None if row is None else OneTime(Kind(row.kind), row.user_id, row.detail)


async def use_token(connection: AsyncConnection, token: str, kind: Kind, now: datetime) -> OneTime | None:
    """What a token stands for; it is used up when the caller's transaction commits."""
    statement = delete(tables.OneTimeToken).where(*_is(token, kind, now))
    returning = statement.returning(tables.OneTimeToken.user_id, tables.OneTimeToken.detail)
    row = (await connection.execute(returning)).one_or_none()
    return None if row is None else OneTime(kind, row.user_id, row.detail)


async def drop_tokens(connection: AsyncConnection, user_id: UUID, kind: Kind) -> None:
    """Make every token of this kind that was given to a user worthless."""
    statement = delete(tables.OneTimeToken).where(tables.OneTimeToken.user_id == user_id)
    await connection.execute(statement.where(tables.OneTimeToken.kind == kind))


def _is(token: str, kind: Kind, now: datetime) -> tuple[Any, ...]:
    table = tables.OneTimeToken
    return table.token_sha256 == hashed(token), table.kind == kind, table.expires_at > now
