"""The first page after the log-in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.web.dashboard.visitors import AnyMember

router = APIRouter()


@router.get("/app")
async def get_overview(visitor: AnyMember) -> Response:
    """The overview."""
    return await visitor.page("overview.html")
