"""Sessions of browsers in which mailboxes are read. The caller owns the transaction."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import NotFound
from hourpost.mailboxes.login_lookup import MailboxLogin
from hourpost.mailboxes.queries import Mailbox, get_mailbox
from hourpost.rules.tokens import digest

IDLE = timedelta(days=7)
LONGEST = timedelta(days=30)
_SEEN_EVERY = timedelta(minutes=5)

_TABLE = tables.MailSession


async def start_mail_session(connection: AsyncConnection, login: MailboxLogin, now: datetime) -> str:
    """Let a browser in under a new token, which is given; those that ran out are cleared away."""
    await connection.execute(delete(_TABLE).where(_TABLE.mailbox_id == login.mailbox_id, _has_ended(now)))
    token = secrets.token_urlsafe(32)
    values = {
        "token_sha256": digest(token),
        "mailbox_id": login.mailbox_id,
        "access_generation": login.access_generation,
        "created_at": now,
        "seen_at": now,
    }
    await connection.execute(insert(_TABLE).values(values))
    return token


async def find_mailbox_of_session(
    connection: AsyncConnection, token: str, now: datetime
) -> tuple[Mailbox, bool] | None:
    """The mailbox that a token opens, and whether it is time for ``note_mail_session``.

    None once the session has ended, the mailbox's password was changed or the mailbox was closed.
    """
    mailboxes = tables.Mailbox
    statement = (
        select(mailboxes.account_id, mailboxes.id, _TABLE.seen_at)
        .join(mailboxes, mailboxes.id == _TABLE.mailbox_id)
        .where(
            _TABLE.token_sha256 == digest(token),
            mailboxes.access_generation == _TABLE.access_generation,
            mailboxes.deleted_at.is_(None),
            ~_has_ended(now),
        )
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    try:
        return await get_mailbox(connection, row.account_id, row.id), now - row.seen_at > _SEEN_EVERY
    except NotFound:  # gone in between
        return None


async def note_mail_session(connection: AsyncConnection, token: str, now: datetime) -> None:
    """Remember that a session is in use."""
    await connection.execute(update(_TABLE).where(_TABLE.token_sha256 == digest(token)).values(seen_at=now))


async def end_mail_session(connection: AsyncConnection, token: str) -> None:
    """Let a browser out."""
    await connection.execute(delete(_TABLE).where(_TABLE.token_sha256 == digest(token)))


def _has_ended(now: datetime) -> ColumnElement[bool]:
    return or_(_TABLE.seen_at < now - IDLE, _TABLE.created_at < now - LONGEST)
