"""Making, changing and revoking credentials. The caller owns the transaction; its commit tells all processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.notices import announce_change
from hourpost.credentials.queries import PREFIXES, Credential, Kind, Scope, active, get_credential
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.reach import ALL, Reach
from hourpost.rules.tokens import ENTROPY_BYTES, LIVE, SMTP, TEST, digest, mint
from hourpost.rules.visible import is_visible

MAX_NAME = 100
HINT_LENGTH = 12  # the prefix and four characters: 24 of at least 170 random bits


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential to be. ``domain_id`` restricts it to one domain of the account.

    ``files_sent``: what it sends goes into the Sent folder of the mailbox that it is from, if that wants it.
    """

    name: str
    scope: str = Scope.FULL
    test: bool = False
    domain_id: UUID | None = None
    expires_at: datetime | None = None
    files_sent: bool = True


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential and its secret, which is told this once: the token of a key, the password of an SMTP login."""

    credential: Credential
    secret: str


async def create_api_key(connection: AsyncConnection, account_id: UUID, new: NewCredential, now: datetime) -> Issued:
    """Store a new API key. Raises: ValidationFailed."""
    return await _create(connection, account_id, Kind.API_KEY, new, now)


async def create_smtp_credential(
    connection: AsyncConnection, account_id: UUID, new: NewCredential, now: datetime
) -> Issued:
    """Store a new user name and password for the SMTP doors. Raises: ValidationFailed."""
    return await _create(connection, account_id, Kind.SMTP, new, now)


async def rename_credential(
    connection: AsyncConnection, account_id: UUID, kind: Kind, credential_id: UUID, name: str
) -> Credential:
    """Give a credential another name. Raises: NotFound, ValidationFailed."""
    faults = name_faults(name)
    if faults:
        raise ValidationFailed(faults)
    await _update(connection, account_id, kind, credential_id, {"name": name.strip()})
    return await get_credential(connection, account_id, kind, credential_id)


async def set_filing(
    connection: AsyncConnection, account_id: UUID, kind: Kind, credential_id: UUID, *, files_sent: bool
) -> Credential:
    """Whether what a credential sends goes into Sent folders. Raises: NotFound."""
    await _update(connection, account_id, kind, credential_id, {"files_sent": files_sent})
    await announce_change(connection, account_id)
    return await get_credential(connection, account_id, kind, credential_id)


async def set_expiry(
    connection: AsyncConnection,
    account_id: UUID,
    kind: Kind,
    credential_id: UUID,
    expires_at: datetime | None,
    now: datetime,
) -> Credential:
    """Give a credential another end, or none; one that has ended goes on. Every process knows after the commit.

    Raises: NotFound, also for one that is revoked: that is for good; ValidationFailed.
    """
    faults = expiry_faults(expires_at, now)
    if faults:
        raise ValidationFailed(faults)
    await _update(connection, account_id, kind, credential_id, {"expires_at": expires_at})
    await announce_change(connection, account_id)
    return await get_credential(connection, account_id, kind, credential_id)


async def revoke_credential(
    connection: AsyncConnection, account_id: UUID, kind: Kind, credential_id: UUID, now: datetime, reach: Reach = ALL
) -> None:
    """End a credential for good, in every process as soon as the transaction is committed. Raises: NotFound."""
    await get_credential(connection, account_id, kind, credential_id, reach)
    await _update(connection, account_id, kind, credential_id, {"revoked_at": now})
    await announce_change(connection, account_id)


async def _create(
    connection: AsyncConnection, account_id: UUID, kind: Kind, new: NewCredential, now: datetime
) -> Issued:
    faults = await list_faults(connection, account_id, kind, new, now)
    if faults:
        raise ValidationFailed(faults)
    credential_id = new_id()
    prefix = SMTP if kind is Kind.SMTP else TEST if new.test else LIVE
    secret = mint(prefix, os.urandom(ENTROPY_BYTES))
    row = {
        "id": credential_id,
        "account_id": account_id,
        "kind": kind,
        "name": new.name.strip(),
        "token_sha256": digest(secret),
        "hint": secret[:HINT_LENGTH],
        "username": to_text(PREFIXES[kind], credential_id) if kind is Kind.SMTP else None,
        "scope": new.scope,
        "test": new.test,
        "files_sent": new.files_sent,
        "domain_id": new.domain_id,
        "expires_at": new.expires_at,
        "created_at": now,
    }
    await connection.execute(insert(tables.Credential).values(row))
    return Issued(await get_credential(connection, account_id, kind, credential_id), secret)


async def _update(
    connection: AsyncConnection, account_id: UUID, kind: Kind, credential_id: UUID, values: dict[str, Any]
) -> None:
    table = tables.Credential
    mine = active(account_id, kind, ALL)
    changed = await connection.execute(
        update(table).where(*mine, table.id == credential_id).values(values).returning(table.id)
    )
    if changed.one_or_none() is None:
        raise NotFound("There is no such credential.")


async def list_faults(
    connection: AsyncConnection, account_id: UUID, kind: Kind, new: NewCredential, now: datetime
) -> list[Fault]:
    """Everything for which it would not be made."""
    faults = name_faults(new.name)
    scopes = [scope.value for scope in Scope if not (kind is Kind.SMTP and scope is Scope.READING)]
    if new.scope not in scopes:
        faults.append(Fault("/scope", f"there is no scope {new.scope!r}; scopes are {', '.join(scopes)}"))
    faults += expiry_faults(new.expires_at, now)
    if new.domain_id is not None and not await _has_domain(connection, account_id, new.domain_id):
        faults.append(Fault("/domain_id", "the account has no such domain"))
    return faults


async def _has_domain(connection: AsyncConnection, account_id: UUID, domain_id: UUID) -> bool:
    """Waits for who is deleting it, so that the answer holds until the transaction ends."""
    mine = select(tables.Domain.id).where(tables.Domain.account_id == account_id, tables.Domain.id == domain_id)
    return (await connection.execute(mine.with_for_update(read=True, key_share=True))).one_or_none() is not None


def expiry_faults(expires_at: datetime | None, now: datetime) -> list[Fault]:
    """What is wrong with the moment at which a credential is to end."""
    if expires_at is None or expires_at > now:
        return []
    return [Fault("/expires_at", "the moment of expiry is in the past")]


def name_faults(name: str) -> list[Fault]:
    """What is wrong with the name of a credential."""
    if 1 <= len(name.strip()) <= MAX_NAME and is_visible(name):
        return []
    return [Fault("/name", f"the name must have 1 to {MAX_NAME} visible characters")]
