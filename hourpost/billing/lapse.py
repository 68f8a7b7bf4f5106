"""Entitlements that end by themselves, whether or not Stripe answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.billing.changes import write_entitlement
from hourpost.billing.notices import notices_of, write_notices
from hourpost.billing.queries import get_entitlement
from hourpost.rules.subscriptions import PAID

_AT_ONCE = 500


async def end_lapsed(connection: AsyncConnection, now: datetime) -> int:
    """Take the plan from accounts that have nothing paid any more: what waits goes on waiting. Gives how many."""
    table = tables.Entitlement
    lapsed = await connection.execute(
        select(table.account_id)
        .where(table.plan.is_not(None), table.ends_at <= now)
        .order_by(table.account_id)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    accounts = list(lapsed.scalars())
    for account_id in accounts:
        before = await get_entitlement(connection, account_id, lock=True)
        status = "canceled" if before.status in PAID else before.status
        after = replace(before, plan=None, ends_at=None, status=status)
        await write_entitlement(connection, account_id, before, after, now)
        await write_notices(connection, account_id, notices_of(before, after, ()), now)
    return len(accounts)
