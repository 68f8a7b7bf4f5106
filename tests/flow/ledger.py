"""What PostgreSQL says about an account: the judge of every test of the flow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hourpost.database import Database
from hourpost.rules.delivery_state import INITIAL, State, may_become

HOUR = timedelta(hours=1)
SLOT = timedelta(seconds=10)
_DELIVERIES = text("SELECT * FROM deliveries WHERE account_id = :account ORDER BY due_at, email_id, position")
_SPENDS = text("SELECT spent_at, sum(count)::int AS count FROM spends WHERE account_id = :account GROUP BY spent_at")
_EVENTS = text("SELECT email_id, position, kind FROM events WHERE account_id = :account ORDER BY id")


@dataclass
class Ledger:
    """The rows of one account at one moment."""

    deliveries: list[Any]
    spends: dict[datetime, int]
    events: dict[tuple[UUID, int], list[str]]

    def row(self, email_id: UUID, position: int = 0) -> Any:
        return next(row for row in self.deliveries if (row.email_id, row.position) == (email_id, position))

    def count(self, state: str) -> int:
        return self.states[state]

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.deliveries)

    @property
    def held(self) -> list[tuple[UUID, int]]:
        """Oldest first."""
        return self._list("held")

    @property
    def scheduled(self) -> list[tuple[UUID, int]]:
        """The first to come due first."""
        return self._list("scheduled")

    @property
    def released(self) -> dict[datetime, int]:
        return dict(Counter(row.released_at for row in self.deliveries if row.released_at is not None))

    def released_since(self, moment: datetime) -> int:
        return sum(count for at, count in self.released.items() if at > moment)

    def busiest_hour(self) -> int:
        """The largest sum over any 60 minutes."""
        return max((self._sum(at) for at in self.released), default=0)

    def _list(self, state: str) -> list[tuple[UUID, int]]:
        return [(row.email_id, row.position) for row in self.deliveries if row.state == state]

    def _sum(self, end: datetime) -> int:
        return sum(count for at, count in self.released.items() if end - HOUR < at <= end)

    def check(self) -> None:
        """Spends agree with releases, and each delivery's events with its states and the ways between them."""
        assert {at: count for at, count in self.spends.items() if count} == self.released
        for row in self.deliveries:
            kinds = self.events[row.email_id, row.position]
            assert row.state == "sending" or kinds[-1] == row.state
            assert State(kinds[0]) in INITIAL
            assert all(is_a_way(before, after) for before, after in pairwise(kinds)), kinds


def is_a_way(before: str, after: str) -> bool:
    """Whether one event may follow the other; ``sending`` has none of its own."""
    first, second = State(before), State(after)
    if first is second is State.SCHEDULED:  # its moment was moved
        return True
    if first is State.UNKNOWN and is_a_way(State.DEFERRED, after):  # it is tried again, unless it is parked
        return True
    return may_become(first, second) or (may_become(first, State.SENDING) and may_become(State.SENDING, second))


async def read_ledger(database: Database, account: UUID) -> Ledger:
    async with database.transaction() as connection:
        deliveries = (await connection.execute(_DELIVERIES, {"account": account})).all()
        spends = {row.spent_at: row.count for row in await connection.execute(_SPENDS, {"account": account})}
        events: dict[tuple[UUID, int], list[str]] = {}
        for row in await connection.execute(_EVENTS, {"account": account}):
            events.setdefault((row.email_id, row.position), []).append(row.kind)
    return Ledger(list(deliveries), spends, events)
