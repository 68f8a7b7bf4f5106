"""Reading credentials; revoked ones are gone for everybody but the events that name them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import NotFound
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.ids import to_text
from hourpost.rules.reach import ALL, Reach


class Kind(StrEnum):
    """What a credential is for."""

    API_KEY = "api_key"
    SMTP = "smtp"


class Scope(StrEnum):
    """What a credential may do."""

    FULL = "full"
    SENDING = "sending"
    READING = "reading"


PREFIXES = {Kind.API_KEY: "key", Kind.SMTP: "smtp"}


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key or an SMTP credential without its secret; ``hint`` is what a person may recognise it by."""

    id: UUID
    account_id: UUID
    kind: Kind
    name: str
    hint: str
    username: str | None
    scope: Scope
    test: bool
    files_sent: bool
    domain_id: UUID | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime

    @property
    def public_id(self) -> str:
        """``key_…`` or ``smtp_…``."""
        return to_text(PREFIXES[self.kind], self.id)


_COLUMNS = [getattr(tables.Credential, field.name) for field in fields(Credential)]


async def get_credential(
    connection: AsyncConnection, account_id: UUID, kind: Kind, credential_id: UUID, reach: Reach = ALL
) -> Credential:
    """The credential of this account, if it is within ``reach``. Raises: NotFound."""
    statement = select(*_COLUMNS).where(*active(account_id, kind, reach)).where(tables.Credential.id == credential_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no such credential.")
    return _credential(row)


async def list_credentials(
    connection: AsyncConnection, account_id: UUID, kind: Kind, cursor: Cursor, reach: Reach = ALL
) -> Page[Credential]:
    """One page of an account's credentials of one kind, of those within ``reach``."""
    statement = select(*_COLUMNS).where(*active(account_id, kind, reach))
    return (await read_page(connection, statement, tables.Credential.id, cursor)).map(_credential)


def active(account_id: UUID, kind: Kind, reach: Reach) -> list[ColumnElement[bool]]:
    """That a credential is one of these: of the account and kind, not revoked, test keys or one domain's alone."""
    table = tables.Credential
    conditions = [table.account_id == account_id, table.kind == kind, table.revoked_at.is_(None)]
    if reach.tests_only:
        conditions.append(table.test.is_(True))
    if reach.domain_id is not None:
        conditions.append(table.domain_id == reach.domain_id)
    return conditions


def _credential(row: Any) -> Credential:
    values = dict(row._mapping)
    return Credential(**values | {"kind": Kind(values["kind"]), "scope": Scope(values["scope"])})
