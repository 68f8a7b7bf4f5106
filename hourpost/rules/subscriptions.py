"""What a payment provider tells of subscriptions, and what it entitles to. Nothing here asks anybody or the clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hourpost.rules.plans import PLANS

GRACE = timedelta(days=7)
TERMS = "usd every 1 month"
LOOKUP_KEYS = {f"hourpost_{name}_monthly": name for name in PLANS}

PAID = ("active", "trialing")
LIVE = (*PAID, "past_due", "unpaid", "paused")  # while one of these exists, no second one is sold
_NEVER_BEGAN = ("incomplete", "incomplete_expired")
_WORST_LAST = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired")


def lookup_key(plan: str) -> str:
    """The name by which Stripe finds the price of a plan."""
    return f"hourpost_{plan}_monthly"


@dataclass(frozen=True, slots=True)
class Price:
    """A price; ``plan`` is None for one that belongs to no plan of ours.

    ``terms`` are its currency and how often it is asked for: ``usd every 1 month``.
    """

    id: str
    plan: str | None
    amount_cents: int | None = None
    terms: str = TERMS

    def asks(self, amount_cents: int) -> bool:
        """Whether it is this amount, as all our plans are paid."""
        return self.amount_cents == amount_cents and self.terms == TERMS


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it was read just now, with the first of its items (ours have one)."""

    id: str
    customer_id: str
    status: str
    created_at: datetime
    item_id: str
    price: Price
    period_start: datetime
    period_end: datetime
    items: int = 1
    ends_at: datetime | None = None  # it was canceled for this moment
    at_period_end: bool = False
    schedule_id: str | None = None
    next_plan: str | None = None
    next_plan_at: datetime | None = None
    overruled_by: str | None = None  # the price that ends the schedule as soon as it is paid
    pending_plan: str | None = None  # is paid for first
    invoice_id: str | None = None
    invoice_status: str | None = None
    invoice_url: str | None = None
    invoice_created_at: datetime | None = None
    resumes_to: str | None = None  # the plan that was chosen to follow, kept while it is canceled for later
    is_given_up: bool = False  # it was canceled here while nothing was paid

    @property
    def is_live(self) -> bool:
        """Whether it still is, or may become again, something that is paid for."""
        return self.status in LIVE

    @property
    def is_paid(self) -> bool:
        """Whether nothing is owed of it."""
        return self.status in PAID

    @property
    def may_be_paid(self) -> bool:
        """Whether it is alive, or a payment would still begin it."""
        return self.is_live or self.status == "incomplete"

    @property
    def waits_for(self) -> str | None:
        """The bill that a change of plan waits for, or None."""
        return self.invoice_id if self.pending_plan is not None and self.invoice_status == "open" else None

    @property
    def is_overruled(self) -> bool:
        """Whether what was scheduled is over, because a later upgrade was paid."""
        return self.schedule_id is not None and self.overruled_by == self.price.id


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What an account may use, and until when: it ends by itself, so that no answer of Stripe's is needed for that.

    ``status`` is the subscription's, or ``none``.
    """

    plan: str | None
    status: str
    ends_at: datetime | None
    subscription_id: str | None = None
    past_due_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it entitles to anything now."""
        return self.plan is not None and self.ends_at is not None and now < self.ends_at


NOTHING = Entitlement(None, "none", None)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The entitlement, and what somebody ought to look at: ``unknown_price``, ``several_subscriptions``."""

    entitlement: Entitlement
    alerts: tuple[tuple[str, str], ...] = ()


def judge(subscriptions: Iterable[Subscription], before: Entitlement, plan: str | None, now: datetime) -> Judgement:
    """What these subscriptions of one customer entitle to; ``before`` is what was found last, ``plan`` what holds now.

    Of several that are paid the best one counts. One with an unknown price leaves the account its plan.
    """
    known = sorted(subscriptions, key=lambda one: (_WORST_LAST.index(_status(one)), -_limit(one), one.id))
    alerts = [
        ("unknown_price", f"subscription {one.id} has the price {one.price.id}, which belongs to no plan")
        for one in known
        if one.is_live and one.price.plan is None
    ]
    alive = [one for one in known if one.is_live]
    if len(alive) > 1:
        alerts.append(("several_subscriptions", ", ".join(sorted(one.id for one in alive))))
    entitled = [entitlement for one in known if (entitlement := _entitlement(one, before, plan)).is_valid(now)]
    if entitled:
        best = max(entitled, key=lambda one: (PLANS[one.plan or ""].hourly_limit, one.status in PAID))
        return Judgement(best, tuple(alerts))
    return Judgement(_without(known, before), tuple(alerts))


def _status(subscription: Subscription) -> str:
    return subscription.status if subscription.status in _WORST_LAST else "paused"


def _limit(subscription: Subscription) -> int:
    return PLANS[subscription.price.plan].hourly_limit if subscription.price.plan else 0


def _entitlement(one: Subscription, before: Entitlement, plan: str | None) -> Entitlement:
    named = one.price.plan or plan
    if one.status in PAID:
        ends_at = one.period_end + GRACE
        return Entitlement(named, one.status, min(ends_at, one.ends_at or ends_at), one.id)
    if one.status == "past_due":
        is_same = before.subscription_id == one.id and before.past_due_at is not None
        since = before.past_due_at if is_same else (one.invoice_created_at or one.period_start)
        assert since is not None
        ends_at = since + GRACE
        return Entitlement(named, one.status, min(ends_at, one.ends_at or ends_at), one.id, since)
    return NOTHING


def _without(known: list[Subscription], before: Entitlement) -> Entitlement:
    """Nothing is paid for. What never began takes nothing away from an account that never had anything from here."""
    began = [one for one in known if one.status not in _NEVER_BEGAN]
    if not began:
        return before if before.subscription_id is None else Entitlement(None, "none", None, before.subscription_id)
    first = began[0]
    past_due_at = before.past_due_at if before.subscription_id == first.id and first.status == "past_due" else None
    status = "canceled" if first.status in PAID and first.price.plan is not None else first.status
    return Entitlement(None, status, None, first.id, past_due_at)
