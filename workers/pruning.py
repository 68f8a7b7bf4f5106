"""Pruning: what has served its time is deleted, a little in each transaction and beside everything else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import TextClause, text

from hourpost.accounts.erasing import erase_old_emails
from hourpost.database import Database
from hourpost.gateways.clock import Clock
from hourpost.rules.ids import first_id_at

AT_ONCE = 2000
EMAILS_AT_ONCE = 50  # of up to 40 MB each
_PAUSE_SECONDS = 0.05  # between two, so that a backlog of millions leaves the disk to others


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of ``table`` for which ``is_over``, a condition on ``:before`` or ``:first`` of that age, holds."""

    table: str
    is_over: str
    age: timedelta

    @property
    def statement(self) -> TextClause:
        """Deletes some of them, but none that somebody has in hand."""
        old = f"SELECT ctid FROM {self.table} WHERE {self.is_over} LIMIT :most FOR UPDATE SKIP LOCKED"  # noqa: S608
        return text(f"DELETE FROM {self.table} WHERE ctid = ANY(ARRAY({old}))")  # noqa: S608


KEPT = (
    Rows("spends", "spent_at < :before", timedelta(hours=3)),
    Rows("idempotency_keys", "created_at < :before", timedelta(hours=24)),
    Rows("webhook_calls", "created_at < :before", timedelta(days=30)),
    Rows("webhook_attempts", "sent_at < :before", timedelta(days=30)),
    # What is settled is looked at again only when a report comes; none comes so late. The ids sort by time.
    Rows("sent_copies", "settled AND email_id < :first", timedelta(days=60)),
    Rows("stripe_events", "received_at < :before AND due_at IS NULL", timedelta(days=90)),
    Rows("hour_peaks", "at < :before", timedelta(days=400)),
)


class Pruning:
    """Deletes what is older than it is kept, and emails that are older than ``email_days``.

    It can be cut off at any point.
    """

    def __init__(self, database: Database, clock: Clock, email_days: int) -> None:
        self._database = database
        self._clock = clock
        self._kept = timedelta(days=email_days)

    async def prune(self) -> None:
        """Delete until nothing is left that is over. Raises: ServiceUnavailable."""
        for rows in KEPT:
            before = self._clock.now() - rows.age
            while await self._delete(rows, before) >= AT_ONCE:  # noqa: ASYNC110  # the pause is for others
                await asyncio.sleep(_PAUSE_SECONDS)

    async def erase_emails(self) -> None:
        """The same for emails; it may take hours where much is over at once. Raises: ServiceUnavailable."""
        while await self._erase_emails() >= EMAILS_AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _erase_emails(self) -> int:
        async with self._database.transaction() as connection:
            return await erase_old_emails(connection, self._clock.now(), self._kept, EMAILS_AT_ONCE)

    async def _delete(self, rows: Rows, before: datetime) -> int:
        moment = {"first": first_id_at(before)} if ":first" in rows.is_over else {"before": before}
        async with self._database.transaction() as connection:
            return (await connection.execute(rows.statement, {**moment, "most": AT_ONCE})).rowcount
