"""Routes of incoming mail in the dashboard."""

from __future__ import annotations

from datetime import UTC, datetime

from hourpost.database import Database
from hourpost.inbound.addressees import Route
from hourpost.inbound.arrivals import Arrival, Told, store_arrival
from hourpost.rules.ids import new_id
from tests.api.web.dashboard.people import Cast
from tests.cast import make_domain


async def test_a_route_is_added_seen_and_deleted(cast: Cast, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    pattern, url = f"support@{domain.name}", "https://hooks.example/in"
    made = cast["owner"].post("/app/inbound", {"pattern": pattern, "url": url})
    assert "whsec_" in cast["owner"].get(made.headers["location"]).text
    page = cast["owner"].get("/app/inbound").text
    assert pattern in page
    assert url in page
    assert pattern not in cast["stranger"].get("/app/inbound").text
    action = page.partition('action="/app/inbound/')[2].partition('"')[0]
    assert cast["stranger"].post(f"/app/inbound/{action}").status_code == 404
    assert cast["viewer"].post(f"/app/inbound/{action}").status_code == 403
    assert cast["owner"].post(f"/app/inbound/{action}").headers["location"] == "/app/inbound"
    assert url not in cast["owner"].get("/app/inbound").text
    assert "deleted a route of incoming mail" in cast["owner"].get("/app/audit").text


async def test_the_webhook_of_a_route_says_so_and_is_not_deleted_under_it(cast: Cast, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    owner, pattern = cast["owner"], f"support@{domain.name}"
    place = owner.post("/app/inbound", {"pattern": pattern, "url": "https://hooks.example/in"}).headers["location"]
    page = owner.get(place).text
    assert f"It posts the mail for <code>{pattern}</code>" in page
    assert f'action="{place}/delete"' not in page
    assert owner.post(f"{place}/delete").headers["location"] == place
    assert f"posts the mail for {pattern} by this webhook: delete the route" in owner.get(place).text
    owner.post(f"{place}/events", {})
    assert "It is told of these from now on." in owner.get(place).text


async def test_every_fault_is_said_beside_its_field(cast: Cast) -> None:
    answer = cast["owner"].post("/app/inbound", {"pattern": "nobody", "url": "nowhere"})
    assert answer.status_code == 422
    assert 'id="pattern-fault"' in answer.text
    assert 'id="url-fault"' in answer.text


async def test_the_latest_mail_is_shown_and_is_only_text(cast: Cast, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    route = Route(new_id(), f"*@{domain.name}", cast.account.id, new_id())
    subject, now = "<script>alert(1)</script>", datetime.now(UTC)
    arrival = Arrival(new_id(), route, f"x@{domain.name}", "", "Ada <ada@far.test>", subject, "", None, b"\r\n", now)
    async with database.hot_transaction() as connection:
        await store_arrival(connection, arrival, Told("{}", "{}"))
    page = cast["owner"].get("/app/inbound").text
    assert "&lt;script&gt;alert(1)" in page
    assert subject not in page
    assert subject not in cast["stranger"].get("/app/inbound").text
