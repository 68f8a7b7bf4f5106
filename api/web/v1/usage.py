"""The hour: how much of it is used, and when something would be through."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.web.answers import Json, quota_of, rate_headers
from api.web.dependencies import AnyCaller, ThePartsOf
from api.web.parts import Parts
from api.web.v1 import account_shapes as shapes
from api.web.v1.documented import route
from api.web.v1.plans import plan_view
from hourpost.flow import limit
from hourpost.rules.hour import Schedule
from hourpost.rules.hour_tokens import Reading
from hourpost.rules.plans import PLANS, WINDOW_SECONDS
from hourpost.rules.submission import Standing, Usage

MAX_FORECAST = 10_000_000

router = APIRouter(prefix="/usage", tags=["usage"])


@router.get("", **route("get_usage", shapes.UsageShape))
async def get_usage(caller: AnyCaller, parts: ThePartsOf) -> Response:
    """See how much of the plan's hour is used, how much is held, and until when."""
    if not caller.limit:
        return Json(_empty(caller) | await _stopped(parts, caller))
    reading = await _read(parts, caller)
    left = limit.seconds_to_next(reading)
    usage = Usage(caller.limit, reading.used, reading.remaining, reading.waiting, left)
    return Json(_usage(caller, reading), headers=rate_headers(quota_of(usage)))


@router.get("/forecast", **route("get_forecast", shapes.ForecastShape))
async def get_forecast(
    caller: AnyCaller,
    parts: ThePartsOf,
    emails: Annotated[int, Query(ge=1, le=MAX_FORECAST, description="How many deliveries you mean to send now.")],
) -> Response:
    """See when so many deliveries would be through if they came now: on this plan, and on each higher one.

    Without a plan there are those that one may choose.
    """
    reading = await _read(parts, caller)
    others = [plan for plan in PLANS.values() if plan.hourly_limit > _least(caller)]
    now = limit.to_moment(reading.now_us)
    return Json(
        {
            "object": "forecast",
            "emails": emails,
            "held": reading.waiting,
            "plan": {"name": caller.plan, "limit": caller.limit} | _through(reading, caller.limit, emails, now)
            if caller.limit
            else None,
            "higher_plans": [plan_view(plan) | _through(reading, plan.hourly_limit, emails, now) for plan in others],
        }
    )


def _least(caller: Standing) -> int:
    """What a higher plan has more than: the account's limit, and where that is lower than its plan's, the plan's."""
    plan = None if caller.lapsed else PLANS.get(caller.plan or "")
    return max(caller.limit, plan.hourly_limit if plan else 0)


async def _stopped(parts: Parts, caller: Standing) -> dict[str, Any]:
    """What left and what waits of an account whose plan has ended or was taken away; nobody knows until when."""
    reading = await _read(parts, caller)
    return {"used": reading.used, "held": reading.waiting}


async def _read(parts: Parts, caller: Standing) -> Reading:
    return await limit.read(parts.hour, parts.database, caller.account_id, caller.limit or 1)


def _through(reading: Reading, hourly_limit: int, emails: int, now: datetime) -> dict[str, Any]:
    schedule = Schedule.of(reading.now_us, hourly_limit, reading.schedule.slots)
    through_at = limit.to_moment(schedule.when(reading.waiting + emails))
    return {"through_at": through_at, "seconds": max(0, int((through_at - now).total_seconds()))}


def _usage(caller: Standing, reading: Reading) -> dict[str, Any]:
    waiting = reading.waiting
    return {
        "object": "usage",
        "plan": caller.plan,
        "limit": caller.limit,
        "window_seconds": WINDOW_SECONDS,
        "used": reading.used,
        "remaining": reading.remaining,
        "resets_at": limit.to_moment(reading.resets_at_us) if reading.used else None,
        "held": waiting,
        "next_release_at": limit.to_moment(reading.schedule.when(1)) if waiting else None,
        "held_until": limit.to_moment(reading.schedule.when(waiting)) if waiting else None,
    }


def _empty(caller: Standing) -> dict[str, Any]:
    counts = {"limit": 0, "window_seconds": WINDOW_SECONDS, "used": 0, "remaining": 0, "resets_at": None, "held": 0}
    return {"object": "usage", "plan": caller.plan, **counts, "next_release_at": None, "held_until": None}
