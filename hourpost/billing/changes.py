"""Writing what Stripe said, and what follows from it. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts import audit
from hourpost.accounts.changes import switch_plan
from hourpost.accounts.queries import get_account
from hourpost.billing.findings import Found, alerts_of
from hourpost.billing.notices import notices_of, write_notices
from hourpost.billing.queries import get_entitlement, is_overruled
from hourpost.gateways.metrics import BILLING_ALERTS
from hourpost.gateways.stripe import Checkout, Invoice
from hourpost.rules.subscriptions import Entitlement, Subscription, judge

log = structlog.get_logger()

_NOT_KEPT = ("price", "items", "invoice_created_at", "overruled_by", "resumes_to", "is_given_up")
_NOT_KEPT_OF_BILLS = ("subscription_id", "paid_at")
_NO_CHECKOUT = {"checkout_plan": None, "checkout_url": None, "checkout_until": None}

# What was put off because nobody paid need not wait for its next look.
_WAKE = text(
    "UPDATE deliveries SET due_at = :now"
    " WHERE account_id = :account AND state = 'deferred' AND waits_for = 'account' AND due_at > :now"
)


async def add_customer(connection: AsyncConnection, customer_id: str, account_id: UUID, now: datetime) -> None:
    """Remember who the account is at Stripe; told twice, it stays as it is."""
    row = {"id": customer_id, "account_id": account_id, "created_at": now}
    await connection.execute(insert(tables.Customer).values(row).on_conflict_do_nothing())


async def remember_checkout(connection: AsyncConnection, customer_id: str, checkout: Checkout, plan: str) -> None:
    """Keep which checkout was opened last, for which plan."""
    values = {
        "checkout_id": checkout.id,
        "checkout_plan": plan,
        "checkout_url": checkout.url,
        "checkout_until": checkout.expires_at,
    }
    await connection.execute(update(tables.Customer).where(tables.Customer.id == customer_id).values(values))


async def forget_checkout(connection: AsyncConnection, customer_id: str) -> None:
    """Know that the checkout that was opened last is over."""
    await connection.execute(update(tables.Customer).where(tables.Customer.id == customer_id).values(_NO_CHECKOUT))


async def write_found(connection: AsyncConnection, account_id: UUID, found: Found, now: datetime) -> Entitlement:
    """Write what was found, and give the account what it is entitled to. Raises: NotFound."""
    before = await get_entitlement(connection, account_id, lock=True)
    account = await get_account(connection, account_id)
    judgement = judge(found.subscriptions, before, account.plan, now)
    await _put(connection, tables.PlanSubscription, [_row_of(one, account_id) for one in found.subscriptions])
    await _put(connection, tables.Invoice, [_row_of_bill(one, account_id) for one in found.invoices])
    await _mark_synced(connection, found, now)
    alerts = [*judgement.alerts, *alerts_of(found, account.closed_at, now)]
    await _write_alerts(connection, account_id, alerts, now)
    await write_entitlement(connection, account_id, before, judgement.entitlement, now)
    notices = notices_of(before, judgement.entitlement, found.subscriptions)
    await write_notices(connection, account_id, notices, now)
    return judgement.entitlement


async def write_entitlement(
    connection: AsyncConnection, account_id: UUID, before: Entitlement, after: Entitlement, now: datetime
) -> None:
    """Write what an account is entitled to; its plan follows where that has changed, so an operator's word stands.

    What only ends takes no plan away that was given by a later word.
    """
    if after == before:
        return
    keeps = after.plan is None and await is_overruled(connection, account_id)
    row = asdict(after) | {"account_id": account_id, "changed_at": now}
    if after.plan is not None and (after.plan, after.subscription_id) != (before.plan, before.subscription_id):
        row["overruled_at"] = None  # bought or changed; a renewal, or a failure of one, is no word about the plan
    await _put(connection, tables.Entitlement, [row], key="account_id")
    if keeps:
        return
    await _note(connection, account_id, before, after, now)
    if after.plan != before.plan:
        await _give(connection, account_id, after.plan, now)


async def restore_plan(connection: AsyncConnection, account_id: UUID, now: datetime) -> None:
    """Give an account the plan that it pays for, where it has another by a later word."""
    paid = await get_entitlement(connection, account_id, lock=True)
    if paid.plan is not None and paid.plan != (await get_account(connection, account_id)).plan:
        await follow_stripe(connection, account_id)
        await _give(connection, account_id, paid.plan, now)


async def _give(connection: AsyncConnection, account_id: UUID, plan: str | None, now: datetime) -> None:
    await switch_plan(connection, account_id, plan, lapsed_at=now)
    if plan is not None:
        await connection.execute(_WAKE, {"account": account_id, "now": now})
    log.info("the plan changed", account_id=str(account_id), plan=plan)


async def overrule(connection: AsyncConnection, account_id: UUID, now: datetime) -> None:
    """Know that the account's plan is given otherwise than by Stripe, and later than what is known from there.

    Called before the plan is written: whoever writes both locks the entitlement first.
    """
    table = tables.Entitlement
    await connection.execute(update(table).where(table.account_id == account_id).values(overruled_at=now))


async def follow_stripe(connection: AsyncConnection, account_id: UUID) -> None:
    """Let what is paid, and what is canceled, count again for the plan: that is the later word now."""
    table = tables.Entitlement
    await connection.execute(update(table).where(table.account_id == account_id).values(overruled_at=None))


async def _note(
    connection: AsyncConnection, account_id: UUID, before: Entitlement, after: Entitlement, now: datetime
) -> None:
    """Into the audit log, what the account's people would ask about: its plan, and how it stands with paying."""
    actor = audit.by_stripe(account_id)
    if after.plan != before.plan:
        plans = {"plan": after.plan or "none", "before": before.plan or "none"}
        await audit.note(connection, actor, "plan_changed", now, **plans, state=after.status)
    elif after.status != before.status:
        await audit.note(connection, actor, "payment_state_changed", now, state=after.status, before=before.status)


