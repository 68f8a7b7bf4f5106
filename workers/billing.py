"""Billing without being asked: acting on Stripe's webhooks, and what the schedule does for it from time to time."""

from __future__ import annotations

from collections.abc import Callable

from hourpost.assembly import Parts
from hourpost.billing.events import Clerk, has_work
from hourpost.billing.lapse import end_lapsed
from hourpost.billing.peaks import roll_up_peaks
from hourpost.billing.till import Till, plan_url
from hourpost.database import Database
from hourpost.flow.filing import Filing
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.stripe import RealStripe
from hourpost.settings import Settings
from workers.errand import Errand
from workers.mailboxes import MailboxChores
from workers.schedule import Chore, Schedule

_WORK_SECONDS = 15.0
_LAPSE_SECONDS = 20.0
_PEAKS_SECONDS = 300.0
_FILING_SECONDS = 2.0


def build_billing(settings: Settings, database: Database, stripe: RealStripe) -> Errand:
    """What a worker does when it hears that something of billing is due."""
    clock = SystemClock()
    till = Till(database, stripe, clock, plan_url(settings))
    return Errand(Clerk(database, stripe, clock, till).work)


def build_schedule(parts: Parts) -> Schedule:
    """The schedule, with the chores of billing, of Sent folders and of mailboxes."""
    billing = BillingChores(parts.database, parts.clock, parts.hints.ring_billing)
    filing = Chore("filing", _FILING_SECONDS, Filing(parts.database, parts.mail, parts.clock).sweep)
    chores = (*billing.chores(), filing, *MailboxChores(parts.database, parts.clock).chores())
    return Schedule(parts.database, parts.hour, parts.releaser, parts.clock, chores)


class BillingChores:
    """What is due by the clock. ``ring`` tells the workers that there is something to ask Stripe about."""

    def __init__(self, database: Database, clock: Clock, ring: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._ring = ring

    def chores(self) -> tuple[Chore, ...]:
        """For the schedule."""
        return (
            Chore("billing", _WORK_SECONDS, self.look),
            Chore("lapse", _LAPSE_SECONDS, self.lapse),
            Chore("peaks", _PEAKS_SECONDS, self.roll_up),
        )

    async def look(self) -> None:
        """Ring where a webhook is due, its hint lost or itself failed, or a customer was not looked at for a day."""
        async with self._database.reading() as connection:
            is_due = await has_work(connection, self._clock.now())
        if is_due:
            self._ring()

    async def lapse(self) -> None:
        """End what has nothing paid any more."""
        async with self._database.transaction() as connection:
            await end_lapsed(connection, self._clock.now())

    async def roll_up(self) -> None:
        """Keep the busiest hour of the day."""
        async with self._database.transaction() as connection:
            await roll_up_peaks(connection, self._clock.now())
