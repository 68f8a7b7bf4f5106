"""What an account is told about its billing, once each, and the words of the mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.rules.subscriptions import Entitlement, Subscription

Notice = tuple[str, str]
"""Its kind, and what it is about: each pair is told once."""


@dataclass(frozen=True, slots=True)
class Unmailed:
    """A notice that nobody has got by mail yet."""

    account_id: UUID
    kind: str
    subject: str
    email: str
    account_name: str
    ends_at: datetime | None


def notices_of(before: Entitlement, after: Entitlement, subscriptions: Sequence[Subscription]) -> list[Notice]:
    """What there is to tell now that ``before`` has become ``after``."""
    told: list[Notice] = []
    if after.status == "past_due" and after.past_due_at is not None and after.plan is not None:
        told.append(("past_due", f"{after.subscription_id} {after.past_due_at:%Y-%m-%dT%H:%MZ}"))
    if before.plan is not None and after.plan is None:
        told.append(("ended", f"{before.subscription_id} {before.ends_at:%Y-%m-%dT%H:%MZ}"))
    told.extend(
        ("unpaid_change", one.invoice_id)
        for one in subscriptions
        if one.pending_plan is not None and one.invoice_id is not None and one.invoice_status == "open"
    )
    return told


async def write_notices(
    connection: AsyncConnection, account_id: UUID, notices: Sequence[Notice], now: datetime
) -> None:
    """Keep what is to be told; what was told before stays told."""
    if notices:
        rows = [{"account_id": account_id, "kind": kind, "subject": what, "created_at": now} for kind, what in notices]
        await connection.execute(insert(tables.BillingNotice).values(rows).on_conflict_do_nothing())


async def list_unmailed(connection: AsyncConnection, most: int = 50) -> list[Unmailed]:
    """The notices that nobody has got by mail yet, the oldest first; of all accounts."""
    notice, account, entitlement = tables.BillingNotice, tables.Account, tables.Entitlement
    rows = await connection.execute(
        select(notice.account_id, notice.kind, notice.subject, account.email, account.name, entitlement.ends_at)
        .join(account, account.id == notice.account_id)
        .join(entitlement, entitlement.account_id == notice.account_id, isouter=True)
        .where(notice.mailed_at.is_(None))
        .order_by(notice.created_at)
        .limit(most)
    )
    return [Unmailed(*row) for row in rows]


async def mark_mailed(connection: AsyncConnection, notice: Unmailed, now: datetime) -> None:
    """Remember that this notice has gone out."""
    table = tables.BillingNotice
    which = (table.account_id == notice.account_id, table.kind == notice.kind, table.subject == notice.subject)
    await connection.execute(update(table).where(*which).values(mailed_at=now))


def write_mail(notice: Unmailed, plan_url: str) -> tuple[str, str]:
    """Subject and text of the mail for a notice."""
    until = f" until {notice.ends_at:%d %B %Y, %H:%M} UTC" if notice.ends_at else ""
    subject, body = {
        "past_due": (
            "A payment for Hourpost has failed",
            f"The payment for the plan of {notice.account_name} did not go through. Your mail goes on leaving{until};"
            " after that it waits, and nothing is lost. Please see to the card or pay the open invoice here:",
        ),
        "ended": (
            "Your Hourpost plan has ended",
            f"The plan of {notice.account_name} is not paid for any more. What waits is kept and leaves by itself as"
            " soon as there is a plan again; new mail is turned away for now. You can choose a plan here:",
        ),
        "unpaid_change": (
            "Your new Hourpost plan waits for its payment",
            f"The change of plan for {notice.account_name} begins when its payment is confirmed. Your bank may want to"
            " hear from you; you can confirm or pay here:",
        ),
    }[notice.kind]
    return subject, f"{body}\n\n{plan_url}\n"
