"""The hour as every page shows it: used, remaining, held, and its minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.web.parts import Parts
from hourpost.accounts.queries import Account
from hourpost.errors import ServiceUnavailable
from hourpost.flow import limit
from hourpost.rules.hour import Schedule

BAR_WIDTH, BAR_STEP, HEIGHT = 2, 3, 36


@dataclass(frozen=True, slots=True)
class Meter:
    """What the meter shows. ``limit`` 0: no plan; ``is_known`` False: Redis is away.

    ``next_at`` and ``held_until``: when the first and the last of those held leave; None where nobody is held.
    """

    limit: int
    used: int = 0
    remaining: int = 0
    held: int = 0
    held_until: datetime | None = None
    minutes: tuple[int, ...] = ()
    is_known: bool = True
    lapsed: bool = False  # its plan has ended unpaid
    schedule: Schedule | None = None

    def leaves_at(self, place: int | None) -> datetime | None:
        """About when whoever has this place in the line leaves; None where that cannot be said."""
        return None if place is None or self.schedule is None else limit.to_moment(self.schedule.when(place))

    @property
    def next_at(self) -> datetime | None:
        """When the first of those held leaves; None where nobody is held."""
        return self.leaves_at(1) if self.held else None

    @property
    def busiest(self) -> int:
        """The most in one minute."""
        return max(self.minutes, default=0)

    def bars(self) -> list[tuple[int, float, float]]:
        """Left, top and height of a bar for each minute in which something was used."""
        full = max(self.busiest, self.limit / 60, 1)
        found = []
        for index, count in enumerate(self.minutes):
            if count:
                height = max(2.0, round(count / full * (HEIGHT - 2), 1))
                found.append((index * BAR_STEP, HEIGHT - 1 - height, height))
        return found


async def read_meter(parts: Parts, account: Account) -> Meter:
    """The hour of an account as it is now."""
    if not account.limit:
        return await _read_stopped(parts, account) if account.lapsed_at else Meter(0)
    try:
        reading = await limit.read(parts.hour, parts.database, account.id, account.limit)
    except ServiceUnavailable:
        return Meter(account.limit, is_known=False)
    until = limit.to_moment(reading.schedule.when(reading.waiting)) if reading.waiting else None
    return Meter(
        limit=account.limit,
        used=reading.used,
        remaining=reading.remaining,
        held=reading.waiting,
        held_until=until,
        minutes=reading.schedule.per_minute(),
        schedule=reading.schedule,
    )


async def _read_stopped(parts: Parts, account: Account) -> Meter:
    """What waits of an account whose plan has ended unpaid."""
    try:
        reading = await limit.read(parts.hour, parts.database, account.id, 1)
    except ServiceUnavailable:
        return Meter(0, lapsed=True)
    return Meter(0, held=reading.waiting, lapsed=True)