async def _put(connection: AsyncConnection, table: Any, rows: Sequence[dict[str, Any]], key: str = "id") -> None:
    """Insert the rows, or overwrite those that exist."""
    if rows:
        statement = insert(table).values(list(rows))
        changed = {name: statement.excluded[name] for name in rows[0] if name not in (key, "account_id")}
        await connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=changed))


def _row_of(one: Subscription, account_id: UUID) -> dict[str, Any]:
    row = asdict(one) | {"account_id": account_id}
    for name in _NOT_KEPT:
        del row[name]
    return row | {"price_id": one.price.id, "plan": one.price.plan, "amount_cents": one.price.amount_cents}


def _row_of_bill(one: Invoice, account_id: UUID) -> dict[str, Any]:
    row = asdict(one) | {"account_id": account_id}
    for name in _NOT_KEPT_OF_BILLS:
        del row[name]
    return row


async def _mark_synced(connection: AsyncConnection, found: Found, now: datetime) -> None:
    values: dict[str, Any] = {"synced_at": now} if found.exists else {"synced_at": now, "deleted_at": now}
    if any(one.is_live for one in found.subscriptions):
        values |= _NO_CHECKOUT
    await connection.execute(update(tables.Customer).where(tables.Customer.id == found.customer_id).values(values))
    if not found.exists:
        gone = update(tables.PlanSubscription).where(tables.PlanSubscription.customer_id == found.customer_id)
        await connection.execute(gone.values(status="canceled"))


async def _write_alerts(
    connection: AsyncConnection, account_id: UUID, alerts: Sequence[tuple[str, str]], now: datetime
) -> None:
    """What is so stands there once; what is no longer so goes."""
    table = tables.BillingAlert
    details: dict[str, list[str]] = {}
    for kind, detail in alerts:
        details.setdefault(kind, []).append(detail)
    await connection.execute(delete(table).where(table.account_id == account_id, table.kind.not_in(details)))
    for kind, texts in details.items():
        await write_alert(connection, account_id, kind, "; ".join(texts), now)


async def write_alert(connection: AsyncConnection, account_id: UUID, kind: str, detail: str, now: datetime) -> None:
    """Keep what an operator ought to look at until the next reading that finds it no longer so."""
    table = tables.BillingAlert
    row = {"account_id": account_id, "kind": kind, "detail": detail, "created_at": now}
    statement = insert(table).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "kind"],
        set_={"detail": detail, "created_at": now},
        where=table.detail != detail,
    )
    if (await connection.execute(statement.returning(table.kind))).one_or_none() is not None:
        BILLING_ALERTS.labels(kind).inc()
        log.error("billing needs a look", account_id=str(account_id), kind=kind, detail=detail)
