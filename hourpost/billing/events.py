"""Stripe's webhooks: each is stored once, and says no more than whose things to read anew. The rows are the queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.billing.queries import find_account_of
from hourpost.billing.till import Till
from hourpost.database import Database
from hourpost.errors import HourpostError, NotFound
from hourpost.gateways.clock import Clock
from hourpost.gateways.metrics import STRIPE_EVENTS
from hourpost.gateways.stripe import Stripe, StripeEvent

RECONCILE_AFTER = timedelta(hours=24)
_AT_ONCE = 50
_MOST_PAUSE_SECONDS = 3600
_FIRST_PAUSE_SECONDS = 15
_ERROR_CHARACTERS = 500

# Claimed rows come due again by themselves, so a worker that dies loses nothing.
_CLAIM = text(
    """
UPDATE stripe_events e SET tries = e.tries + 1,
  due_at = :now + make_interval(secs => least(:most, :first * power(3, least(e.tries, 10))))
FROM (SELECT id FROM stripe_events WHERE due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED) d
WHERE e.id = d.id RETURNING e.id, e.customer_id, e.object_id
"""
)
_CLAIM_STALE = text(
    """
UPDATE customers c SET synced_at = :before + interval '1 hour'
FROM (SELECT id FROM customers WHERE deleted_at IS NULL AND (synced_at IS NULL OR synced_at < :before)
      AND created_at < :before
      ORDER BY synced_at NULLS FIRST LIMIT :limit FOR UPDATE SKIP LOCKED) d
WHERE c.id = d.id RETURNING c.account_id
"""
)
_HAS_WORK = text(
    "SELECT EXISTS (SELECT 1 FROM stripe_events WHERE due_at <= :now) OR EXISTS (SELECT 1 FROM customers"
    " WHERE deleted_at IS NULL AND (synced_at IS NULL OR synced_at < :before) AND created_at < :before)"
)

log = structlog.get_logger()


async def store_event(connection: AsyncConnection, event: StripeEvent, now: datetime) -> bool:
    """Keep a webhook; False if it was here before."""
    row = {
        "id": event.id,
        "kind": event.kind,
        "customer_id": event.customer_id,
        "object_id": event.object_id,
        "created_at": event.created_at,
        "received_at": now,
        "due_at": now,
    }
    statement = insert(tables.StripeEvent).values(row).on_conflict_do_nothing().returning(tables.StripeEvent.id)
    fresh = (await connection.execute(statement)).one_or_none() is not None
    STRIPE_EVENTS.labels("stored" if fresh else "repeated").inc()
    return fresh


async def retry_event(connection: AsyncConnection, event_id: str, now: datetime) -> None:
    """Have a webhook that waits acted on now. Raises: NotFound for one that does not wait."""
    table = tables.StripeEvent
    statement = update(table).where(table.id == event_id, table.due_at.is_not(None)).values(due_at=now)
    if (await connection.execute(statement)).rowcount == 0:
        raise NotFound("There is no such webhook that waits.")


async def has_work(connection: AsyncConnection, now: datetime) -> bool:
    """Whether a webhook is due, or a customer was not looked at for a day."""
    found = await connection.execute(_HAS_WORK, {"now": now, "before": now - RECONCILE_AFTER})
    return bool(found.scalar_one())


class Clerk:
    """Acts on webhooks, and looks at every customer once a day whatever was missed. Several do no harm."""

    def __init__(self, database: Database, stripe: Stripe, clock: Clock, till: Till) -> None:
        self._database = database
        self._stripe = stripe
        self._clock = clock
        self._till = till

    async def work(self) -> None:
        """Do all that is due. What Stripe did not answer comes due again later. Raises: ServiceUnavailable."""
        while await self._act():
            pass
        while await self._reconcile():
            pass

    async def _act(self) -> int:
        async with self._database.transaction() as connection:
            arguments = {
                "now": self._clock.now(),
                "most": _MOST_PAUSE_SECONDS,
                "first": _FIRST_PAUSE_SECONDS,
                "limit": _AT_ONCE,
            }
            rows = (await connection.execute(_CLAIM, arguments)).all()
        events: dict[UUID | None, list[str]] = defaultdict(list)
        for row in rows:
            try:
                events[await self._account_of(row.customer_id, row.object_id)].append(row.id)
            except HourpostError as error:
                await self._failed([row.id], error)
        for account_id, ids in events.items():
            await self._act_for(account_id, ids)
        return len(rows)

    async def _act_for(self, account_id: UUID | None, ids: Sequence[str]) -> None:
        """However many webhooks there are of one customer, it is read once."""
        if account_id is not None:
            error = await self._sync(account_id)
            if error is not None:
                await self._failed(ids, error)
                return
        outcome = "unknown" if account_id is None else "done"
        STRIPE_EVENTS.labels(outcome).inc(len(ids))
        table = tables.StripeEvent
        async with self._database.transaction() as connection:
            await connection.execute(update(table).where(table.id.in_(ids)).values(due_at=None, error=None))

    async def _account_of(self, customer_id: str | None, object_id: str | None) -> UUID | None:
        if customer_id is None and object_id is not None and object_id.startswith(("ch_", "py_")):
            customer_id = await self._stripe.find_customer_of_charge(object_id)
        if customer_id is None:
            return None
        async with self._database.reading() as connection:
            return await find_account_of(connection, customer_id)

    async def _failed(self, ids: Sequence[str], error: HourpostError) -> None:
        STRIPE_EVENTS.labels("failed").inc(len(ids))
        said = f"{error.message} {error.cause or ''}".strip()[:_ERROR_CHARACTERS]
        log.warning("a webhook of Stripe's waits", events=ids, error=said)
        table = tables.StripeEvent
        async with self._database.transaction() as connection:
            await connection.execute(update(table).where(table.id.in_(ids)).values(error=said))

    async def _reconcile(self) -> int:
        before = self._clock.now() - RECONCILE_AFTER
        async with self._database.transaction() as connection:
            accounts = list((await connection.execute(_CLAIM_STALE, {"before": before, "limit": _AT_ONCE})).scalars())
        for account_id in accounts:
            error = await self._sync(account_id)
            if error is not None:  # in an hour again
                log.warning("a customer was not reconciled", account_id=str(account_id), error=error.message)
        return len(accounts)

    async def _sync(self, account_id: UUID) -> HourpostError | None:
        """What kept one customer from being read; the others are not kept by it."""
        try:
            await self._till.sync(account_id)
        except HourpostError as error:
            return error
        except Exception as error:  # the outermost loop of one customer: perhaps Stripe has said something new
            log.exception("reading a customer stumbled", account_id=str(account_id))
            return HourpostError("Something went wrong on our side.", cause=repr(error))
        return None
