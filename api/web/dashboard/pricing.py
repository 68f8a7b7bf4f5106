"""What the plans cost, what the hour means, and how long so many emails would take on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response

from api.web.dashboard.visitors import AnyGuest
from hourpost.rules.hour import SECOND_US, Schedule
from hourpost.rules.plans import BACKLOG_HOURS, PLANS, Plan

EXAMPLE = 10_000
MOST = 10_000_000

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Forecast:
    """When so many emails would be gone, sent all together into an empty hour."""

    plan: Plan
    at_once: int
    seconds: int
    fits: bool
    """Whether as many may wait at once."""


@router.get("/pricing")
async def get_pricing(visitor: AnyGuest, emails: str = "") -> Response:
    """The plans; the forecast alone where the script asks."""
    count = read_count(emails)
    forecasts = [forecast(plan, count or EXAMPLE) for plan in PLANS.values()]
    is_odd = bool(emails.strip()) and count is None
    given: dict[str, Any] = {"count": count or EXAMPLE, "forecasts": forecasts, "is_odd": is_odd}
    return await visitor.page("public/pricing.html", block="forecast", most=MOST, **given)


def read_count(text: str) -> int | None:
    """The number of emails that somebody typed, with or without commas; None for what is none."""
    plain = text.strip().replace(",", "").replace(" ", "").replace(".", "")
    if not plain.isascii() or not plain.isdigit() or len(plain) > len(str(MOST)):
        return None
    return int(plain) if 1 <= int(plain) <= MOST else None


def forecast(plan: Plan, count: int) -> Forecast:
    """How ``count`` emails would leave on a plan."""
    empty = Schedule.of(0, plan.hourly_limit, ())
    seconds = empty.when(count) // SECOND_US
    fits = count <= plan.hourly_limit * (BACKLOG_HOURS + 1)
    return Forecast(plan, min(count, plan.hourly_limit), seconds, fits)
