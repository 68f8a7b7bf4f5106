"""Closing an account for good: at once nothing of it works any more, and what it has stored is erased bit by bit.

Its emails may be a million, so that no one transaction could hold them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.erasing import EMAILS_OF_ACCOUNT
from hourpost.accounts.notices import announce_change
from hourpost.errors import NotFound

LINGER = timedelta(hours=1)
"""What is on its way when an account is closed has this long to arrive before its rows are erased."""
REFUND_WAITS = timedelta(days=180)
"""What was paid after an account was deleted keeps it this long: later Stripe gives no payment back."""
AT_ONCE = 500

_WITH_THE_ACCOUNT = (
    tables.Membership,
    tables.Invitation,
    tables.InboundRoute,
    tables.Webhook,
    tables.MailboxAddress,
    tables.Domain,
    tables.Suppression,
)
# One that waits for the grace of its mailboxes, or for money to be given back, alone does not stand before the others.
_CLOSED = text(
    "SELECT id FROM accounts a WHERE closed_at < :before AND (EXISTS (SELECT FROM emails WHERE account_id = a.id)"
    " OR EXISTS (SELECT FROM inbound_emails WHERE account_id = a.id)"
    " OR NOT EXISTS (SELECT FROM mailboxes WHERE account_id = a.id) AND NOT EXISTS (SELECT FROM billing_alerts"
    " WHERE account_id = a.id AND kind = 'paid_when_deleted' AND created_at > :owed_since))"
    " ORDER BY closed_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_REMAINS = text(
    "SELECT EXISTS (SELECT FROM emails WHERE account_id = :account)"
    " OR EXISTS (SELECT FROM inbound_emails WHERE account_id = :account), count(m.id), max(m.deleted_at)"
    " FROM mailboxes m WHERE m.account_id = :account"
)
# What came by a route has its content for itself.
_ERASE_INBOUND = text(
    """
WITH gone AS (
  DELETE FROM inbound_emails WHERE id IN (
    SELECT id FROM inbound_emails WHERE account_id = :account ORDER BY id LIMIT :most) RETURNING id
), chunks AS (
  DELETE FROM content_chunks c USING gone g WHERE c.content_id = g.id
)
SELECT count(*) FROM gone
"""
)
_REST = (
    text("DELETE FROM idempotency_keys WHERE account_id = :account"),
    text("DELETE FROM spends WHERE account_id = :account"),
    # Mailboxes have gone by now, when their own grace was over.
    text(
        "DELETE FROM accounts a WHERE a.id = :account AND NOT EXISTS (SELECT FROM mailboxes WHERE account_id = a.id)"
        " AND NOT EXISTS (SELECT FROM billing_alerts WHERE account_id = a.id AND kind = 'paid_when_deleted'"
        " AND created_at > :owed_since)"
    ),
)


@dataclass(frozen=True, slots=True)
class Remains:
    """What there still is of a closed account."""

    has_mail: bool  # emails, or what came by its routes
    mailboxes: int
    mailboxes_closed_at: datetime | None  # the last of them; each has a grace of its own


async def find_remains(connection: AsyncConnection, account_id: UUID) -> Remains:
    """What is not erased yet."""
    row = (await connection.execute(_REMAINS, {"account": account_id})).one()
    return Remains(*row)


async def close_account(connection: AsyncConnection, account_id: UUID, now: datetime) -> None:
    """Close an account: no log-in, no key, no mail, its domains free for others. Raises: NotFound."""
    ours = tables.Account
    values: dict[str, Any] = {"closed_at": now, "suspended_at": now, "plan": None, "own_limit": None}
    statement = update(ours).where(ours.id == account_id, ours.closed_at.is_(None)).values(values)
    if (await connection.execute(statement.returning(ours.id))).one_or_none() is None:
        raise NotFound("There is no such account.")
    keys, boxes = tables.Credential, tables.Mailbox
    await connection.execute(
        update(keys).where(keys.account_id == account_id, keys.revoked_at.is_(None)).values(revoked_at=now)
    )
    shut = {"deleted_at": now, "access_generation": boxes.access_generation + 1}
    await connection.execute(
        update(boxes).where(boxes.account_id == account_id, boxes.deleted_at.is_(None)).values(shut)
    )
    for table in _WITH_THE_ACCOUNT:
        await connection.execute(delete(table).where(table.account_id == account_id))
    await announce_change(connection, account_id)


async def erase_some(connection: AsyncConnection, now: datetime) -> bool:
    """Erase a part of what a closed account has stored, the oldest first; whether there was anything."""
    owed_since = now - REFUND_WAITS
    account = (await connection.execute(_CLOSED, {"before": now - LINGER, "owed_since": owed_since})).scalar()
    if account is None:
        return False
    for erase in (EMAILS_OF_ACCOUNT, _ERASE_INBOUND):
        if (await connection.execute(erase, {"account": account, "most": AT_ONCE})).scalar_one():
            return True
    for statement in _REST:
        await connection.execute(statement, {"account": account, "owed_since": owed_since})
    return True
