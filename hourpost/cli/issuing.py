"""What the commands for API keys and for SMTP credentials share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk
from hourpost.cli.output import read_all
from hourpost.credentials.changes import (
    NewCredential,
    rename_credential,
    revoke_credential,
    set_expiry,
    set_filing,
)
from hourpost.credentials.queries import PREFIXES, Credential, Kind, Scope, get_credential, list_credentials
from hourpost.domains.queries import get_named_domain
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.rules.ids import from_text
from hourpost.rules.moments import MomentError, parse_moment

DomainName = Annotated[str | None, typer.Option("--domain", help="For one domain and what it has: its name or id.")]
SentWanted = Annotated[bool, typer.Option("--sent/--no-sent", help="Whether it goes there.")]
Expiry = Annotated[str | None, typer.Option("--expires", help='When it ends: "in 90 days" or 2027-01-31T00:00:00Z.')]


Never = Annotated[bool, typer.Option("--never", help="It is to have no end.")]
NewName = Annotated[str | None, typer.Option("--name", help="What it is for.")]
_CHANGED = {Kind.API_KEY: "api_key_changed", Kind.SMTP: "smtp_changed"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A credential as the command line describes it."""

    name: str
    scope: Scope
    test: bool
    domain: str | None
    expires: str | None

    async def check(self, connection: AsyncConnection, account_id: UUID, now: datetime) -> NewCredential:
        """The credential to make. Raises: NotFound for the domain, ValidationFailed for the moment."""
        domain = None if self.domain is None else await get_named_domain(connection, account_id, self.domain)
        expires_at = None if self.expires is None else _read_end(self.expires, now)
        return NewCredential(self.name, self.scope, self.test, None if domain is None else domain.id, expires_at)


@dataclass(frozen=True, slots=True)
class Change:
    """What the command line wants of a credential that there is; ``never``: it is to have no end."""

    name: str | None
    expires: str | None
    never: bool

    def check(self, now: datetime) -> datetime | None:
        """The end that is asked for. Raises: ValidationFailed, also where nothing is asked for."""
        if self.never and self.expires is not None:
            raise ValidationFailed([Fault("/expires", "give --expires or --never, not both")])
        if self.name is None and self.expires is None and not self.never:
            raise ValidationFailed([Fault("", "say what to change: --name, --expires or --never")])
        return None if self.expires is None else _read_end(self.expires, now)


def _read_end(text: str, now: datetime) -> datetime:
    try:
        return parse_moment(text, now=now)
    except MomentError as error:
        raise ValidationFailed([Fault("/expires", str(error))]) from error


async def list_issued(desk: Desk, account: str, kind: Kind) -> list[Credential]:
    """All credentials of one kind that an account has. Raises: NotFound."""
    async with desk.database.reading() as connection:
        found = await get_named_account(connection, account)
        return await read_all(
            lambda cursor: list_credentials(connection, found.id, kind, cursor), lambda credential: credential.id
        )


async def change_issued(desk: Desk, account: str, kind: Kind, text: str, wanted: Change) -> Credential:
    """Give the credential with this public id another name or end. Raises: NotFound, ValidationFailed."""
    credential_id, now = _parse_id(kind, text), desk.clock.now()
    expires_at = wanted.check(now)
    async with desk.database.transaction() as connection:
        found = await get_named_account(connection, account)
        changed = await get_credential(connection, found.id, kind, credential_id)
        if wanted.never or expires_at is not None:
            changed = await set_expiry(connection, found.id, kind, credential_id, expires_at, now)
        if wanted.name is not None:
            changed = await rename_credential(connection, found.id, kind, credential_id, wanted.name)
        await desk.note(connection, found.id, _CHANGED[kind], name=changed.name)
        return changed


async def file_sent(desk: Desk, account: str, kind: Kind, text: str, *, wanted: bool) -> Credential:
    """Whether what the credential with this public id sends goes into Sent folders. Raises: NotFound."""
    credential_id = _parse_id(kind, text)
    async with desk.database.transaction() as connection:
        found = await get_named_account(connection, account)
        changed = await set_filing(connection, found.id, kind, credential_id, files_sent=wanted)
        await desk.note(connection, found.id, _CHANGED[kind], name=changed.name)
        return changed


async def revoke_issued(desk: Desk, account: str, kind: Kind, text: str) -> None:
    """Revoke the credential with this public id. Raises: NotFound."""
    credential_id = _parse_id(kind, text)
    async with desk.database.transaction() as connection:
        found = await get_named_account(connection, account)
        issued = await get_credential(connection, found.id, kind, credential_id)
        await revoke_credential(connection, found.id, kind, credential_id, desk.clock.now())
        act = "api_key_revoked" if kind is Kind.API_KEY else "smtp_revoked"
        await desk.note(connection, found.id, act, name=issued.name)


def _parse_id(kind: Kind, text: str) -> UUID:
    credential_id = from_text(PREFIXES[kind], text)
    if credential_id is None:
        raise NotFound(f"{text!r} is not the id of a credential ({PREFIXES[kind]}_…).")
    return credential_id
