"""Built scripts, styles and fonts, under names that hold the hash of what is in them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from hourpost.errors import NotFound

FOLDER = Path(__file__).with_name("static")
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml"}

router = APIRouter()


@cache
def manifest() -> dict[str, str]:
    """The built name of each source. Raises: RuntimeError when nothing is built."""
    try:
        found: dict[str, str] = json.loads((FOLDER / "manifest.json").read_text())
    except FileNotFoundError as error:
        raise RuntimeError("the dashboard's assets are not built: `make assets` does it") from error
    return found


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in FOLDER.iterdir() if path.suffix in _TYPES)


def address_of(source: str) -> str:
    """The path under which a source is served."""
    return f"/static/{manifest()[source]}"


@router.get("/static/{name}")
async def get_static(name: str) -> Response:
    """One built file; kept by browsers for ever, because another content has another name."""
    if name not in _names():
        raise NotFound("There is no such file.")
    path = FOLDER / name
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_FOR_EVER)
