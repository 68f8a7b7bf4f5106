"""Changing accounts. The caller owns the transaction; what waits in the hour is re-paced by the flow afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.notices import announce_change
from hourpost.accounts.queries import Account, User, find_user_by_email, get_account, get_user
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.rules.ids import new_id
from hourpost.rules.plans import PLANS
from hourpost.rules.visible import is_visible

MAX_NAME = 100
MAX_OWN_LIMIT = 10_000_000
UNKNOWN_POLICIES = {
    "retry": "It leaves once more some minutes later: nothing is lost, and now and then it arrives twice.",
    "park": "Nothing arrives twice: it is shown as unknown, and you may send it again by hand.",
}
"""What an account may choose where a relay may have taken an email and its answer was lost, and what it means."""
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be; ``password_hash`` is from ``hash_password`` and lets its owner log in."""

    name: str
    email: str
    plan: str | None = None
    password_hash: str | None = None


async def create_account(connection: AsyncConnection, new: NewAccount, now: datetime) -> Account:
    """Store an account with its hour and its owner.

    A user who has the address already becomes the owner too, and keeps the password.

    Raises: ValidationFailed; Conflict when a password is given for a user who has one.
    """
    email = _check_new(new)
    account_id = new_id()
    values = {"id": account_id, "name": new.name.strip(), "email": email, "plan": new.plan, "created_at": now}
    await connection.execute(insert(tables.Account).values(values))
    await connection.execute(insert(tables.Hour).values(account_id=account_id))
    user_id = await _owner(connection, new, email, now)
    await connection.execute(insert(tables.Membership).values(account_id=account_id, user_id=user_id, role="owner"))
    return await get_account(connection, account_id)


async def rename_account(connection: AsyncConnection, account_id: UUID, name: str) -> Account:
    """Call an account something else. Raises: NotFound, ValidationFailed."""
    if faults := _name_faults(name):
        raise ValidationFailed(faults)
    return await _update(connection, account_id, {"name": name.strip()})


async def set_plan(
    connection: AsyncConnection, account_id: UUID, plan: str | None, own_limit: int | None = None
) -> Account:
    """Give an account a plan, or none, and perhaps a limit of its own; the caller then re-paces what waits.

    Raises: NotFound, ValidationFailed.
    """
    faults = _plan_faults(plan)
    if own_limit is not None and not 0 <= own_limit <= MAX_OWN_LIMIT:
        faults.append(Fault("/limit", f"the hourly limit must be from 0 to {MAX_OWN_LIMIT}"))
    if own_limit is not None and plan is None:
        faults.append(Fault("/limit", "an hourly limit needs a plan"))
    if faults:
        raise ValidationFailed(faults)
    return await _update(connection, account_id, {"plan": plan, "own_limit": own_limit, "lapsed_at": None})


async def switch_plan(
    connection: AsyncConnection, account_id: UUID, plan: str | None, lapsed_at: datetime | None = None
) -> Account:
    """Give an account the plan it has paid for, or none since ``lapsed_at``; a limit of its own stays as it is.

    What waits is paced anew at once. Raises: NotFound, ValidationFailed.
    """
    if faults := _plan_faults(plan):
        raise ValidationFailed(faults)
    return await _update(connection, account_id, {"plan": plan, "lapsed_at": None if plan else lapsed_at})


async def suspend_account(connection: AsyncConnection, account_id: UUID, now: datetime) -> Account:
    """Stop an account from sending. Raises: NotFound; Conflict for one that was deleted and is being erased."""
    require_open(await get_account(connection, account_id))
    return await _update(connection, account_id, {"suspended_at": now})


async def resume_account(connection: AsyncConnection, account_id: UUID) -> Account:
    """Let a suspended account send again. Raises: NotFound; Conflict for one that was deleted and is being erased."""
    require_open(await get_account(connection, account_id))
    return await _update(connection, account_id, {"suspended_at": None})


def require_open(account: Account) -> None:
    """Raises: Conflict for an account that was deleted and is being erased."""
    if account.closed_at is not None:
        raise Conflict("account_closed", "This account was deleted by its owner: nothing opens it again.")


async def set_staff(connection: AsyncConnection, email: str, *, wanted: bool) -> User:
    """Whether a person runs this installation. Raises: NotFound."""
    user = await find_user_by_email(connection, email)
    if user is None:
        raise NotFound(f"There is no user {email!r}; who is to be staff signs up first.")
    await connection.execute(update(tables.User).where(tables.User.id == user.id).values(is_staff=wanted))
    return await get_user(connection, user.id)


async def set_ed25519_signing(connection: AsyncConnection, account_id: UUID, *, wanted: bool) -> Account:
    """Whether mail gets a second DKIM signature (RFC 8463). Raises: NotFound."""
    return await _update(connection, account_id, {"signs_ed25519": wanted})


async def set_unknown_policy(connection: AsyncConnection, account_id: UUID, policy: str) -> Account:
    """What becomes of an email whose answer was lost after the final dot: ``retry`` or ``park``.

    Raises: NotFound, ValidationFailed.
    """
    if policy not in UNKNOWN_POLICIES:
        detail = f"{policy!r} is no choice; choices are {', '.join(UNKNOWN_POLICIES)}"
        raise ValidationFailed([Fault("/policy", detail)])
    return await _update(connection, account_id, {"unknown_policy": policy})


async def _update(connection: AsyncConnection, account_id: UUID, values: dict[str, Any]) -> Account:
    statement = update(tables.Account).where(tables.Account.id == account_id).values(values)
    if (await connection.execute(statement.returning(tables.Account.id))).one_or_none() is None:
        raise NotFound("There is no such account.")
    await announce_change(connection, account_id)
    return await get_account(connection, account_id)


async def hold_address(connection: AsyncConnection, email: str) -> None:
    """Until the caller's transaction ends nobody else becomes the user of this address: look first, then make one."""
    await connection.execute(_HOLD, {"name": f"user {email.lower()}"})


async def _owner(connection: AsyncConnection, new: NewAccount, email: str, now: datetime) -> UUID:
    await hold_address(connection, email)
    user = await find_user_by_email(connection, email)
    if user is not None:
        if new.password_hash is not None:
            raise Conflict("user_exists", f"A user {email} exists already and keeps the password; give none.")
        return user.id
    user_id = new_id()
    row = {"id": user_id, "email": email.lower(), "name": new.name.strip(), "password_hash": new.password_hash}
    await connection.execute(insert(tables.User).values(row | {"created_at": now}))
    return user_id


def _check_new(new: NewAccount) -> str:
    faults = _plan_faults(new.plan)
    faults += _name_faults(new.name)
    try:
        address = parse_address(new.email)
    except AddressError as error:
        faults.append(Fault("/email", str(error)))
    if faults:
        raise ValidationFailed(faults)
    return address.spec


def _plan_faults(plan: str | None) -> list[Fault]:
    if plan is None or plan in PLANS:
        return []
    return [Fault("/plan", f"there is no plan {plan!r}; plans are {', '.join(PLANS)}")]


def _name_faults(name: str) -> list[Fault]:
    if 1 <= len(name.strip()) <= MAX_NAME and is_visible(name):
        return []
    return [Fault("/name", f"the name must have 1 to {MAX_NAME} visible characters")]
