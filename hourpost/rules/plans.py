"""The plans: what they cost and how many emails an hour they allow."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_SECONDS = 3600
BACKLOG_HOURS = 24


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan: its name, price in US cents a month, and deliveries in any 60 minutes."""

    name: str
    price_cents: int
    hourly_limit: int

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.capitalize()


PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("path", 5000, 1000),
        Plan("normal", 14500, 1500),
        Plan("premium", 18500, 3000),
        Plan("skilled", 22500, 5000),
    )
}


def hourly_limit(plan: str | None, own_limit: int | None) -> int:
    """Deliveries an account may hand over in any 60 minutes; 0 without a plan (test mode only)."""
    if plan is None:
        return 0
    return own_limit if own_limit is not None else PLANS[plan].hourly_limit
