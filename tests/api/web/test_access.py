"""Who may do what: keys, scopes, and strangers, for whom nothing is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from tests.api.web.conftest import Customer, client_of
from tests.api.web.running import RunningWeb
from tests.cast import make_domain, make_key

PLACES = [
    ("GET", "/v1/emails/{email}"),
    ("GET", "/v1/emails/{email}/events"),
    ("GET", "/v1/emails/{email}/attempts"),
    ("GET", "/v1/emails/{email}/raw"),
    ("GET", "/v1/emails/{email}/attachments"),
    ("POST", "/v1/emails/{email}/cancel"),
    ("PATCH", "/v1/emails/{email}"),
    ("GET", "/v1/domains/{domain}"),
    ("PATCH", "/v1/domains/{domain}"),
    ("POST", "/v1/domains/{domain}/verify"),
    ("DELETE", "/v1/domains/{domain}"),
    ("GET", "/v1/api-keys/{key}"),
    ("PATCH", "/v1/api-keys/{key}"),
    ("DELETE", "/v1/api-keys/{key}"),
    ("GET", "/v1/smtp-credentials/{smtp}"),
    ("PATCH", "/v1/smtp-credentials/{smtp}"),
    ("DELETE", "/v1/smtp-credentials/{smtp}"),
    ("GET", "/v1/suppressions/{suppression}"),
    ("DELETE", "/v1/suppressions/{suppression}"),
    ("GET", "/v1/webhooks/{webhook}"),
    ("PATCH", "/v1/webhooks/{webhook}"),
    ("DELETE", "/v1/webhooks/{webhook}"),
    ("POST", "/v1/webhooks/{webhook}/signing-secret/rotate"),
    ("POST", "/v1/webhooks/{webhook}/replay"),
    ("POST", "/v1/webhooks/{webhook}/test"),
    ("GET", "/v1/webhooks/{webhook}/events"),
    ("GET", "/v1/webhooks/{webhook}/events/{event}"),
    ("POST", "/v1/webhooks/{webhook}/events/{event}/replay"),
    ("GET", "/v1/webhooks/{webhook}/events/{event}/attempts"),
    ("GET", "/v1/mailboxes/{mailbox}"),
    ("PATCH", "/v1/mailboxes/{mailbox}"),
    ("DELETE", "/v1/mailboxes/{mailbox}"),
    ("GET", "/v1/mailboxes/{mailbox}/app-passwords"),
    ("GET", "/v1/mailboxes/{mailbox}/folders/inbox/messages"),
    ("GET", "/v1/mailboxes/{mailbox}/folders/inbox/changes"),
    ("GET", "/v1/mailboxes/{mailbox}/messages"),
]
BODIES = {"/v1/emails/{email}": {"scheduled_at": "in 1 hour"}}


@pytest.fixture
def owned(owner: Customer) -> dict[str, str]:
    hook = {"endpoint": "https://acme.example/", "events": ["email.scheduled"]}
    new = {"address": f"ada@{owner.domain.name}", "password": "a long password"}
    webhook = owner.http.post("/v1/webhooks", json=hook).json()["id"]
    owned = {
        "email": owner.send(scheduled_at="in 1 day").json()["id"],
        "domain": owner.domain.public_id,
        "key": owner.http.post("/v1/api-keys", json={"name": "k"}).json()["id"],
        "smtp": owner.http.post("/v1/smtp-credentials", json={"name": "k"}).json()["id"],
        "suppression": owner.http.post("/v1/suppressions", json={"email": "x@example.net"}).json()["id"],
        "webhook": webhook,
        "mailbox": owner.http.post("/v1/mailboxes", json=new).json()["id"],
    }
    event = owner.http.get(f"/v1/webhooks/{webhook}/events").json()["data"][0]["id"]
    return owned | {"event": event}


@pytest.mark.parametrize(("method", "place"), PLACES)
def test_only_the_owner_finds_what_is_theirs(
    owner: Customer, stranger: Customer, nobody: httpx.Client, owned: dict[str, str], method: str, place: str
) -> None:
    path, body = place.format(**owned), None
    if method == "PATCH":
        body = BODIES.get(
            place, {} if "domain" in place or "webhook" in place or "mailbox" in place else {"name": "other"}
        )
    strange = stranger.http.request(method, path, json=body)
    assert (strange.status_code, strange.json()["name"]) == (404, "not_found")
    unknown = nobody.request(method, path, json=body)
    assert (unknown.status_code, unknown.json()["name"]) == (401, "missing_api_key")
    assert owner.http.request(method, path, json=body).status_code == 200


def test_a_stranger_sees_nothing_in_lists(owner: Customer, stranger: Customer, owned: dict[str, str]) -> None:
    theirs = {stranger.domain.public_id}
    for noun in ("emails", "domains", "api-keys", "smtp-credentials", "suppressions", "webhooks", "mailboxes"):
        seen = {item["id"] for item in stranger.http.get(f"/v1/{noun}").json()["data"]}
        assert not seen & set(owned.values()), noun
        assert noun != "domains" or seen == theirs


def test_a_key_that_is_none_is_invalid(nobody: httpx.Client) -> None:
    for key in ("hp_live_nope", "x", "hp_smtp_" + "0" * 36):
        answer = nobody.get("/v1/emails", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["name"]) == (403, "invalid_api_key")


def test_other_schemes_are_no_key_at_all(nobody: httpx.Client) -> None:
    answer = nobody.post("/v1/emails", headers={"Authorization": "Basic eDp5"})
    assert (answer.status_code, answer.json()["name"]) == (401, "missing_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_is_refused_at_once(owner: Customer, web: RunningWeb) -> None:
    made = owner.http.post("/v1/api-keys", json={"name": "short"}).json()
    with client_of(web, made["token"]) as client:
        assert client.get("/v1/emails").status_code == 200
        owner.http.delete(f"/v1/api-keys/{made['id']}")
        deadline = 200
        while client.get("/v1/emails").status_code == 200 and deadline:
            deadline -= 1
        assert client.get("/v1/emails").json()["name"] == "invalid_api_key"
        assert deadline


@pytest.mark.parametrize("path", ["api-keys", "smtp-credentials"])
def test_a_scope_in_our_words_and_another_in_resends_are_refused(owner: Customer, path: str) -> None:
    def ask(scope: str, permission: str) -> httpx.Response:
        return owner.http.post(f"/v1/{path}", json={"name": "shop", "scope": scope, "permission": permission})

    refused = ask("full", "sending_access")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/permission")
    assert ask("reading", "full_access").status_code == 422
    assert ask("sending", "sending_access").json()["scope"] == "sending"


async def test_a_sending_key_sends_and_sees_what_it_sent_alone(
    owner: Customer, database: Database, web: RunningWeb
) -> None:
    key = (await make_key(database, owner.account, NewCredential("s", scope="sending"))).secret
    others = owner.send(scheduled_at="in 1 day").json()["id"]
    with client_of(web, key) as client:
        mine = client.post("/v1/emails", json=owner.email(scheduled_at="in 1 day")).json()["id"]
        assert client.get(f"/v1/emails/{mine}").status_code == 200
        assert client.post(f"/v1/emails/{mine}/cancel").status_code == 200
        assert client.get(f"/v1/emails/{others}").status_code == 404
        for path in ("/v1/emails", "/v1/domains", "/v1/api-keys", "/v1/suppressions"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key")


async def test_a_reading_key_changes_nothing(owner: Customer, database: Database, web: RunningWeb) -> None:
    key = (await make_key(database, owner.account, NewCredential("r", scope="reading"))).secret
    email = owner.send(scheduled_at="in 1 day").json()["id"]
    with client_of(web, key) as client:
        assert client.get("/v1/emails").status_code == 200
        for method, path, body in (
            ("POST", "/v1/emails", owner.email()),
            ("POST", f"/v1/emails/{email}/cancel", None),
            ("PATCH", f"/v1/emails/{email}", {"scheduled_at": "in 1 hour"}),
            ("POST", "/v1/suppressions", {"email": "x@example.net"}),
        ):
            answer = client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key"), path


async def test_a_key_for_one_domain_sends_from_no_other(owner: Customer, database: Database, web: RunningWeb) -> None:
    other = await make_domain(database, owner.account)
    key = (await make_key(database, owner.account, NewCredential("d", domain_id=other.id))).secret
    with client_of(web, key) as client:
        assert client.post("/v1/emails", json=owner.email() | {"from": f"a@{other.name}"}).status_code == 202
        refused = client.post("/v1/emails", json=owner.email())
        assert (refused.status_code, refused.json()["name"]) == (403, "restricted_api_key")


@pytest.mark.parametrize("noun", ["api-keys", "smtp-credentials"])
async def test_when_a_credential_ends_can_be_changed(owner: Customer, noun: str) -> None:
    path = f"/v1/{noun}/{owner.http.post(f'/v1/{noun}', json={'name': 'k'}).json()['id']}"
    changed = owner.http.patch(path, json={"name": "n", "expires_at": "2090-01-01T00:00:00Z"}).json()
    assert (changed["name"], changed["expires_at"]) == ("n", "2090-01-01T00:00:00Z")
    assert owner.http.patch(path, json={"name": "m"}).json()["expires_at"] == "2090-01-01T00:00:00Z"
    for wrong in ("2020-01-01T00:00:00Z", "soon", ""):
        assert owner.http.patch(path, json={"expires_at": wrong}).json()["errors"][0]["pointer"] == "/expires_at"
    assert owner.http.patch(path, json={"expires_at": None}).json()["expires_at"] is None
    assert owner.http.delete(path).status_code == 200
    assert owner.http.patch(path, json={"expires_at": "in 2 days"}).status_code == 404


async def test_a_key_that_ends_lets_nothing_outlive_it(owner: Customer, database: Database, web: RunningWeb) -> None:
    end = datetime.now(UTC) + timedelta(days=1)
    issued = await make_key(database, owner.account, NewCredential("short", expires_at=end))
    other = owner.http.post("/v1/api-keys", json={"name": "long"}).json()["id"]
    with client_of(web, issued.secret) as client:
        for key in (other, issued.credential.public_id):
            for wanted in ("in 2 days", None):
                refused = client.patch(f"/v1/api-keys/{key}", json={"expires_at": wanted})
                assert (refused.status_code, refused.json()["name"]) == (403, "restricted_api_key")
            assert client.patch(f"/v1/api-keys/{key}", json={"expires_at": "in 2 hours"}).status_code == 200


@pytest.mark.parametrize("noun", ["api-keys", "smtp-credentials"])
async def test_a_key_for_one_domain_makes_credentials_for_no_other(
    owner: Customer, database: Database, web: RunningWeb, noun: str
) -> None:
    own, other = owner.domain.public_id, (await make_domain(database, owner.account)).public_id
    key = (await make_key(database, owner.account, NewCredential("d", domain_id=owner.domain.id))).secret
    with client_of(web, key) as client:
        for asked in ({}, {"domain_id": own}):
            made = client.post(f"/v1/{noun}", json={"name": "k"} | asked)
            assert (made.status_code, made.json()["domain_id"]) == (201, own)
        refused = client.post(f"/v1/{noun}", json={"name": "k", "domain_id": other}).json()
        assert (refused["name"], refused["errors"][0]["pointer"]) == ("restricted_api_key", "/domain_id")


async def test_a_key_for_one_domain_reaches_the_mailboxes_of_no_other(
    owner: Customer, database: Database, web: RunningWeb
) -> None:
    other, secret = await make_domain(database, owner.account), {"password": "a long password"}
    theirs = owner.http.post("/v1/mailboxes", json={"address": f"eve@{other.name}"} | secret).json()["id"]
    key = (await make_key(database, owner.account, NewCredential("d", domain_id=owner.domain.id))).secret
    with client_of(web, key) as client:
        own = client.post("/v1/mailboxes", json={"address": f"ada@{owner.domain.name}"} | secret)
        assert own.status_code == 201, own.text
        mine = f"/v1/mailboxes/{own.json()['id']}"
        for method, path, body in (
            ("POST", "/v1/mailboxes", {"address": f"eva@{other.name}"} | secret),
            ("POST", "/v1/mailboxes", {"address": f"bob@{owner.domain.name}", "aliases": [f"b@{other.name}"]} | secret),
            ("POST", f"{mine}/aliases", {"alias": f"ada@{other.name}"}),
            ("POST", f"/v1/mailboxes/{theirs}/app-passwords", {"name": "phone"}),
            ("PATCH", f"/v1/mailboxes/{theirs}", secret),
        ):
            refused = client.request(method, path, json=body)
            assert (refused.status_code, refused.json()["name"]) == (403, "restricted_api_key"), (path, body)
        assert client.post(f"{mine}/aliases", json={"alias": f"a@{owner.domain.name}"}).status_code == 201


async def test_a_test_key_makes_nothing_that_sends(owner: Customer, database: Database, web: RunningWeb) -> None:
    key = (await make_key(database, owner.account, NewCredential("t", test=True))).secret
    new = {"address": f"ada@{owner.domain.name}", "password": "a long password"}
    mailbox = f"/v1/mailboxes/{owner.http.post('/v1/mailboxes', json=new).json()['id']}"
    with client_of(web, key) as client:
        for method, path, body in (
            ("POST", "/v1/api-keys", {"name": "k"}),
            ("POST", "/v1/smtp-credentials", {"name": "k"}),
            ("POST", "/v1/mailboxes", new | {"address": f"eve@{owner.domain.name}"}),
            ("PATCH", mailbox, {"password": "another long password"}),
            ("POST", f"{mailbox}/app-passwords", {"name": "phone"}),
        ):
            refused = client.request(method, path, json=body)
            assert (refused.status_code, refused.json()["name"]) == (403, "restricted_api_key")
        assert client.post("/v1/api-keys", json={"name": "k", "test": True}).json()["test"] is True


async def test_too_many_requests_in_a_second_are_refused(owner: Customer, web: RunningWeb) -> None:
    rate = web.app.state.rate
    rate._per_second, before = 3, rate._per_second
    try:
        answers = [owner.http.get("/v1/plans") for _ in range(12)]
    finally:
        rate._per_second = before
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["limit"] == "requests"
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["ratelimit-limit"] == "3"
    assert (refused[0].headers["ratelimit-remaining"], refused[0].headers["ratelimit-reset"]) == ("0", "1")
