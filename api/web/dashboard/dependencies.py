"""Ids and cursors in the addresses of pages."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request

from hourpost.errors import NotFound
from hourpost.pages import DEFAULT_LIMIT, Cursor, Page
from hourpost.rules.ids import from_text


def id_in(prefix: str, text: str, noun: str) -> UUID:
    """The id in a path. Raises: NotFound for what cannot be one."""
    found = from_text(prefix, text)
    if found is None:
        raise NotFound(f"There is no such {noun}.")
    return found


def cursor_of(request: Request, prefix: str, limit: int = DEFAULT_LIMIT) -> Cursor:
    """Which page of a list the address asks for, by ``after`` or ``before``; the newest for what cannot be one."""
    query = request.query_params
    after, before = (from_text(prefix, query.get(name, "")) for name in ("after", "before"))
    return Cursor(limit, after, None if after else before)


def pager_links(request: Request, cursor: Cursor, page: Page[object], first: str, last: str) -> dict[str, str]:
    """The addresses of the newer and the older page, "" where there is none; ``first`` and ``last`` are ids shown."""
    if not page.data:
        return {"newer": "", "older": ""}
    is_newest = cursor.after is None and (cursor.before is None or not page.has_more)
    is_oldest = cursor.before is None and not page.has_more
    return {
        "newer": "" if is_newest else _address(request, "before", first),
        "older": "" if is_oldest else _address(request, "after", last),
    }


def _address(request: Request, end: str, value: str) -> str:
    kept = [(name, text) for name, text in request.query_params.multi_items() if name not in ("after", "before")]
    return f"{request.url.path}?{urlencode([*kept, (end, value)])}"
