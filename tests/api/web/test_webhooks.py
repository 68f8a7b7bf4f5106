"""Webhooks by REST, and by the official client of Resend, unmodified."""

from __future__ import annotations

from typing import Any

import pytest
import resend

from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from hourpost.flow.receive import Receiver
from hourpost.webhooks.kinds import KINDS
from tests.api.web.arriving import arrive, make_route
from tests.api.web.conftest import Customer, client_of
from tests.api.web.running import RunningWeb
from tests.cast import make_key

GOOD = {"endpoint": "https://acme.example/hooks", "events": ["email.sent", "email.scheduled"]}


@pytest.fixture
def client(web: RunningWeb, owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", web.url)
    monkeypatch.setattr(resend, "api_key", owner.key)


def make(owner: Customer, **fields: Any) -> dict[str, Any]:
    answer = owner.http.post("/v1/webhooks", json=GOOD | fields)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def test_the_client_of_resend_manages_webhooks(client: None) -> None:
    made = resend.Webhooks.create({"endpoint": "https://a.example/h", "events": ["email.sent", "email.opened"]})
    hook = made["id"]
    assert made["signing_secret"].startswith("whsec_")
    got = resend.Webhooks.get(hook)
    assert (got["signing_secret"], got["events"], got["status"]) == (made["signing_secret"], ["email.sent"], "enabled")
    resend.Webhooks.update({"webhook_id": hook, "events": ["email.bounced"], "status": "disabled"})
    got = resend.Webhooks.get(hook)
    assert (got["events"], got["status"]) == (["email.bounced"], "disabled")
    assert [one["id"] for one in resend.Webhooks.list()["data"]] == [hook]
    assert resend.Webhooks.rotate_signing_secret(hook)["signing_secret"] != made["signing_secret"]
    assert resend.Webhooks.remove(hook)["deleted"] is True


@pytest.mark.parametrize("name", KINDS)
def test_a_test_event_of_every_type_says_that_it_is_one(owner: Customer, name: str) -> None:
    hook = make(owner)["id"]
    event = owner.http.post(f"/v1/webhooks/{hook}/test", params={"type": name}).json()["id"]
    told = owner.http.get(f"/v1/webhooks/{hook}/events/{event}").json()
    assert (told["type"], told["status"], told["payload"]["type"]) == (name, "pending", name)
    assert told["payload"]["data"]["test"] is True


def test_a_test_event_is_of_the_first_type_unless_one_is_named(owner: Customer) -> None:
    hook = make(owner)["id"]
    owner.http.post(f"/v1/webhooks/{hook}/test")
    (event,) = owner.http.get(f"/v1/webhooks/{hook}/events").json()["data"]
    assert event["type"] == "email.scheduled"
    unknown = owner.http.post(f"/v1/webhooks/{hook}/test", params={"type": "email.lost"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/type")
    owner.http.patch(f"/v1/webhooks/{hook}", json={"status": "disabled"})
    assert owner.http.post(f"/v1/webhooks/{hook}/test").json()["name"] == "webhook_disabled"


async def test_a_test_event_of_a_route_looks_like_its_mail(owner: Customer, receiver: Receiver) -> None:
    route = make_route(owner)
    place = f"/v1/webhooks/{route['webhook_id']}"
    made = owner.http.post(f"{place}/test")
    assert made.status_code == 200
    await arrive(receiver, route["pattern"], b"From: a@far.example\r\n\r\nwords")
    events = owner.http.get(f"{place}/events").json()["data"]
    earnest, sample = (owner.http.get(f"{place}/events/{one['id']}").json()["payload"] for one in events)
    assert sample["type"] == earnest["type"] == "email.received"
    assert set(sample["data"]) == set(earnest["data"]) | {"test"}
    assert (sample["data"]["text"], sample["data"]["html"]) == ("This is a test.", "<p>This is a test.</p>")
    assert [one["filename"] for one in sample["data"]["attachments"]] == ["test.csv"]


@pytest.mark.parametrize(
    ("name", "field"), [("webhook.disabled", "failing_since"), ("email.replied", "reply"), ("email.bounced", "bounce")]
)
def test_a_test_event_has_what_only_its_type_has(owner: Customer, name: str, field: str) -> None:
    hook = make(owner)["id"]
    event = owner.http.post(f"/v1/webhooks/{hook}/test", params={"type": name}).json()["id"]
    data = owner.http.get(f"/v1/webhooks/{hook}/events/{event}").json()["payload"]["data"]
    assert data[field]
    assert "inbound_id" in data.get("reply", {"inbound_id": ""})


def test_the_client_of_resend_reads_and_replays_events(client: None, owner: Customer) -> None:
    hook = make(owner)["id"]
    email = owner.send(scheduled_at="in 1 day").json()["id"]
    (event,) = resend.Webhooks.list_events(hook, {"limit": 5})["data"]
    assert (event["type"], event["status"]) == ("email.scheduled", "pending")
    got = resend.Webhooks.get_event(hook, event["id"])
    assert got["payload"]["type"] == "email.scheduled"
    assert got["payload"]["data"]["email_id"] == email
    assert resend.Webhooks.replay_event(hook, event["id"])["id"] == event["id"]
    assert resend.Webhooks.list_event_attempts(hook, event["id"])["data"] == []


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"endpoint": "http://acme.example/hooks"}, ["/endpoint"]),
        ({"endpoint": "https://10.0.0.1/hooks"}, ["/endpoint"]),
        ({"endpoint": "https://user:pass@acme.example/"}, ["/endpoint"]),
        ({"endpoint": "https://intranet/"}, ["/endpoint"]),
        ({"endpoint": "https://acme.example:0/"}, ["/endpoint"]),
        ({"endpoint": "https://acme.example:25/"}, ["/endpoint"]),
        ({"endpoint": "https://8.8.8.8:22/"}, ["/endpoint"]),
        ({"endpoint": "https://acme.example:6379/"}, ["/endpoint"]),
        ({"endpoint": "https://acme.example/ü"}, ["/endpoint"]),
        ({"endpoint": "https://[::1"}, ["/endpoint"]),
        ({"endpoint": "acme"}, ["/endpoint"]),
        ({"endpoint": 7}, ["/endpoint"]),
        ({"events": []}, ["/events"]),
        ({"events": "email.sent"}, ["/events"]),
        ({"events": ["email.sent", "email.lost"]}, ["/events/1"]),
        ({"endpoint": "ftp://acme.example", "events": ["a", "b"]}, ["/endpoint", "/events/0", "/events/1"]),
        ({"colour": "red"}, ["/colour"]),
    ],
)
def test_each_fault_is_named(owner: Customer, fields: dict[str, Any], pointers: list[str]) -> None:
    answer = owner.http.post("/v1/webhooks", json=GOOD | fields)
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == pointers
    hook = make(owner)["id"]
    changed = owner.http.patch(f"/v1/webhooks/{hook}", json=fields)
    assert [one["pointer"] for one in changed.json()["errors"]] == pointers


