"""Sessions: who a browser is logged in as, until when, and how that ends."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import NotFound
from hourpost.rules.ids import new_id, to_text
from hourpost.users.tokens import hashed, mint

PREFIX = "ses"
IDLE = timedelta(days=7)
LONGEST = timedelta(days=30)
SECOND_FACTOR_TIME = timedelta(minutes=10)
PROVEN_TIME = timedelta(minutes=30)
"""How long after a password, passkey or code was shown nothing asks for it again."""
_SEEN_EVERY = timedelta(minutes=1)
_AGENT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from."""

    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in; ``awaits_second`` means that it is so only half."""

    id: UUID
    user_id: UUID
    account_id: UUID | None
    viewed_account_id: UUID | None
    awaits_second: bool
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    proven_at: datetime

    @property
    def public_id(self) -> str:
        """``ses_…``."""
        return to_text(PREFIX, self.id)


_COLUMNS = [getattr(tables.Session, field.name) for field in fields(Session)]


async def start_session(
    connection: AsyncConnection,
    user_id: UUID,
    browser: Browser,
    now: datetime,
    *,
    awaits_second: bool = False,
    account_id: UUID | None = None,
) -> str:
    """Log a browser in under a new token, which is given; sessions that ran out are cleared away.

    ``account_id`` is what it goes on to look at; None: the first of those that the user is a member of.
    """
    await connection.execute(delete(tables.Session).where(tables.Session.user_id == user_id, _has_ended(now)))
    token = mint()
    values = {
        "id": new_id(),
        "user_id": user_id,
        "token_sha256": hashed(token),
        "account_id": account_id,
        "awaits_second": awaits_second,
        "address": browser.address,
        "agent": browser.agent[:_AGENT_CHARACTERS],
        "created_at": now,
        "seen_at": now,
        "proven_at": now,
    }
    await connection.execute(insert(tables.Session).values(values))
    return token


async def find_session(connection: AsyncConnection, token: str, now: datetime) -> Session | None:
    """The session of a token unless it has ended."""
    statement = select(*_COLUMNS).where(tables.Session.token_sha256 == hashed(token), ~_has_ended(now))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Session(**row._mapping)


def is_stale(session: Session, now: datetime) -> bool:
    """Whether ``note_seen`` has something to say."""
    return now - session.seen_at > _SEEN_EVERY


async def note_seen(connection: AsyncConnection, session: Session, browser: Browser, now: datetime) -> None:
    """Remember that a session is in use, and from where."""
    values = {"seen_at": now, "address": browser.address}
    await connection.execute(update(tables.Session).where(tables.Session.id == session.id).values(values))


async def list_sessions(connection: AsyncConnection, user_id: UUID, now: datetime) -> list[Session]:
    """The sessions of a user, the one seen last first."""
    statement = select(*_COLUMNS).where(
        tables.Session.user_id == user_id, ~_has_ended(now), ~tables.Session.awaits_second
    )
    rows = await connection.execute(statement.order_by(tables.Session.seen_at.desc()))
    return [Session(**row._mapping) for row in rows]


async def choose_account(connection: AsyncConnection, session_id: UUID, account_id: UUID) -> None:
    """Let a session look at an account; the caller has checked that its user is a member."""
    values = {"account_id": account_id, "viewed_account_id": None}
    await connection.execute(update(tables.Session).where(tables.Session.id == session_id).values(values))


async def view_account(connection: AsyncConnection, session_id: UUID, account_id: UUID | None) -> None:
    """Let a session of staff look at somebody's account without changing it, or, with None, end that."""
    values = {"viewed_account_id": account_id}
    await connection.execute(update(tables.Session).where(tables.Session.id == session_id).values(values))


async def note_proven(connection: AsyncConnection, session_id: UUID, now: datetime) -> None:
    """Remember that the person at a session has just shown who they are."""
    await connection.execute(update(tables.Session).where(tables.Session.id == session_id).values(proven_at=now))


async def end_session(connection: AsyncConnection, user_id: UUID, session_id: UUID) -> None:
    """Log one of a user's browsers out. Raises: NotFound."""
    statement = delete(tables.Session).where(tables.Session.user_id == user_id, tables.Session.id == session_id)
    if (await connection.execute(statement.returning(tables.Session.id))).one_or_none() is None:
        raise NotFound("There is no such session.")


async def end_sessions(connection: AsyncConnection, user_id: UUID, but: UUID | None = None) -> int:
    """Log a user's browsers out, all or all ``but`` one; says how many."""
    statement = delete(tables.Session).where(tables.Session.user_id == user_id)
    if but is not None:
        statement = statement.where(tables.Session.id != but)
    return len((await connection.execute(statement.returning(tables.Session.id))).all())


def _has_ended(now: datetime) -> Any:
    table = tables.Session
    return or_(
        table.seen_at < now - IDLE,
        table.created_at < now - LONGEST,
        table.awaits_second & (table.created_at < now - SECOND_FACTOR_TIME),
    )
