"""What an account is told about its billing, each thing once; the words are in the letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.rules.subscriptions import Entitlement, Subscription

_WORTH_TELLING = timedelta(days=3)
REMIND_AFTER = timedelta(days=5)
_REMIND = text(
    """
INSERT INTO billing_notices (account_id, kind, subject, created_at)
SELECT n.account_id, 'still_unpaid', n.subject, :now
FROM entitlements e JOIN billing_notices n ON n.account_id = e.account_id AND n.kind = 'ended'
WHERE e.plan IS NULL AND e.status IN ('past_due', 'unpaid') AND n.created_at <= :before
  AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.id = e.subscription_id AND s.ends_at IS NOT NULL)
  AND n.created_at > CAST(:before AS timestamptz) - CAST(:worth AS interval)
ON CONFLICT DO NOTHING
"""
)
# Only what is still so is told, so that the moment at which a grace ends is the one of the notice.
# Who sees to the plan: the roles that may, and where there is nobody the account's own address.
_UNMAILED = text(
    """
SELECT n.account_id, n.kind, n.subject, a.name, a.email, e.ends_at,
  (SELECT array_agg(u.email ORDER BY u.email) FROM memberships m JOIN users u ON u.id = m.user_id
   WHERE m.account_id = n.account_id AND m.role IN ('owner', 'admin', 'billing')) AS recipients
FROM billing_notices n JOIN accounts a ON a.id = n.account_id LEFT JOIN entitlements e ON e.account_id = n.account_id
WHERE n.mailed_at IS NULL AND n.created_at > :since AND a.closed_at IS NULL AND CASE n.kind
  WHEN 'past_due' THEN e.plan IS NOT NULL AND e.status = 'past_due' AND n.subject
    = e.subscription_id || ' ' || to_char(e.past_due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
  WHEN 'ended' THEN a.plan IS NULL AND e.plan IS NULL
  WHEN 'still_unpaid' THEN a.plan IS NULL AND e.plan IS NULL AND e.status IN ('past_due', 'unpaid')
  WHEN 'unpaid_change' THEN EXISTS (SELECT FROM subscriptions s WHERE s.account_id = n.account_id
    AND s.invoice_id = n.subject AND s.invoice_status = 'open' AND s.pending_plan IS NOT NULL)
END ORDER BY n.created_at, n.account_id, n.kind LIMIT :most
"""
)

Notice = tuple[str, str]
"""Its kind, and what it is about: each pair is told once."""


@dataclass(frozen=True, slots=True)
class Unmailed:
    """A notice that nobody has got by mail yet; ``recipients`` see to the account's plan."""

    account_id: UUID
    kind: str
    subject: str
    account_name: str
    recipients: tuple[str, ...]
    ends_at: datetime | None

    def key_for(self, recipient: str) -> str:
        """What tells the letter about this to one of its recipients from every other letter."""
        told = f"{self.account_id}\n{self.kind}\n{self.subject}\n{recipient.lower()}"
        return f"hourpost-notice-{sha256(told.encode()).hexdigest()}"


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


async def remind_unpaid(connection: AsyncConnection, now: datetime) -> None:
    """Tell those whose plan has ended unpaid once more, some days later; whoever has canceled is left in peace."""
    await connection.execute(_REMIND, {"now": now, "before": now - REMIND_AFTER, "worth": _WORTH_TELLING})


async def list_unmailed(connection: AsyncConnection, now: datetime, most: int = 50) -> list[Unmailed]:
    """The notices of the last days that nobody has got by mail yet and that still hold, the oldest first; of all."""
    rows = await connection.execute(_UNMAILED, {"since": now - _WORTH_TELLING, "most": most})
    return [
        Unmailed(row.account_id, row.kind, row.subject, row.name, tuple(row.recipients or (row.email,)), row.ends_at)
        for row in rows
    ]


async def mark_mailed(connection: AsyncConnection, notice: Unmailed, now: datetime) -> None:
    """Remember that this notice has gone out."""
    table = tables.BillingNotice
    which = (table.account_id == notice.account_id, table.kind == notice.kind, table.subject == notice.subject)
    await connection.execute(update(table).where(*which).values(mailed_at=now))
