"""No page is forgotten: each is pictured and searched for faults, and each is timed over a million emails."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from fastapi.routing import APIRoute

from api.web.dashboard import answered
from api.web.dashboard.routes import ROUTERS
from bench.pages import PAGES as TIMED
from bench.paid_pages import PAID_PAGES
from tests.end_to_end.corners import CORNERS
from tests.end_to_end.pages import PAGES

NO_PAGES = {
    "/app/hour": "the meter, which every page has",
    "/mail/hour": "the meter, which every page of mail has",
    "/mail/waiting": "a part of the folder Sent",
    "/mail/f/{folder}/{uid}/fate": "a part of a message",
    "/app/emails/{email_id}/preview": "the frame in an email's page",
    "/mail/f/{folder}/{uid}/body": "the frame in a message's page",
    "/app/emails/{email_id}/source": "a file",
    "/app/emails/{email_id}/attachments/{number}": "a file",
    "/app/suppressions/export": "a file",
    "/mail/f/{folder}/{uid}/part/{section}": "a file",
    "/mail/f/{folder}/{uid}/source": "a file",
    "/static/{name}": "a file",
    "/mail/feed": "a stream of events",
    "/mail/session": "tells the script whether the session stands",
    "/mail/people": "the addresses offered while one writes",
    "/app/plan/return": "leads back from Stripe to the plan",
}
"""What answers GET and is no page of its own, and what it is."""

UNTIMED = {
    "/login/second": "the same card as /login/again, between two steps of a log-in",
    "/password/mailed": "the same page as /signup/mailed",
    "/mail": "leads to the inbox",
}
"""Pages that the bench need not time, and why."""

ROUTES = [
    route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in route.methods  # in the order in which they are tried
]


def routes_of(paths: Iterable[str]) -> set[str]:
    """The routes that answer these; ``{places}`` stand for ids."""
    plain = [path.partition("?")[0] for path in paths if path]
    return {next((route.path for route in ROUTES if route.path_regex.match(path)), path) for path in plain}


EVERY = {route.path for route in ROUTES}


def test_what_is_no_page_and_what_is_not_timed_is_still_there() -> None:
    assert not (NO_PAGES.keys() | UNTIMED.keys()) - EVERY
    assert NO_PAGES.keys() - {"/app/plan/return"} == answered.NO_PAGES  # to which a log-in leads as well


def test_every_page_is_pictured_and_searched_for_faults() -> None:
    seen = routes_of([*(page.path for page in PAGES), *(corner.path for corner in CORNERS)])
    seen |= routes_of(corner.reaches for corner in CORNERS)
    assert EVERY - NO_PAGES.keys() - seen == set()
    assert not seen & NO_PAGES.keys()


def test_every_page_is_timed_over_a_million_emails() -> None:
    timed = routes_of([*TIMED.values(), *PAID_PAGES.values()])
    assert EVERY - NO_PAGES.keys() - UNTIMED.keys() - timed == set()
    assert not timed & UNTIMED.keys()


@pytest.mark.parametrize("names", [[page.name for page in PAGES], [corner.name for corner in CORNERS]], ids=len)
def test_no_picture_overwrites_another(names: list[str]) -> None:
    assert len(names) == len(set(names))
