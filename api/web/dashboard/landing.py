"""The first page: what Hourpost is and for whom."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.web.dashboard.visitors import AnyGuest

router = APIRouter()


@router.get("/")
async def get_landing(visitor: AnyGuest) -> Response:
    """The landing page."""
    return await visitor.page("public/landing.html")
