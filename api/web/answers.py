"""Answers: JSON written by orjson, moments in UTC, and the headers that tell how full the hour is."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from hourpost.errors import Quota
from hourpost.pages import Page
from hourpost.rules.ids import to_text
from hourpost.rules.plans import WINDOW_SECONDS
from hourpost.rules.submission import Usage

_OPTIONS = orjson.OPT_UTC_Z
_TYPE = (b"content-type", b"application/json")


class Json(Response):
    """A JSON object; never without a body."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> None:
        """Set what Response would set, in a third of the time."""
        self.status_code = status_code
        self.background = None
        self.body = orjson.dumps(content, option=_OPTIONS)
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), _TYPE]
        if headers:
            self.raw_headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def list_of(page: Page[dict[str, Any]]) -> Json:
    """The answer of a list."""
    return Json({"object": "list", "has_more": page.has_more, "data": page.data})


def search_of(page: Page[dict[str, Any]], prefix: str) -> Json:
    """The answer of a search; where it ended before its page was full it says how far it came."""
    if page.searched_to is None:
        return list_of(page)
    reached = to_text(prefix, page.searched_to)
    return Json({"object": "list", "has_more": page.has_more, "data": page.data, "searched_to": reached})


def quota_of(usage: Usage) -> Quota:
    """The hour as a quota."""
    return Quota("plan", usage.limit, WINDOW_SECONDS, usage.remaining, usage.resets_in_seconds)


def rate_headers(quota: Quota) -> dict[str, str]:
    """RateLimit headers: the structured draft and the three that older clients read."""
    limit, left, reset = quota.limit, quota.remaining, quota.resets_in_seconds
    return {
        "RateLimit-Policy": f'"{quota.name}";q={limit};w={quota.window_seconds}',
        "RateLimit": f'"{quota.name}";r={left};t={reset}',
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(left),
        "RateLimit-Reset": str(reset),
    }
