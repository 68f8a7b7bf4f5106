"""Adding, proving and deleting domains. The caller owns the transaction; its commit tells all processes."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.notices import announce_change, announce_taken
from hourpost.domains.leaving import wake_mail
from hourpost.domains.names import key_row
from hourpost.domains.queries import Domain, Status, get_domain
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.gateways.encryption import Cipher
from hourpost.rules.addresses import AddressError, normalise_domain
from hourpost.rules.dkim import generate_keys
from hourpost.rules.ids import new_id

PENDING_FOR = timedelta(hours=72)
MISSING_FOR = timedelta(days=3)
"""How long a verified domain stays so without its proof: long enough to mend a zone file, over a weekend too."""

# Each pair takes a core for 0.1 s and more: two at once leave the rest of the machine to the mail.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="dkim-keys")


@dataclass(frozen=True, slots=True)
class NewDomain:
    """A domain to be, with its keys made and sealed, so that no transaction waits for that."""

    id: UUID
    name: str
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Findings:
    """What DNS said about a domain at one moment."""

    owned: bool
    signs: bool  # the RSA record is there
    signs_ed25519: bool | None = None  # None: as ``signs``
    mail_records: tuple[str, ...] | None = None  # the names that lead mail to us; None where nobody looked

    @property
    def seen(self) -> tuple[bool, bool]:
        """Whether the RSA and the Ed25519 record are there."""
        return self.signs, self.signs if self.signs_ed25519 is None else self.signs_ed25519


def read_name(name: str) -> str:
    """The name in the form in which it is compared. Raises: ValidationFailed."""
    try:
        return normalise_domain(name.strip().removesuffix("."))
    except AddressError as error:
        raise ValidationFailed([Fault("/name", str(error))]) from error


async def prepare_domain(name: str, cipher: Cipher, *, signs_ed25519: bool | None = None) -> NewDomain:
    """Check the name, and make its token and keys in another thread. Raises: ValidationFailed.

    ``signs_ed25519``: with the second key too; None: as the account has it.
    """
    normalised = read_name(name)
    domain_id = new_id()
    rsa, ed25519 = await asyncio.get_running_loop().run_in_executor(_THREADS, generate_keys)
    values = {
        "ownership_token": secrets.token_hex(16),
        "dkim_selector": f"hp{secrets.token_hex(4)}",  # two accounts may prepare the same domain
        "dkim_rsa_private": cipher.seal(rsa.private_pem, key_row(domain_id, "rsa")),
        "dkim_rsa_public": rsa.record,
        "dkim_ed25519_private": cipher.seal(ed25519.private_pem, key_row(domain_id, "ed25519")),
        "dkim_ed25519_public": ed25519.record,
        "signs_ed25519": signs_ed25519,
    }
    return NewDomain(domain_id, normalised, values)


async def add_domain(connection: AsyncConnection, account_id: UUID, new: NewDomain, now: datetime) -> Domain:
    """Store a domain that is not proved yet. Raises: Conflict when the account has it already."""
    row = {"id": new.id, "account_id": account_id, "name": new.name, "created_at": now, **new.values}
    statement = insert(tables.Domain).values(row).on_conflict_do_nothing(index_elements=["account_id", "name"])
    if (await connection.execute(statement.returning(tables.Domain.id))).one_or_none() is None:
        raise Conflict("already_exists", f"The account has the domain {new.name} already.")
    return await get_domain(connection, account_id, new.id)


async def record_findings(
    connection: AsyncConnection, account_id: UUID, domain_id: UUID, findings: Findings, now: datetime
) -> Domain:
    """Store what DNS said. Raises: NotFound; Conflict when the domain is another account's already."""
    domain = await get_domain(connection, account_id, domain_id)
    rsa, ed25519 = findings.seen
    status = _status(domain, findings, now)
    values: dict[str, Any] = {
        "status": status,
        "proof_missing_since": _missing_since(domain, findings, now),
        "last_checked_at": now,
        "verified_at": (domain.verified_at or now) if findings.owned else domain.verified_at,
        "dkim_seen_at": (domain.dkim_seen_at or now) if rsa else None,
        "dkim_ed25519_seen_at": (domain.dkim_ed25519_seen_at or now) if ed25519 else None,
    }
    if findings.mail_records is not None:
        values["mail_records_seen"] = list(findings.mail_records)
    mine = (tables.Domain.account_id == account_id, tables.Domain.id == domain_id)
    try:
        async with connection.begin_nested():
            await connection.execute(update(tables.Domain).where(*mine).values(values))
    except IntegrityError as error:
        if "domains_name_verified_key" not in str(error.orig):
            raise
        message = f"{domain.name} is verified for another account; it must be deleted there first."
        raise Conflict("domain_taken", message) from error
    if domain.status is Status.VERIFIED and status is not Status.VERIFIED:
        await wake_mail(connection, account_id, domain.name, now)
    if status is Status.VERIFIED and domain.status is not Status.VERIFIED:
        await announce_taken(connection, account_id, domain.name)
    await announce_change(connection, account_id)
    return await get_domain(connection, account_id, domain_id)


async def set_signatures(
    connection: AsyncConnection, account_id: UUID, domain_id: UUID, *, signs_ed25519: bool
) -> Domain:
    """Choose whether mail of the domain is signed by Ed25519 too, once that record is seen. Raises: NotFound."""
    values: dict[str, Any] = {"signs_ed25519": signs_ed25519}
    if not signs_ed25519:  # nobody looks for the record any more: when it is asked for again, it may be gone
        values["dkim_ed25519_seen_at"] = None
    mine = (tables.Domain.account_id == account_id, tables.Domain.id == domain_id)
    await connection.execute(update(tables.Domain).where(*mine).values(values))
    await announce_change(connection, account_id)
    return await get_domain(connection, account_id, domain_id)


async def delete_domain(connection: AsyncConnection, account_id: UUID, domain_id: UUID, now: datetime) -> None:
    """Delete a domain with its keys and the credentials that were restricted to it. Raises: NotFound.

    Mail from it that waits ends as ``failed``: each delivery when it is next looked at, deferred ones at once.
    """
    mine = delete(tables.Domain).where(tables.Domain.account_id == account_id, tables.Domain.id == domain_id)
    name = (await connection.execute(mine.returning(tables.Domain.name))).scalar_one_or_none()
    if name is None:
        raise NotFound("There is no such domain.")
    await wake_mail(connection, account_id, name, now)
    await announce_change(connection, account_id)


def _status(domain: Domain, findings: Findings, now: datetime) -> Status:
    if findings.owned:
        return Status.VERIFIED
    missing_since = _missing_since(domain, findings, now)
    if domain.status is Status.VERIFIED and missing_since is not None and now - missing_since < MISSING_FOR:
        return Status.VERIFIED
    if domain.verified_at is not None or now - domain.created_at > PENDING_FOR:
        return Status.FAILED
    return Status.PENDING


def _missing_since(domain: Domain, findings: Findings, now: datetime) -> datetime | None:
    if findings.owned or domain.verified_at is None:
        return None
    return domain.proof_missing_since or now
