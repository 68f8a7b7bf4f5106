"""From one plan to another: which way it goes, when it begins, and what does not allow it. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hourpost.errors import Conflict
from hourpost.gateways.stripe import Preview
from hourpost.rules.plans import PLANS
from hourpost.rules.subscriptions import PAID, Price, Subscription

_PREVIEW_HOLDS = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Move:
    """A change of plan: ``kind`` is upgrade (now, against ``preview``), downgrade (at ``starts_at``) or same.

    ``instead_of`` is the plan that was chosen to follow before, and then does not.
    """

    kind: str
    from_plan: str | None
    to_plan: str
    price_cents: int
    starts_at: datetime
    instead_of: str | None = None
    preview: Preview | None = None

    def costing(self, preview: Preview) -> Move:
        """The same move with what it costs at once."""
        return replace(self, preview=preview)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What goes on: ``next_plan`` follows at that price (None: as it stood), ``dropped_plan`` was to and cannot."""

    next_plan: str | None = None
    price_cents: int | None = None
    dropped_plan: str | None = None


def current_of(subscriptions: Sequence[Subscription]) -> Subscription:
    """The subscription to change: the best that is alive. Raises: Conflict without one."""
    alive = [one for one in subscriptions if one.is_live]
    if not alive:
        raise Conflict("not_subscribed", "There is no subscription: choose a plan first.")
    return max(alive, key=lambda one: (one.status in PAID, one.price.amount_cents or 0, one.id))


def move_of(current: Subscription, plan: str, price: Price, now: datetime) -> Move:
    """What it means to change the subscription to that plan. Raises: Conflict."""
    if current.status == "paused":
        raise Conflict("paused", "This subscription is paused: write to support, or cancel it and choose anew.")
    if current.status not in PAID:
        raise Conflict("payment_due", "The open invoice comes first: pay it, then change the plan.")
    if current.ends_at is not None:
        raise Conflict("ending", "This subscription is about to end: resume it first, then change the plan.")
    if current.items != 1 or current.price.plan is None:
        raise Conflict("unusual_subscription", "This subscription cannot be changed here; please write to support.")
    cents = price.amount_cents if price.amount_cents is not None else PLANS[plan].price_cents
    if plan == current.price.plan:
        kept = current.price.amount_cents  # which may be an earlier price of the plan
        return Move("same", plan, plan, cents if kept is None else kept, now, current.next_plan)
    if PLANS[plan].hourly_limit > PLANS[current.price.plan].hourly_limit:
        return Move("upgrade", current.price.plan, plan, cents, now, current.next_plan)
    return Move("downgrade", current.price.plan, plan, cents, current.period_end, current.next_plan)


def resumed(before: Subscription, after: Subscription, price: Price | None) -> Resumed:
    """What follows a subscription that goes on again; ``price`` is that of the plan that does."""
    dropped = before.resumes_to if before.resumes_to not in (after.next_plan, after.price.plan) else None
    return Resumed(after.next_plan, price.amount_cents if price is not None else None, dropped)


def check_moment(at: datetime, current: Subscription, now: datetime) -> None:
    """Refuse to charge for a moment other than the one that was shown lately. Raises: Conflict."""
    if not max(now - _PREVIEW_HOLDS, current.period_start) <= at <= now:
        raise Conflict("preview_too_old", "The price may have changed meanwhile: please look at it again.")
