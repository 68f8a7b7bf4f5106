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
from hourpost.credentials.changes import NewCredential, revoke_credential, set_filing
from hourpost.credentials.queries import PREFIXES, Credential, Kind, Scope, get_credential, list_credentials
from hourpost.domains.queries import get_named_domain
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.rules.ids import from_text
from hourpost.rules.moments import MomentError, parse_moment

DomainName = Annotated[str | None, typer.Option("--domain", help="For one domain and what it has: its name or id.")]
SentWanted = Annotated[bool, typer.Option("--sent/--no-sent", help="Whether it goes there.")]
Expiry = Annotated[str | None, typer.Option("--expires", help='When it ends: "in 90 days" or 2027-01-31T00:00:00Z.')]


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
        try:
            expires_at = None if self.expires is None else parse_moment(self.expires, now=now)
        except MomentError as error:
            raise ValidationFailed([Fault("/expires", str(error))]) from error
        return NewCredential(self.name, self.scope, self.test, None if domain is None else domain.id, expires_at)


async def list_issued(desk: Desk, account: str, kind: Kind) -> list[Credential]:
    """All credentials of one kind that an account has. Raises: NotFound."""
    async with desk.database.reading() as connection:
        found = await get_named_account(connection, account)
        return await read_all(
            lambda cursor: list_credentials(connection, found.id, kind, cursor), lambda credential: credential.id
        )


async def file_sent(desk: Desk, account: str, kind: Kind, text: str, *, wanted: bool) -> Credential:
    """Whether what the credential with this public id sends goes into Sent folders. Raises: NotFound."""
    credential_id = _parse_id(kind, text)
    async with desk.database.transaction() as connection:
        found = await get_named_account(connection, account)
        changed = await set_filing(connection, found.id, kind, credential_id, files_sent=wanted)
        act = "api_key_changed" if kind is Kind.API_KEY else "smtp_changed"
        await desk.note(connection, found.id, act, name=changed.name)
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
