"""All pages: which modules they come from, and which paths are theirs and not the REST API's."""

from __future__ import annotations

from fastapi import APIRouter

from api.web.dashboard import (
    account,
    credentials,
    domains,
    emails,
    hour,
    landing,
    login,
    overview,
    statics,
    suppressions,
)

PAGES = frozenset({"", "app", "static", "login", "logout"})
"""First segments of the paths that the dashboard answers; every other is the REST API's."""

ROUTERS: tuple[APIRouter, ...] = (
    landing.router,
    login.router,
    overview.router,
    emails.router,
    domains.router,
    credentials.router,
    suppressions.router,
    hour.router,
    account.router,
    statics.router,
)


def is_page(path: str) -> bool:
    """Whether the dashboard answers this path."""
    return path[1:].partition("/")[0] in PAGES
