"""What the page of the plan shows: the plan, what else is offered and how, what is owed, and the busiest hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.accounts.queries import Account
from hourpost.billing.queries import (
    Kept,
    OpenCheckout,
    Peak,
    find_checkout,
    find_current,
    find_customer,
    get_entitlement,
    is_overruled,
    list_invoices,
    list_peaks,
    list_subscriptions,
)
from hourpost.gateways.stripe import Invoice
from hourpost.rules.plans import PLANS, Plan
from hourpost.rules.subscriptions import LIVE, PAID, Entitlement

PEAK_DAYS = 90
_LEAST_DAYS = 7  # a chart of fewer says nothing


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan and the way to it: ``current``, ``next`` (chosen already), ``free``, ``buy``, ``change`` or ``locked``.

    ``back`` leads to the one that is paid for while the account has another.
    """

    plan: Plan
    way: str
    price_cents: int


@dataclass(frozen=True, slots=True)
class PlanView:
    """All of the page. ``current`` is the subscription that counts; None where there is none.

    ``alive`` are all that may still be charged, that one among them. ``is_overruled`` tells that the plan was given
    by a later word than what is paid, so that it stays when that ends.
    ``checkout`` is what was begun to be paid while there is none.
    """

    account: Account
    is_free: bool
    is_customer: bool
    entitlement: Entitlement
    current: Kept | None
    alive: list[Kept]
    is_overruled: bool
    checkout: OpenCheckout | None
    invoices: list[Invoice]
    peaks: list[Peak]
    today: date

    @property
    def plan(self) -> Plan | None:
        """The plan that counts now."""
        return PLANS.get(self.account.plan or "")

    @property
    def price_cents(self) -> int | None:
        """What is paid a month; older subscriptions may pay another price."""
        if self.is_free or self.plan is None:
            return None
        return self.current.amount_cents if self.current else None

    @property
    def is_given(self) -> bool:
        """Whether the plan is there without being paid for here."""
        return not self.is_free and self.plan is not None and self.current is None

    @property
    def is_paid(self) -> bool:
        """Whether there is a subscription of which nothing is owed."""
        return self.current is not None and self.current.status in PAID

    @property
    def others(self) -> list[Kept]:
        """What goes on beside the one that counts, and is charged for nothing."""
        return [one for one in self.alive if one.ends_at is None and one is not self.current]

    @property
    def charged(self) -> list[Kept]:
        """What goes on to be charged."""
        return [one for one in self.alive if one.ends_at is None]

    @property
    def paid_until(self) -> datetime | None:
        """Until when canceling keeps what is paid for; None where nothing is."""
        return max((one.ends_at or one.period_end for one in self.alive if one.status in PAID), default=None)

    @property
    def at_once(self) -> list[str]:
        """What canceling ends at once: all that is not paid."""
        return [one.id for one in self.alive if one.status not in PAID]

    @property
    def is_cancelable(self) -> bool:
        """Whether there is something left to cancel."""
        return bool(self.charged or self.at_once)

    @property
    def paid_plan(self) -> Plan | None:
        """The plan that is paid for and not there: another was given, or it was taken away."""
        plan = PLANS.get(self.current.plan or "") if self.current and self.is_changeable else None
        return plan if plan is not None and plan.name != self.account.plan else None

    @property
    def is_unusual(self) -> bool:
        """Whether the subscription is one that people alone can help with: of no plan that we know, or paused."""
        return self.current is not None and (self.current.plan is None or self.current.status == "paused")

    @property
    def is_changeable(self) -> bool:
        """Whether the subscription may be changed just now."""
        is_plain = self.current is not None and not self.is_unusual and self.current.ends_at is None
        return is_plain and self.is_paid

    @property
    def offers(self) -> list[Offer]:
        """Every plan with its way."""
        return [Offer(plan, self._way(plan), self._price_of(plan)) for plan in PLANS.values()]

    def _price_of(self, plan: Plan) -> int:
        """What is asked for a plan; who has subscribed to it pays what was asked then."""
        paid = self.current.amount_cents if self.current and self.current.plan == plan.name else None
        return plan.price_cents if paid is None else paid

    def _way(self, plan: Plan) -> str:
        if plan.name == self.account.plan and (self.is_free or self.current is not None):
            return "current"
        if self.is_free:
            return "free"
        if self.current is None:
            return "buy"
        if plan == self.paid_plan:
            return "back"
        if plan.name == self.current.next_plan:
            return "next"
        return "change" if self.is_changeable else "locked"

    @property
    def chart(self) -> dict[str, Any]:
        """The busiest hour of each day since the first, for the chart; days on which nothing left are zero."""
        found = {peak.day: peak for peak in self.peaks}
        first = min([*found, self.today - timedelta(days=_LEAST_DAYS - 1)])
        days = [first + timedelta(days=number) for number in range((self.today - first).days + 1)]
        limits: list[int | None] = []
        for day in days:
            limits.append(found[day].hourly_limit if day in found else limits[-1] if limits else None)
        return {
            "times": [int(datetime.combine(day, time(), UTC).timestamp()) for day in days],
            "series": [
                {"label": "Busiest hour", "tone": "accent", "values": [_used(found.get(day)) for day in days]},
                {"label": "Plan", "tone": "text-3", "values": limits},
            ],
        }

    @property
    def highest(self) -> Peak | None:
        """The busiest hour of them all."""
        return max(self.peaks, key=lambda peak: peak.used, default=None)


def _used(peak: Peak | None) -> int:
    return peak.used if peak else 0


async def read_plan(connection: AsyncConnection, account: Account, now: datetime, *, is_free: bool) -> PlanView:
    """Everything about the plan of an account, from our own rows: Stripe is not asked."""
    today = now.astimezone(UTC).date()
    current = None if is_free else await find_current(connection, account.id)
    found = await list_subscriptions(connection, account.id)
    return PlanView(
        account=account,
        is_free=is_free,
        is_customer=not is_free and await find_customer(connection, account.id) is not None,
        entitlement=await get_entitlement(connection, account.id),
        current=current,
        alive=[]
        if current is None
        else [current, *(one for one in found if one.status in LIVE and one.id != current.id)],
        is_overruled=await is_overruled(connection, account.id),
        checkout=None if is_free or current else await find_checkout(connection, account.id, now),
        invoices=await list_invoices(connection, account.id),
        peaks=await list_peaks(connection, account.id, today - timedelta(days=PEAK_DAYS - 1)),
        today=today,
    )
