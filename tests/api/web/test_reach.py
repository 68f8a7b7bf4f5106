"""Every route with a key of each kind, compared with what each may do; and what each finds behind those it may use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from tests.api.web.conftest import Customer, client_of
from tests.api.web.running import RunningWeb
from tests.cast import make_domain, make_key

KINDS = ("full", "sending", "reading", "test", "domain")
ALL = set(KINDS)
ANYBODY = (
    {("GET", f"/v1/{place}"): ALL for place in ("plans", "usage", "usage/forecast")}
    | {
        ("GET", f"/v1/emails/{{email_id}}{part}"): ALL
        for part in ("", "/events", "/attempts", "/raw", "/attachments", "/attachments/{attachment_id}")
    }
    | {("GET", "/v1/downloads/{file_of}/{place}"): ALL}
)
SENDERS = {
    (method, f"/v1/emails{part}"): {"full", "sending", "test", "domain"}
    for method, part in (("POST", ""), ("POST", "/batch"), ("POST", "/{email_id}/cancel"), ("PATCH", "/{email_id}"))
}
SHOWN_TO_TESTS = {
    ("GET", f"/v1/{place}"): {"full", "reading", "test", "domain"}
    for place in ("emails", "domains", "domains/{domain_id}", "suppressions", "suppressions/{suppression}")
}
OF_ONE_DOMAIN = {
    ("PATCH", "/v1/domains/{domain_id}"): {"full", "domain"},
    ("POST", "/v1/domains/{domain_id}/verify"): {"full", "domain"},
}
TABLE = ANYBODY | SENDERS | SHOWN_TO_TESTS | OF_ONE_DOMAIN


def expected(method: str, path: str) -> set[str]:
    """Who may: what is not in the table and is no credential or mailbox concerns the whole account, and is live."""
    if (method, path) in TABLE:
        return TABLE[method, path]
    bounded = {"test", "domain"} if path.startswith("/v1/api-keys") else set()
    bounded |= {"domain"} if path.startswith(("/v1/smtp-credentials", "/v1/mailboxes")) else set()
    return {"full", *bounded} | ({"reading"} if method == "GET" else set())


def operations(customer: Customer) -> list[tuple[str, str]]:
    paths = customer.http.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path in paths if path.startswith("/v1/") for method in paths[path]]


async def test_every_route_lets_in_the_keys_that_the_table_says(
    owner: Customer, database: Database, web: RunningWeb
) -> None:
    keys = {
        "full": NewCredential("k"),
        "sending": NewCredential("k", scope="sending"),
        "reading": NewCredential("k", scope="reading"),
        "test": NewCredential("k", test=True),
        "domain": NewCredential("k", domain_id=owner.domain.id),
    }
    asked = operations(owner)
    assert set(TABLE) <= set(asked)
    assert len(asked) > 70
    found = {place: set[str]() for place in asked}
    for kind, new in keys.items():
        with client_of(web, (await make_key(database, owner.account, new)).secret) as client:
            for method, path in asked:
                answer = client.request(method, re.sub(r"{.+?}", "nothing", path), json={} if method != "GET" else None)
                if answer.status_code != 403:
                    found[method, path].add(kind)
                else:
                    assert answer.json()["name"] == "restricted_api_key"
    assert found == {place: expected(*place) for place in asked}


@pytest.fixture
async def tester(owner: Customer, database: Database, web: RunningWeb) -> Iterator[httpx.Client]:
    with client_of(web, (await make_key(database, owner.account, NewCredential("t", test=True))).secret) as client:
        yield client


def test_a_test_key_sees_and_changes_test_emails_alone(owner: Customer, tester: httpx.Client) -> None:
    live = owner.send(scheduled_at="in 1 day").json()["id"]
    mine = tester.post("/v1/emails", json=owner.email(scheduled_at="in 1 day")).json()["id"]
    for path in (f"/v1/emails/{live}", f"/v1/emails/{live}/raw", f"/v1/emails/{live}/events"):
        assert tester.get(path).status_code == 404
    assert tester.post(f"/v1/emails/{live}/cancel").status_code == 404
    assert tester.patch(f"/v1/emails/{live}", json={"scheduled_at": "in 1 hour"}).status_code == 404
    assert owner.http.get(f"/v1/emails/{live}").json()["status"] == "scheduled"
    for query in ({}, {"to": "ada@example.net"}, {"status": "scheduled"}, {"subject": "Hello"}):
        assert [one["id"] for one in tester.get("/v1/emails", params=query).json()["data"]] == [mine], query
    assert tester.post(f"/v1/emails/{mine}/cancel").json()["status"] == "canceled"
    assert {one["id"] for one in owner.http.get("/v1/emails").json()["data"]} == {live, mine}


def test_a_test_key_knows_and_revokes_test_keys_alone(owner: Customer, tester: httpx.Client) -> None:
    live = owner.http.post("/v1/api-keys", json={"name": "live"}).json()["id"]
    made = tester.post("/v1/api-keys", json={"name": "more", "test": True}).json()["id"]
    assert [one["test"] for one in tester.get("/v1/api-keys").json()["data"]] == [True, True]
    assert tester.get(f"/v1/api-keys/{live}").status_code == 404
    assert tester.patch(f"/v1/api-keys/{live}", json={"name": "mine"}).status_code == 404
    assert tester.delete(f"/v1/api-keys/{live}").status_code == 404
    assert owner.http.get(f"/v1/api-keys/{live}").json()["name"] == "live"
    assert tester.delete(f"/v1/api-keys/{made}").status_code == 200


def test_a_test_and_a_live_email_have_keys_of_their_own(owner: Customer, tester: httpx.Client) -> None:
    asked = {"json": owner.email(), "headers": {"Idempotency-Key": "order-1"}}
    tried, real, again = (one.post("/v1/emails", **asked) for one in (tester, owner.http, owner.http))
    assert [one.headers["idempotency-replayed"] for one in (tried, real, again)] == ["false", "false", "true"]
    assert tester.post("/v1/emails", **asked).json()["id"] == tried.json()["id"]
    assert (again.json()["id"], real.json()["id"] != tried.json()["id"]) == (real.json()["id"], True)


async def test_a_key_for_one_domain_sees_what_that_domain_has(
    owner: Customer, database: Database, web: RunningWeb
) -> None:
    other = await make_domain(database, owner.account)
    key = (await make_key(database, owner.account, NewCredential("d", domain_id=other.id))).secret
    theirs = {
        "emails": owner.send(scheduled_at="in 1 day").json()["id"],
        "domains": owner.domain.public_id,
        "api-keys": owner.http.post("/v1/api-keys", json={"name": "k"}).json()["id"],
        "smtp-credentials": owner.http.post("/v1/smtp-credentials", json={"name": "k"}).json()["id"],
    }
    with client_of(web, key) as client:
        sent = client.post("/v1/emails", json=owner.email(scheduled_at="in 1 day") | {"from": f"a@{other.name}"})
        login = client.post("/v1/smtp-credentials", json={"name": "k"}).json()["id"]
        own = {"emails": sent.json()["id"], "domains": other.public_id, "smtp-credentials": login}
        for noun, strange in theirs.items():
            assert client.get(f"/v1/{noun}/{strange}").status_code == 404, noun
            listed = [one["id"] for one in client.get(f"/v1/{noun}").json()["data"]]
            assert len(listed) == 1, noun  # of keys, itself
            assert listed[0] == own.get(noun, listed[0])
        for noun in ("api-keys", "smtp-credentials"):
            assert client.delete(f"/v1/{noun}/{theirs[noun]}").status_code == 404
            assert client.patch(f"/v1/{noun}/{theirs[noun]}", json={"name": "x"}).status_code == 404
        assert client.post(f"/v1/emails/{theirs['emails']}/cancel").status_code == 404
        assert client.post(f"/v1/emails/{own['emails']}/cancel").status_code == 200
        assert client.post(f"/v1/domains/{other.public_id}/verify").status_code == 200


async def test_a_mailbox_with_an_address_elsewhere_is_out_of_the_reach_of_a_key_for_one_domain(
    owner: Customer, database: Database, web: RunningWeb
) -> None:
    other = await make_domain(database, owner.account)
    new = {"address": f"ada@{owner.domain.name}", "password": "a long password", "aliases": [f"a@{other.name}"]}
    both = owner.http.post("/v1/mailboxes", json=new).json()["id"]
    alone = owner.http.post("/v1/mailboxes", json=new | {"address": f"eve@{owner.domain.name}", "aliases": []}).json()
    key = (await make_key(database, owner.account, NewCredential("d", domain_id=owner.domain.id))).secret
    with client_of(web, key) as client:
        for method, part, body in (("GET", "", None), ("POST", "/app-passwords", {"name": "p"}), ("DELETE", "", None)):
            refused = client.request(method, f"/v1/mailboxes/{both}{part}", json=body)
            assert (refused.status_code, refused.json()["name"]) == (403, "restricted_api_key")
        assert [one["id"] for one in client.get("/v1/mailboxes").json()["data"]] == [alone["id"]]


@pytest.mark.parametrize("noun", ["api-keys", "smtp-credentials"])
async def test_a_key_that_expires_makes_nothing_that_outlives_it(
    owner: Customer, database: Database, web: RunningWeb, noun: str
) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    key = (await make_key(database, owner.account, NewCredential("e", expires_at=ends_at))).secret
    with client_of(web, key) as client:
        plain = client.post(f"/v1/{noun}", json={"name": "k"}).json()
        assert datetime.fromisoformat(plain["expires_at"]) == ends_at
        sooner = client.post(f"/v1/{noun}", json={"name": "k", "expires_at": "in 1 hour"})
        assert (sooner.status_code, datetime.fromisoformat(sooner.json()["expires_at"]) < ends_at) == (201, True)
        refused = client.post(f"/v1/{noun}", json={"name": "k", "expires_at": "in 2 days"}).json()
        assert (refused["name"], refused["errors"][0]["pointer"]) == ("restricted_api_key", "/expires_at")
