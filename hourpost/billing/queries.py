"""Reading what is paid: customers, subscriptions, entitlements, bills, and the busiest hour of each day."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.gateways.stripe import Invoice
from hourpost.rules.subscriptions import LIVE, NOTHING, Entitlement


@dataclass(frozen=True, slots=True)
class Customer:
    """An account as Stripe knows it. ``checkout_until`` is None once the last checkout is known to be over."""

    id: str
    account_id: UUID
    checkout_id: str | None
    checkout_until: datetime | None
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenCheckout:
    """A checkout on which nobody has paid, as far as we know; ``until`` is when it ends by itself."""

    plan: str
    url: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A subscription as it was read last."""

    id: str
    status: str
    plan: str | None
    amount_cents: int | None
    period_start: datetime
    period_end: datetime
    ends_at: datetime | None
    next_plan: str | None
    next_plan_at: datetime | None
    pending_plan: str | None
    invoice_status: str | None
    invoice_url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that was used of an hour on one day, and the end of those 60 minutes."""

    day: date
    used: int
    hourly_limit: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """Something an operator ought to look at."""

    account_id: UUID
    kind: str
    detail: str
    created_at: datetime


def _columns(table: type[tables.Table], kind: type[Any]) -> list[Any]:
    """Those that the table has; what else there is of a kind, only Stripe's answers have."""
    return [getattr(table, field.name) for field in fields(kind) if hasattr(table, field.name)]


async def find_customer(connection: AsyncConnection, account_id: UUID) -> Customer | None:
    """The customer that the account is at Stripe, or None."""
    table = tables.Customer
    statement = select(*_columns(table, Customer)).where(table.account_id == account_id, table.deleted_at.is_(None))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Customer(**row._mapping)


async def find_checkout(connection: AsyncConnection, account_id: UUID, now: datetime) -> OpenCheckout | None:
    """The checkout that the account opened last, as long as it is not known to be over."""
    table = tables.Customer
    statement = select(table.checkout_plan, table.checkout_url, table.checkout_until).where(
        table.account_id == account_id, table.deleted_at.is_(None), table.checkout_until > now
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else OpenCheckout(row.checkout_plan, row.checkout_url, row.checkout_until)


async def find_account_of(connection: AsyncConnection, customer_id: str) -> UUID | None:
    """The account that is, or was, this customer."""
    statement = select(tables.Customer.account_id).where(tables.Customer.id == customer_id)
    return (await connection.execute(statement)).scalar_one_or_none()


async def count_customers(connection: AsyncConnection, account_id: UUID) -> int:
    """How many customers the account has been at Stripe."""
    statement = select(func.count()).select_from(tables.Customer).where(tables.Customer.account_id == account_id)
    return (await connection.execute(statement)).scalar_one()


async def get_entitlement(connection: AsyncConnection, account_id: UUID, *, lock: bool = False) -> Entitlement:
    """What the account may use by what it has paid; ``NOTHING`` where it never paid. ``lock`` keeps the row."""
    table = tables.Entitlement
    statement = select(*_columns(table, Entitlement)).where(table.account_id == account_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return NOTHING if row is None else Entitlement(**row._mapping)


async def is_overruled(connection: AsyncConnection, account_id: UUID) -> bool:
    """Whether the account's plan was given by a later word, so that it stays when what is paid for ends."""
    table = tables.Entitlement
    found = await connection.execute(select(table.overruled_at).where(table.account_id == account_id))
    return found.scalar() is not None


async def list_subscriptions(connection: AsyncConnection, account_id: UUID) -> list[Kept]:
    """The subscriptions of an account, the newest first."""
    table = tables.PlanSubscription
    statement = select(*_columns(table, Kept)).where(table.account_id == account_id)
    rows = await connection.execute(statement.order_by(table.created_at.desc(), table.id))
    return [Kept(**row._mapping) for row in rows]


async def find_current(connection: AsyncConnection, account_id: UUID) -> Kept | None:
    """The subscription that counts: the entitling one, else one that is alive, else None."""
    entitlement = await get_entitlement(connection, account_id)
    alive = [one for one in await list_subscriptions(connection, account_id) if one.status in LIVE]
    return next((one for one in alive if one.id == entitlement.subscription_id), alive[0] if alive else None)


async def list_invoices(connection: AsyncConnection, account_id: UUID, most: int = 24) -> list[Invoice]:
    """The newest bills of an account, the newest first."""
    table = tables.Invoice
    statement = select(*_columns(table, Invoice)).where(table.account_id == account_id)
    rows = await connection.execute(statement.order_by(table.created_at.desc(), table.id.desc()).limit(most))
    return [Invoice(**row._mapping) for row in rows]


async def list_peaks(connection: AsyncConnection, account_id: UUID, since: date) -> list[Peak]:
    """The busiest hour of each day since then on which anything left, the oldest first."""
    table = tables.HourPeak
    statement = select(*_columns(table, Peak)).where(table.account_id == account_id, table.day >= since)
    return [Peak(**row._mapping) for row in await connection.execute(statement.order_by(table.day))]


async def list_alerts(connection: AsyncConnection, account_id: UUID | None = None, most: int = 100) -> list[Alert]:
    """What an operator ought to look at, of one account or of all, the newest first: for operators only."""
    table = tables.BillingAlert
    statement = select(*_columns(table, Alert)).order_by(table.created_at.desc(), table.account_id).limit(most)
    rows = await connection.execute(
        statement if account_id is None else statement.where(table.account_id == account_id)
    )
    return [Alert(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """A webhook of Stripe's that could not be acted on yet; ``due_at`` is when it is tried again."""

    id: str
    kind: str
    customer_id: str | None
    received_at: datetime
    due_at: datetime
    tries: int
    error: str | None


async def list_failed_events(connection: AsyncConnection, most: int = 50) -> list[FailedEvent]:
    """What has been tried and is still to do, the oldest first."""
    table = tables.StripeEvent
    statement = select(*_columns(table, FailedEvent)).where(table.due_at.is_not(None), table.tries > 0)
    rows = await connection.execute(statement.order_by(table.received_at).limit(most))
    return [FailedEvent(**row._mapping) for row in rows]
