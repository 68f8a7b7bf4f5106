"""Chores of incoming mail: what came by routes is forgotten when its time is over."""

from __future__ import annotations

from datetime import timedelta

from hourpost.database import Database
from hourpost.gateways.clock import Clock
from hourpost.inbound.sweep import AT_ONCE, forget_inbound
from workers.schedule import Chore

_SECONDS = 300.0
_PARTS_AT_ONCE = 20


class InboundChores:
    """Forgets what is older than ``days``, a few short transactions in a row."""

    def __init__(self, database: Database, clock: Clock, days: int) -> None:
        self._database = database
        self._clock = clock
        self._kept = timedelta(days=days)

    def chores(self) -> tuple[Chore, ...]:
        """What the schedule is to do from time to time."""
        return (Chore("forget inbound", _SECONDS, self.forget),)

    async def forget(self) -> None:
        """Forget some of what is old."""
        for _ in range(_PARTS_AT_ONCE):
            async with self._database.transaction() as connection:
                if await forget_inbound(connection, self._clock.now() - self._kept) < AT_ONCE:
                    return
