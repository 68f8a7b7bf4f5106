"""The page that somebody has before them: where a reload leads to after a form, and a log-in after a session's end."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import Match


def page_to_read(request: Request) -> str:
    """For an answered form the nearest page that can be read, so that nothing is made or sent twice; else nothing."""
    return _nearest(request, request.url.path) if request.method == "POST" else ""


def page_shown(request: Request) -> str:
    """The page, with its query, in which somebody asks: for a form and for a part of a page the one around it.

    Nothing where no browser says which.
    """
    if "hx-request" in request.headers:
        return _page_at(request, request.headers.get("hx-current-url", ""))
    if request.method == "GET" and request.headers.get("sec-fetch-dest", "document") == "document":
        return _page_at(request, str(request.url))
    return page_before(request)


def page_before(request: Request) -> str:
    """The page, with its query, from which somebody comes; nothing where no browser says which."""
    return _page_at(request, request.headers.get("referer", ""))


def _page_at(request: Request, address: str) -> str:
    path, query = _split(address)
    found = _nearest(request, path) if path else ""
    return f"{found}?{query}" if query and found == path else found


def _split(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError:  # no browser's
        return "", ""
    return parts.path, parts.query


def _nearest(request: Request, path: str) -> str:
    """The path, or from it up the first of a page that can be read."""
    while path and not _is_page(request, path):
        path = path.rpartition("/")[0]
    return path or "/"


def _is_page(request: Request, path: str) -> bool:
    asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)
