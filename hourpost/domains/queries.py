"""Reading domains, and the keys that sign their mail."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.domains.names import ed25519_selector, key_row
from hourpost.errors import NotFound
from hourpost.gateways.encryption import Cipher
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.dkim import Algorithm
from hourpost.rules.ids import from_text, to_text
from hourpost.rules.reach import ALL, Reach

PREFIX = "dom"
CHECK_EVERY = timedelta(days=1)
CHECK_MISSING_EVERY = timedelta(hours=1)
CHECK_NEW_EVERY = timedelta(minutes=10)


class Status(StrEnum):
    """How far the proof of ownership is."""

    NOT_STARTED = "not_started"
    PENDING = "pending"
    VERIFIED = "verified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of an account, without its private keys."""

    id: UUID
    account_id: UUID
    name: str
    status: Status
    ownership_token: str
    dkim_selector: str
    dkim_rsa_public: str
    dkim_ed25519_public: str
    dkim_seen_at: datetime | None  # the RSA record
    dkim_ed25519_seen_at: datetime | None
    proof_missing_since: datetime | None
    mail_records_seen: list[str] | None  # the names that lead mail and its programs to us
    verified_at: datetime | None
    last_checked_at: datetime | None
    created_at: datetime
    signs_ed25519: bool  # the domain's own choice, else its account's

    @property
    def public_id(self) -> str:
        """``dom_…``."""
        return to_text(PREFIX, self.id)

    @property
    def signs(self) -> bool:
        """Whether its mail is signed by any key."""
        return self.dkim_seen_at is not None or (self.signs_ed25519 and self.dkim_ed25519_seen_at is not None)


@dataclass(frozen=True, slots=True)
class DkimKey:
    """What ``rules.dkim.load_signing_key`` takes."""

    selector: str
    domain: str
    algorithm: Algorithm
    private_pem: bytes = field(repr=False)


_SIGNS_ED25519 = func.coalesce(tables.Domain.signs_ed25519, tables.Account.signs_ed25519).label("signs_ed25519")
_COLUMNS = [
    *(getattr(tables.Domain, one.name) for one in fields(Domain) if one.name != "signs_ed25519"),
    _SIGNS_ED25519,
]
_PRIVATE = (tables.Domain.dkim_rsa_private, tables.Domain.dkim_ed25519_private)


async def get_domain(connection: AsyncConnection, account_id: UUID, domain_id: UUID) -> Domain:
    """The domain of this account. Raises: NotFound."""
    row = (await connection.execute(_mine(account_id).where(tables.Domain.id == domain_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such domain.")
    return _domain(row)


async def get_named_domain(connection: AsyncConnection, account_id: UUID, text: str) -> Domain:
    """The domain of this account by its id or its name. Raises: NotFound."""
    domain_id = from_text(PREFIX, text)
    key = tables.Domain.id == domain_id if domain_id is not None else tables.Domain.name == text.lower()
    row = (await connection.execute(_mine(account_id).where(key))).one_or_none()
    if row is None:
        raise NotFound(f"The account has no domain {text!r}.")
    return _domain(row)


async def list_domains(
    connection: AsyncConnection, account_id: UUID, cursor: Cursor, reach: Reach = ALL
) -> Page[Domain]:
    """One page of an account's domains, of those within ``reach``."""
    statement = _mine(account_id)
    if reach.domain_id is not None:
        statement = statement.where(tables.Domain.id == reach.domain_id)
    return (await read_page(connection, statement, tables.Domain.id, cursor)).map(_domain)


async def load_dkim_keys(connection: AsyncConnection, cipher: Cipher, domain_id: UUID) -> tuple[DkimKey, ...]:
    """The keys that sign mail of this domain: RSA, then Ed25519 where that is asked for.

    A key whose record is not seen does not sign; none does for a domain that is gone. Raises: CannotDecrypt.
    """
    statement = select(*_COLUMNS, *_PRIVATE).join_from(tables.Domain, tables.Account)
    row = (await connection.execute(statement.where(tables.Domain.id == domain_id))).one_or_none()
    if row is None:
        return ()
    keys = []
    if row.dkim_seen_at is not None:
        rsa = cipher.open(row.dkim_rsa_private, key_row(domain_id, "rsa"))
        keys.append(DkimKey(row.dkim_selector, row.name, "rsa-sha256", rsa))
    if row.signs_ed25519 and row.dkim_ed25519_seen_at is not None:
        second = cipher.open(row.dkim_ed25519_private, key_row(domain_id, "ed25519"))
        keys.append(DkimKey(ed25519_selector(row.dkim_selector), row.name, "ed25519-sha256", second))
    return tuple(keys)


async def list_due_for_check(
    connection: AsyncConnection, now: datetime, most: int, but: Collection[UUID]
) -> list[Domain]:
    """Domains that are to be looked up again, the longest waiting first, without those of ``but``.

    Once a day what is in order, once an hour where a record is missing, and what is new every ten minutes until it is
    proved or given up.
    """
    checked_at = func.coalesce(tables.Domain.last_checked_at, tables.Domain.created_at)
    in_order = and_(
        tables.Domain.proof_missing_since.is_(None),
        tables.Domain.dkim_seen_at.is_not(None),
        or_(not_(_SIGNS_ED25519), tables.Domain.dkim_ed25519_seen_at.is_not(None)),
    )
    verified = tables.Domain.status == Status.VERIFIED
    due = or_(
        and_(verified, checked_at < now - CHECK_EVERY),
        and_(verified, not_(in_order), checked_at < now - CHECK_MISSING_EVERY),
        and_(tables.Domain.status.in_((Status.NOT_STARTED, Status.PENDING)), checked_at < now - CHECK_NEW_EVERY),
    )
    statement = select(*_COLUMNS).join_from(tables.Domain, tables.Account)
    statement = statement.where(due, tables.Domain.id.not_in(but)).order_by(checked_at).limit(most)
    return [_domain(row) for row in await connection.execute(statement)]


def _mine(account_id: UUID) -> Select[Any]:
    statement = select(*_COLUMNS).join_from(tables.Domain, tables.Account)
    return statement.where(tables.Domain.account_id == account_id)


def _domain(row: Any) -> Domain:
    values = dict(row._mapping)
    return Domain(**values | {"status": Status(values["status"])})
