"""The plans."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.web.answers import Json
from api.web.dependencies import AnyCaller
from api.web.v1 import account_shapes as shapes
from api.web.v1.documented import route
from hourpost.rules.plans import PLANS, WINDOW_SECONDS, Plan

router = APIRouter(prefix="/plans", tags=["usage"])


@router.get("", **route("list_plans", shapes.PlansListed))
async def list_plans(_caller: AnyCaller) -> Response:
    """List the plans: what each costs and how many deliveries it allows in any 60 minutes."""
    return Json({"object": "list", "has_more": False, "data": [plan_view(plan) for plan in PLANS.values()]})


def plan_view(plan: Plan) -> dict[str, Any]:
    """A plan with its price in US cents a month."""
    return {
        "object": "plan",
        "name": plan.name,
        "title": plan.title,
        "price_cents": plan.price_cents,
        "currency": "usd",
        "limit": plan.hourly_limit,
        "window_seconds": WINDOW_SECONDS,
    }
