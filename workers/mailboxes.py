"""What the schedule does for mailboxes: clears away what nobody can read any more, and compares counters at night."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog
from asyncpg import Connection

from hourpost.database import Database
from hourpost.gateways.clock import Clock
from hourpost.gateways.metrics import MAIL_DRIFT
from hourpost.mailboxes.auto_replies import forget_auto_replied
from hourpost.mailboxes.sweep import AT_ONCE, collect_content, find_drift, purge_mailbox, renew_old, trim_expunges
from workers.schedule import Chore

_CLEAR_SECONDS = 60.0
_COMPARE_SECONDS = 3600.0
_NIGHT_HOUR = 3  # UTC
_ROUNDS = 20  # then others have their turn

Work = Callable[[Connection, datetime], Awaitable[int]]

log = structlog.get_logger()


class MailboxChores:
    """Small transactions, so that nobody waits long for a folder."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def chores(self) -> tuple[Chore, ...]:
        """For the schedule."""
        return (
            Chore("clear mailboxes", _CLEAR_SECONDS, self.clear),
            Chore("compare mailboxes", _COMPARE_SECONDS, self.compare),
        )

    async def clear(self) -> None:
        """Clear away until little is left, within bounds."""
        await self._repeat(purge_mailbox, least=1)
        await self._repeat(collect_content, least=AT_ONCE)
        await self._repeat(trim_expunges, least=AT_ONCE)
        await self._repeat(partial(forget_auto_replied, most=AT_ONCE), least=AT_ONCE)
        await self._repeat(lambda connection, _: renew_old(connection), least=1)

    async def compare(self) -> None:
        """Say, once a night, where a counter is not what it counts: that is a bug."""
        if self._clock.now().hour != _NIGHT_HOUR:
            return
        async with self._database.hot_statements() as connection:
            found = await find_drift(connection)
        MAIL_DRIFT.set(len(found))
        for drift in found:
            log.error(
                "a counter of a mailbox has drifted",
                mailbox_id=str(drift.mailbox_id),
                folder_id=str(drift.folder_id),
                counted=drift.counted,
                stored=drift.stored,
            )

    async def _repeat(self, work: Work, *, least: int) -> None:
        """Again and again while as much as ``least`` was found."""
        for _ in range(_ROUNDS):
            async with self._database.hot_transaction() as connection:
                if await work(connection, self._clock.now()) < least:
                    return
