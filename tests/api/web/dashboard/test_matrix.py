"""Every route as every role, a stranger and nobody, compared with the table of what each may do."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from api.web.dashboard.routes import PAGES, ROUTERS
from api.web.dashboard.statics import manifest
from hourpost.database import Database
from hourpost.rules.ids import to_text
from hourpost.users.members import list_invitations
from hourpost.users.queries import USER_PREFIX
from tests.api.web.dashboard.mail import make_email, make_mailbox, make_webhook
from tests.api.web.dashboard.matrix import ANSWERED_AT_ONCE, ELSEWHERE, EVERYBODY, ROWS, STAFF, Row
from tests.api.web.dashboard.people import Cast, Surfer, make_cast, make_member
from tests.api.web.running import RunningWeb
from tests.cast import make_domain

_cast: list[Cast] = []


@pytest.fixture
async def everybody(site: RunningWeb, database: Database, own_account: None) -> Cast:
    """One cast for the whole table."""
    if not _cast:
        _cast.append(await make_cast(database, site.url))
        _cast[0].things |= await things_of(database, site, _cast[0])
    return _cast[0]


async def things_of(database: Database, site: RunningWeb, cast: Cast) -> dict[str, str]:
    """What the places of the table's paths stand for; rows of new pages add theirs."""
    extra = await make_member(database, site.url, cast.account, "viewer")
    cast["owner"].post("/app/team/invite", {"email": f"{extra.user_id}@acme.test", "role": "viewer"})
    async with database.reading() as connection:
        invitations = await list_invitations(connection, cast.account.id, datetime.now(UTC))
    domain = await make_domain(database, cast.account)
    return {
        "asset": manifest()["app.css"],
        "account_id": cast.account.public_id,
        "email_id": await make_email(database, cast.account),
        "domain_id": domain.public_id,
        "mailbox_id": (await make_mailbox(database, cast.account, domain)).public_id,
        "webhook_id": await make_webhook(database, cast.account),
        "viewer_id": to_text(USER_PREFIX, _id_of(cast["viewer"])),
        "extra_id": to_text(USER_PREFIX, _id_of(extra)),
        "invitation_id": invitations[0].public_id,
    }


def _id_of(surfer: Surfer) -> UUID:
    assert surfer.user_id is not None
    return surfer.user_id


def expected(row: Row, who: str) -> set[int]:
    if who in row.who:
        return {row.status}
    if who == "nobody":
        return {303}
    if not row.who:
        return {row.status}
    if row.who == STAFF:
        return {404}
    if who in ("stranger", "staff"):
        has_places = "{" in row.path or any("{" in value for value in row.form.values())
        return {404} if has_places else {row.status}
    return {403}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_may_do_what_the_table_says(everybody: Cast, row: Row) -> None:
    path = row.path.format(**everybody.things)
    form = {name: value.format(**everybody.things) for name, value in row.form.items()}
    for who in EVERYBODY[::-1]:  # the owner last, who may change what others look at
        if row.once and who in row.who[1:]:
            continue
        surfer = everybody[who]
        answer = surfer.get(path) if row.method == "GET" else surfer.post(path, form)
        assert answer.status_code in expected(row, who), f"{who}: {answer.status_code} {answer.text[:300]}"
        if who == "nobody" and who not in row.who:
            assert answer.headers["location"].startswith("/login")


def test_every_route_is_in_the_table() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    listed = {(row.method, row.template) for row in ROWS} | set(ELSEWHERE)
    assert not routes - listed
    assert not listed - routes


def test_a_form_that_was_sent_is_not_sent_again_by_loading_the_page_anew() -> None:
    assert {row.template for row in ROWS if row.method == "POST" and row.status == 200} == ANSWERED_AT_ONCE


def test_no_page_stands_in_the_way_of_the_rest_api() -> None:
    taken = {"emails", "domains", "api-keys", "smtp-credentials", "suppressions", "usage", "plans", "v1", "docs"}
    assert not PAGES & taken
