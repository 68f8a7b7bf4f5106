"""The addresses that errors name as their type: each says what the error means."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.web.answers import Json
from api.web.errors import STATUSES
from hourpost.errors import NotFound

router = APIRouter(prefix="/errors")


@router.get("/{name}")
async def explain_error(name: str) -> Response:
    """Say what an error means."""
    if name not in STATUSES:
        raise NotFound(f"There is no error {name[:60]!a}.")
    status, title = STATUSES[name]
    return Json({"object": "error", "name": name, "status": status, "title": title})
