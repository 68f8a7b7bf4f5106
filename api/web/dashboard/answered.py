"""The page that somebody has before them: where a reload leads to after a form, and a log-in after a session's end."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import Match, compile_path

NO_PAGES = frozenset(
    {
        "/app/hour",
        "/mail/hour",
        "/mail/waiting",
        "/mail/f/{folder}/{uid}/fate",
        "/app/emails/{email_id}/preview",
        "/mail/f/{folder}/{uid}/body",
        "/app/emails/{email_id}/source",
        "/app/emails/{email_id}/attachments/{number}",
        "/app/suppressions/export",
        "/mail/f/{folder}/{uid}/part/{section}",
        "/mail/f/{folder}/{uid}/source",
        "/static/{name}",
        "/mail/feed",
        "/mail/session",
        "/mail/people",
    }
)
"""What answers GET and is no page: parts, frames, files and streams. Nobody is led there, to stay where they were."""
_OF_NO_PAGES = tuple(compile_path(path)[0] for path in NO_PAGES)


def page_to_read(request: Request) -> str:
    """For an answered form the nearest page that can be read, so that nothing is made or sent twice; else nothing."""
    return _nearest(request, request.url.path) if request.method == "POST" else ""


def page_shown(request: Request) -> str:
    """The page, with its query, in which somebody asks: for a form, a file and a part of a page the one around it.

    Nothing where no browser says which.
    """
    if "hx-request" in request.headers:
        return _page_at(request, request.headers.get("hx-current-url", ""))
    if request.method == "GET" and request.headers.get("sec-fetch-dest", "document") == "document":
        asked = _page_at(request, str(request.url))
        return asked if _is_page(request, request.url.path) else page_before(request) or asked
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
    if any(pattern.match(path) for pattern in _OF_NO_PAGES):
        return False
    return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)
