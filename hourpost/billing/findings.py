"""What Stripe said of one customer, and what of that an operator ought to look at. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hourpost.gateways.stripe import Invoice
from hourpost.rules.subscriptions import Subscription

Alert = tuple[str, str]
"""Its kind, and a detail that names the things at Stripe."""

_DISPUTE_LASTS = timedelta(days=120)
_ENDING_TAKES = timedelta(minutes=10)  # at most, from the reading that finds it unpaid until Stripe has ended it


@dataclass(frozen=True, slots=True)
class Found:
    """All that Stripe said of one customer at one time."""

    customer_id: str
    exists: bool
    subscriptions: tuple[Subscription, ...]
    invoices: tuple[Invoice, ...]

    @property
    def bills_left(self) -> list[Invoice]:
        """The bills that still ask for money for what was given up."""
        over = {one.id for one in self.subscriptions if one.is_given_up and not one.is_live}
        return [one for one in self.invoices if one.subscription_id in over and one.status in ("open", "uncollectible")]

    @property
    def going_on(self) -> list[Subscription]:
        """What goes on though it was being canceled, and remembers which plan was chosen to follow."""
        return [one for one in self.subscriptions if one.resumes_to and one.is_paid and one.ends_at is None]


def alerts_of(found: Found, closed_at: datetime | None, now: datetime) -> list[Alert]:
    """What to look at; ``closed_at`` is when the account was deleted."""
    late = "paid_when_ended" if closed_at is None else "paid_when_deleted"
    return [
        *_alert("disputed", "", (one for one in found.invoices if _is_new_dispute(one, now))),
        *_alert("bill_stays_open", "canceled, and to be voided: ", found.bills_left),
        *[("plan_does_not_follow", f"{one.id}: {one.resumes_to} was chosen") for one in found.going_on],
        *_alert(late, "to be given back: ", _paid_late(found, closed_at)),
    ]


def _alert(kind: str, words: str, invoices: Iterable[Invoice]) -> list[Alert]:
    names = sorted(one.number or one.id for one in invoices)
    return [(kind, words + ", ".join(names))] if names else []


def _is_new_dispute(one: Invoice, now: datetime) -> bool:
    """A charge stays disputed for ever, also when that has ended; nobody wants to look at it as long."""
    return one.is_disputed and now - one.created_at < _DISPUTE_LASTS


def _paid_late(found: Found, closed_at: datetime | None) -> list[Invoice]:
    """What was paid though it bought nothing any more: the account was deleted, or the plan was canceled as unpaid.

    A dispute has taken it back already.
    """
    over = {
        one.id: one.ends_at - _ENDING_TAKES
        for one in found.subscriptions
        if one.is_given_up and not one.is_live and one.ends_at is not None
    }
    late = []
    for one in found.invoices:
        since = [moment for moment in (closed_at, over.get(one.subscription_id or "")) if moment is not None]
        is_late = one.paid_at is not None and since and one.paid_at >= min(since).replace(microsecond=0)
        if is_late and not one.is_refunded and not one.is_disputed:
            late.append(one)
    return late
