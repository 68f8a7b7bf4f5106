"""Pages that answer a form by themselves: where a reload leads to, so that nothing is made or sent a second time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match


def page_to_read(request: Request) -> str:
    """For an answered form the nearest page that can be read, from its address up; else nothing."""
    if request.method != "POST":
        return ""
    path = request.url.path
    while path and not _is_page(request, path):
        path = path.rpartition("/")[0]
    return path or "/"


def _is_page(request: Request, path: str) -> bool:
    asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)
