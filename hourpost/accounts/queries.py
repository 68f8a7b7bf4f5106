"""Reading accounts and their users."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.ids import from_text, to_text
from hourpost.rules.plans import hourly_limit
from hourpost.rules.roles import May, Role, is_allowed

PREFIX = "acc"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. ``own_limit`` is an operator's, in place of the plan's; ``lapsed_at``: its plan ended unpaid.

    ``closed_at``: deleted by its owner, and being erased; it is suspended too then.
    """

    id: UUID
    name: str
    email: str
    plan: str | None
    own_limit: int | None
    unknown_policy: str
    signs_ed25519: bool
    suspended_at: datetime | None
    lapsed_at: datetime | None
    closed_at: datetime | None
    created_at: datetime

    @property
    def public_id(self) -> str:
        """``acc_…``."""
        return to_text(PREFIX, self.id)

    @property
    def limit(self) -> int:
        """Deliveries in any 60 minutes; 0 without a plan."""
        return hourly_limit(self.plan, self.own_limit)


@dataclass(frozen=True, slots=True)
class User:
    """A person who logs in."""

    id: UUID
    email: str
    name: str
    password_hash: str | None
    totp_secret: bytes | None
    totp_step: int | None
    is_staff: bool
    created_at: datetime


def _columns(table: type[tables.Table], kind: type[Any]) -> list[Any]:
    return [getattr(table, field.name) for field in fields(kind)]


_COLUMNS = _columns(tables.Account, Account)
_USER_COLUMNS = _columns(tables.User, User)


async def find_account(connection: AsyncConnection, account_id: UUID) -> Account | None:
    """The account, or None."""
    return await _find(connection, select(*_COLUMNS).where(tables.Account.id == account_id))


async def get_account(connection: AsyncConnection, account_id: UUID) -> Account:
    """The account. Raises: NotFound."""
    account = await find_account(connection, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    return account


async def get_named_account(connection: AsyncConnection, text: str) -> Account:
    """The account that an operator means by an id, a name or an email address, of which case tells only twins apart.

    Raises: NotFound; ValidationFailed when several have that name or address.
    """
    account_id = from_text(PREFIX, text)
    if account_id is not None:
        return await get_account(connection, account_id)
    lower = text.lower()
    named = or_(func.lower(tables.Account.name) == lower, func.lower(tables.Account.email) == lower)
    exact = or_(tables.Account.name == text, func.lower(tables.Account.email) == lower)
    statement = select(*_COLUMNS).where(named).order_by(exact.desc(), tables.Account.id).limit(2)
    found = (await connection.execute(statement)).all()
    rows = [row for row in found if row.name == text or row.email.lower() == lower] or found
    if not rows:
        raise NotFound(f"There is no account {text!r}; `hourpost account list` shows all.")
    if len(rows) > 1:
        raise ValidationFailed([Fault("/account", f"several accounts are called {text!r}; give the id (acc_…)")])
    return _account(rows[0])


async def list_namesakes(connection: AsyncConnection, name: str, email: str, limit: int = 3) -> list[Account]:
    """Some accounts of this name in whatever case, those of ``email`` first, none that was deleted: for operators."""
    mine = (func.lower(tables.Account.email) == email.strip().lower()).desc()
    same = func.lower(tables.Account.name) == name.strip().lower()
    statement = select(*_COLUMNS).where(same, tables.Account.closed_at.is_(None)).order_by(mine, tables.Account.id)
    return [_account(row) for row in await connection.execute(statement.limit(limit))]


async def list_accounts(connection: AsyncConnection, cursor: Cursor) -> Page[Account]:
    """One page of all accounts: for operators only."""
    return (await read_page(connection, select(*_COLUMNS), tables.Account.id, cursor)).map(_account)


async def search_accounts(connection: AsyncConnection, words: str, cursor: Cursor) -> Page[Account]:
    """One page of the accounts whose name or address holds ``words``: for operators only."""
    table = tables.Account
    named = or_(table.name.icontains(words, autoescape=True), table.email.icontains(words, autoescape=True))
    account_id = from_text(PREFIX, words)
    statement = select(*_COLUMNS).where(named if account_id is None else table.id == account_id)
    return (await read_page(connection, statement, table.id, cursor)).map(_account)


async def list_addresses(connection: AsyncConnection, account_id: UUID, thing: May) -> list[str]:
    """Where a letter about ``thing`` goes: to the members who may do it; the account's own address without any."""
    member, user = tables.Membership, tables.User
    roles = [role for role in Role if is_allowed(role, thing)]
    statement = select(user.email).join(member, member.user_id == user.id).order_by(user.email)
    statement = statement.where(member.account_id == account_id, member.role.in_(roles))
    found = list((await connection.execute(statement)).scalars())
    return found or [(await get_account(connection, account_id)).email]


async def find_user_by_email(connection: AsyncConnection, email: str) -> User | None:
    """The user with this address in any case, or None."""
    statement = select(*_USER_COLUMNS).where(tables.User.email == email.lower())
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else User(**row._mapping)


async def get_user(connection: AsyncConnection, user_id: UUID) -> User:
    """The user. Raises: NotFound."""
    row = (await connection.execute(select(*_USER_COLUMNS).where(tables.User.id == user_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    return User(**row._mapping)


async def list_accounts_of(connection: AsyncConnection, user_id: UUID) -> list[tuple[Account, str]]:
    """The accounts that a user is a member of, the oldest first, each with the role."""
    statement = (
        select(*_COLUMNS, tables.Membership.role)
        .join(tables.Membership, tables.Membership.account_id == tables.Account.id)
        .where(tables.Membership.user_id == user_id)
        .order_by(tables.Account.id)
    )
    rows = (await connection.execute(statement)).all()
    return [(Account(*row[:-1]), row[-1]) for row in rows]


async def _find(connection: AsyncConnection, statement: Select[Any]) -> Account | None:
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _account(row)


def _account(row: Row[Any]) -> Account:
    return Account(**row._mapping)