def test_while_everything_runs_here_loopback_is_called(owner: Customer) -> None:
    assert make(owner, endpoint="http://127.0.0.1:9000/hooks")["status"] == "enabled"
    assert make(owner, endpoint="http://localhost:9000/hooks")["status"] == "enabled"


async def test_the_secret_is_for_those_who_may_change_it(owner: Customer, database: Database, web: RunningWeb) -> None:
    hook = make(owner)["id"]
    key = (await make_key(database, owner.account, NewCredential("r", scope="reading"))).secret
    with client_of(web, key) as reader:
        assert reader.get(f"/v1/webhooks/{hook}").json()["signing_secret"] is None
        assert reader.post(f"/v1/webhooks/{hook}/signing-secret/rotate").status_code == 403


def test_a_disabled_webhook_is_replayed_nothing(owner: Customer) -> None:
    hook = make(owner)["id"]
    owner.send(scheduled_at="in 1 day")
    assert owner.http.patch(f"/v1/webhooks/{hook}", json={"status": "disabled"}).json()["disabled_at"]
    (event,) = owner.http.get(f"/v1/webhooks/{hook}/events", params={"status": "failed"}).json()["data"]
    place = f"/v1/webhooks/{hook}/events/{event['id']}"
    refused = owner.http.post(f"{place}/replay")
    assert (refused.status_code, refused.json()["name"]) == (409, "webhook_disabled")
    owner.http.patch(f"/v1/webhooks/{hook}", json={"status": "enabled"})
    assert owner.http.post(f"{place}/replay").status_code == 200
    assert owner.http.get(place).json()["status"] == "pending"
    owner.http.patch(f"/v1/webhooks/{hook}", json={"status": "disabled"})
    owner.http.patch(f"/v1/webhooks/{hook}", json={"status": "enabled"})
    assert owner.http.post(f"/v1/webhooks/{hook}/replay").json()["replayed"] == 1
    assert owner.http.get(place).json()["status"] == "pending"


def test_the_webhook_of_a_route_is_not_deleted_under_it(owner: Customer) -> None:
    route = make_route(owner)
    place = f"/v1/webhooks/{route['webhook_id']}"
    refused = owner.http.delete(place)
    assert (refused.status_code, refused.json()["name"]) == (409, "webhook_in_use")
    assert route["id"] in refused.json()["message"]
    assert route["pattern"] in refused.json()["message"]
    assert owner.http.delete(f"/v1/inbound/routes/{route['id']}").status_code == 200
    assert owner.http.get(place).status_code == 404


def test_the_webhook_of_a_route_may_be_called_for_its_mail_alone(owner: Customer) -> None:
    place = f"/v1/webhooks/{make_route(owner)['webhook_id']}"
    for events in (["email.bounced"], []):
        assert owner.http.patch(place, json={"events": events}).json()["events"] == events
    assert owner.http.patch(f"/v1/webhooks/{make(owner)['id']}", json={"events": []}).status_code == 422


def test_an_account_has_not_more_webhooks_than_it_may(owner: Customer) -> None:
    answers = [owner.http.post("/v1/webhooks", json=GOOD).status_code for _ in range(51)]
    assert answers == [201] * 50 + [409]
