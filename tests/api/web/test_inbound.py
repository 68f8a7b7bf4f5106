"""Routes of incoming mail and what came by them, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from hourpost.database import Database
from hourpost.flow.forward import Forwarding
from hourpost.flow.keep import Keeper
from hourpost.flow.receive import Envelope, Receiver
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.hour import RedisHour
from hourpost.mailboxes.store import MailStore
from tests.api.web.conftest import Customer
from tests.fakes.bell import Bell
from tests.inbound.house import HOP, HOSTNAME, FixedAuthentication

LETTER = (
    b'From: Ada <ada@far.example>\r\nSubject: help\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nIt does not work.\r\n"
    b'--b\r\nContent-Type: image/png; name="s.png"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n'
)


@pytest_asyncio.fixture
async def receiver(database: Database, redis_url: str) -> AsyncIterator[Receiver]:
    clock, hour = SystemClock(), RedisHour(redis_url)
    forwarding = Forwarding(database, hour, Bell().ring, clock)
    keeper = Keeper(database, MailStore(database, RedisFolderFeed(redis_url), clock), forwarding, clock)
    yield Receiver(keeper, FixedAuthentication(), clock, HOSTNAME)
    await hour.aclose()


def make_route(owner: Customer, **fields: Any) -> dict[str, Any]:
    body = {"pattern": f"Support@{owner.domain.name}", "url": "https://acme.example/inbound"} | fields
    answer = owner.http.post("/v1/inbound/routes", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_mail_that_comes_by_a_route_is_listed_and_read(receiver: Receiver, owner: Customer, stranger: Customer):
    route = make_route(owner)
    assert route["signing_secret"].startswith("whsec_")
    assert route["pattern"] == f"support@{owner.domain.name}"
    found = await receiver.find(route["pattern"])
    assert found is not None
    await receiver.receive(Envelope(HOP, "ada@far.example", (found,)), LETTER)
    (one,) = owner.http.get("/v1/inbound", params={"to": route["pattern"]}).json()["data"]
    assert (one["from"], one["subject"], one["route_id"]) == ("Ada <ada@far.example>", "help", route["id"])
    read = owner.http.get(f"/v1/inbound/{one['id']}").json()
    assert read["text"] == "It does not work."
    (attachment,) = read["attachments"]
    got = owner.http.get(f"/v1/inbound/{one['id']}/attachments/{attachment['id']}")
    assert (got.content, got.headers["content-type"]) == (b"\x89PNG", "application/octet-stream")
    assert owner.http.get(f"/v1/inbound/{one['id']}/attachments/9").status_code == 404
    raw = owner.http.get(f"/v1/inbound/{one['id']}/raw")
    assert raw.content.endswith(LETTER)
    assert stranger.http.get(f"/v1/inbound/{one['id']}").status_code == 404
    assert owner.http.get("/v1/inbound", params={"to": "other@x.test"}).json()["data"] == []


def test_routes_are_listed_and_ended(owner: Customer, stranger: Customer):
    route = make_route(owner)
    assert [one["id"] for one in owner.http.get("/v1/inbound/routes").json()["data"]] == [route["id"]]
    assert stranger.http.delete(f"/v1/inbound/routes/{route['id']}").status_code == 404
    assert owner.http.get(f"/v1/inbound/routes/{route['id']}").json()["url"] == route["url"]
    assert owner.http.delete(f"/v1/inbound/routes/{route['id']}").json()["deleted"] is True
    assert owner.http.get(f"/v1/inbound/routes/{route['id']}").status_code == 404


def test_a_route_for_a_domain_of_others_is_refused(owner: Customer, stranger: Customer):
    body = {"pattern": f"*@{stranger.domain.name}", "url": "https://acme.example/inbound"}
    answer = owner.http.post("/v1/inbound/routes", json=body)
    assert (answer.status_code, answer.json()["name"]) == (403, "domain_not_verified")
