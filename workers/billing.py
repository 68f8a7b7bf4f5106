"""Billing without being asked: acting on Stripe's webhooks, and what the schedule does for it from time to time."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from hourpost.billing.events import Clerk, has_work
from hourpost.billing.lapse import end_lapsed
from hourpost.billing.letters import write_letters
from hourpost.billing.notices import list_unmailed, mark_mailed, remind_unpaid
from hourpost.billing.peaks import roll_up_peaks
from hourpost.billing.till import Till, plan_url
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow.postman import Postman
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.stripe import Stripe
from hourpost.settings import Settings
from workers.errand import Errand
from workers.schedule import Chore

_WORK_SECONDS = 15.0
_LAPSE_SECONDS = 20.0
_PEAKS_SECONDS = 300.0
_NOTICES_SECONDS = 30.0

log = structlog.get_logger()


def build_billing(settings: Settings, database: Database, stripe: Stripe) -> Errand:
    """What a worker does when it hears that something of billing is due."""
    clock = SystemClock()
    till = Till(database, stripe, clock, plan_url(settings))
    return Errand(Clerk(database, stripe, clock, till).work)


class BillingChores:
    """What is due by the clock. ``ring`` tells the workers that there is something to ask Stripe about.

    Unless it ``sells``, plans cost nothing: none ends, and nobody is told of one that did.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ring: Callable[[], None],
        postman: Postman,
        page_url: str,
        *,
        sells: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ring = ring
        self._postman = postman
        self._page_url = page_url
        self._sells = sells

    def chores(self) -> tuple[Chore, ...]:
        """For the schedule."""
        return (
            Chore("billing", _WORK_SECONDS, self.look),
            Chore("lapse", _LAPSE_SECONDS, self.lapse),
            Chore("peaks", _PEAKS_SECONDS, self.roll_up),
            Chore("notices", _NOTICES_SECONDS, self.tell),
        )

    async def look(self) -> None:
        """Ring where a webhook is due, its hint lost or itself failed, or a customer was not looked at for a day."""
        async with self._database.reading() as connection:
            is_due = await has_work(connection, self._clock.now())
        if is_due:
            self._ring()

    async def lapse(self) -> None:
        """End what has nothing paid any more."""
        if not self._sells:
            return
        async with self._database.transaction() as connection:
            await end_lapsed(connection, self._clock.now())

    async def roll_up(self) -> None:
        """Keep the busiest hour of the day."""
        async with self._database.transaction() as connection:
            await roll_up_peaks(connection, self._clock.now())

    async def tell(self) -> None:
        """Write to people about what failed or ended: each of them once, also where a try ended between two letters."""
        if not self._sells or not self._postman.can_send:
            return
        async with self._database.transaction() as connection:
            await remind_unpaid(connection, self._clock.now())
            notices = await list_unmailed(connection, self._clock.now())
        for notice in notices:
            try:
                for letter in write_letters(notice, self._page_url):
                    await self._postman.post(letter, notice.key_for(letter.to))
            except ServiceUnavailable as error:  # with the next round
                log.warning("a notice could not be mailed", kind=notice.kind, cause=error.cause)
                return
            async with self._database.transaction() as connection:
                await mark_mailed(connection, notice, self._clock.now())
