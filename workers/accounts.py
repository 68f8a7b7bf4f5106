"""Chores of accounts: what closed ones have stored is erased, a part at a time."""

from __future__ import annotations

from hourpost.accounts.closing import erase_some
from hourpost.database import Database
from hourpost.gateways.clock import Clock
from workers.schedule import Chore

_SECONDS = 20.0
_PARTS_AT_ONCE = 10


class AccountChores:
    """Erases, a few short transactions in a row."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def chores(self) -> tuple[Chore, ...]:
        """What the schedule is to do from time to time."""
        return (Chore("erase accounts", _SECONDS, self.erase),)

    async def erase(self) -> None:
        """Erase some of what is left of closed accounts."""
        for _ in range(_PARTS_AT_ONCE):
            async with self._database.transaction() as connection:
                if not await erase_some(connection, self._clock.now()):
                    return
