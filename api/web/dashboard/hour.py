"""The hour's meter by itself, for the script that asks again every few seconds."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.web.dashboard.meter import read_meter
from api.web.dashboard.visitors import AnyMember

router = APIRouter()


@router.get("/app/hour")
async def get_hour(visitor: AnyMember) -> Response:
    """The meter."""
    meter = await read_meter(visitor.parts, visitor.account)
    return await visitor.page("hour.html", block="hour", hour=meter)
