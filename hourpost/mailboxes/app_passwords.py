"""App passwords: one for each device, random, shown once. The caller owns the transaction; its commit tells all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.mailboxes.notices import announce_access
from hourpost.mailboxes.scram_keys import make_keys
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.tokens import ENTROPY_BYTES, MAILBOX, digest, mint
from hourpost.rules.visible import is_visible

PREFIX = "apw"
MAX_NAME = 100
MOST_PASSWORDS = 100
_HINT_LENGTH = 12


class Service(StrEnum):
    """What one logs in to. The web takes a mailbox's own password only."""

    IMAP = "imap"
    POP3 = "pop3"
    SMTP = "smtp"
    WEB = "web"


SCOPES = (Service.IMAP, Service.POP3, Service.SMTP)


@dataclass(frozen=True, slots=True)
class AppPassword:
    """An app password without its secret; ``hint`` is what a person may recognise it by."""

    id: UUID
    mailbox_id: UUID
    name: str
    hint: str
    scopes: tuple[str, ...]
    last_used_at: datetime | None
    created_at: datetime

    @property
    def public_id(self) -> str:
        """``apw_…``."""
        return to_text(PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class IssuedAppPassword:
    """A new app password and its secret, told this once."""

    app_password: AppPassword
    secret: str = field(repr=False)


_TABLE = tables.AppPassword
_COLUMNS = [getattr(_TABLE, one.name) for one in fields(AppPassword)]


async def create_app_password(
    connection: AsyncConnection, place: tuple[UUID, UUID], name: str, scopes: Sequence[str], now: datetime
) -> IssuedAppPassword:
    """Make an app password of the mailbox (account, mailbox). Raises: NotFound, ValidationFailed."""
    mailbox_id = place[1]
    salt = await _get_salt(connection, place)
    count = select(func.count()).select_from(_TABLE).where(*_active(mailbox_id))
    check(name, scopes, (await connection.execute(count)).scalar_one())
    secret = mint(MAILBOX, os.urandom(ENTROPY_BYTES))
    keys = await make_keys(secret, salt)
    row = {
        "id": new_id(),
        "mailbox_id": mailbox_id,
        "name": name.strip(),
        "token_sha256": digest(secret),
        "stored_key": keys.stored_key,
        "server_key": keys.server_key,
        "hint": secret[:_HINT_LENGTH],
        "scopes": [scope for scope in SCOPES if scope in scopes],
        "created_at": now,
    }
    made = (await connection.execute(insert(_TABLE).values(row).returning(*_COLUMNS))).one()
    return IssuedAppPassword(_app_password(made), secret)


async def list_app_passwords(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID) -> list[AppPassword]:
    """The app passwords of a mailbox, oldest first. Raises: NotFound."""
    await _get_salt(connection, (account_id, mailbox_id))
    rows = await connection.execute(_mine(mailbox_id).order_by(_TABLE.id))
    return [_app_password(row) for row in rows]


async def revoke_app_password(
    connection: AsyncConnection, place: tuple[UUID, UUID], app_password_id: UUID, now: datetime
) -> None:
    """Revoke it for good; sessions that came in with it end at once. Raises: NotFound."""
    mailbox_id = place[1]
    await _get_salt(connection, place)
    statement = update(_TABLE).where(*_active(mailbox_id), _TABLE.id == app_password_id).values(revoked_at=now)
    if (await connection.execute(statement.returning(_TABLE.id))).one_or_none() is None:
        raise NotFound("There is no such app password.")
    await announce_access(connection, mailbox_id)


async def _get_salt(connection: AsyncConnection, place: tuple[UUID, UUID]) -> bytes:
    table = tables.Mailbox
    mine = (table.account_id == place[0], table.id == place[1], table.deleted_at.is_(None))
    salt = (await connection.execute(select(table.scram_salt).where(*mine))).scalar_one_or_none()
    if salt is None:
        raise NotFound("There is no such mailbox.")
    return salt


def check(name: str, scopes: Sequence[str], count: int = 0) -> None:
    """``count``: how many the mailbox has already. Raises: ValidationFailed."""
    faults = []
    if not 1 <= len(name.strip()) <= MAX_NAME or not is_visible(name):
        faults.append(Fault("/name", f"the name must have 1 to {MAX_NAME} visible characters"))
    if not scopes or any(scope not in SCOPES for scope in scopes):
        faults.append(Fault("/scopes", f"scopes are some of {', '.join(SCOPES)}"))
    if count >= MOST_PASSWORDS:
        faults.append(Fault("", f"a mailbox has at most {MOST_PASSWORDS} app passwords"))
    if faults:
        raise ValidationFailed(faults)


def _active(mailbox_id: UUID) -> Sequence[Any]:
    return (_TABLE.mailbox_id == mailbox_id, _TABLE.revoked_at.is_(None))


def _mine(mailbox_id: UUID) -> Select[Any]:
    return select(*_COLUMNS).where(*_active(mailbox_id))


def _app_password(row: Any) -> AppPassword:
    return AppPassword(**dict(row._mapping) | {"scopes": tuple(row.scopes)})
