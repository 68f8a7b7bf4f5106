"""The door for Stripe's webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from hourpost.database import Database
from hourpost.settings import Settings
from tests.api.web.running import RunningWeb
from tests.fakes.stripe_server import SECRET, sign

PATH = "/stripe/webhooks"


@pytest.fixture(scope="module")
def paid_web(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWeb]:
    """A web process with a secret for webhooks."""
    running = RunningWeb(
        Settings(
            _env_file=None,
            home=tmp_path_factory.mktemp("home"),
            database_url=database_url,
            redis_url=redis_url,
            secret_key="a secret of the tests, long enough",
            stripe_webhook_secret=SECRET,
            embedded=True,
            log_level="error",
        )
    )
    yield running
    running.stop()


def event(**changes: Any) -> str:
    thing = {"id": f"sub_{uuid4().hex}", "object": "subscription", "customer": "cus_nobody"}
    made = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "customer.subscription.updated", "created": 1}
    return json.dumps(made | {"data": {"object": thing}} | changes)


def post(web: RunningWeb, body: str, signature: str | None = None) -> httpx.Response:
    headers = {"Stripe-Signature": sign(body) if signature is None else signature}
    return httpx.post(web.url + PATH, content=body, headers=headers, timeout=20)


async def test_a_signed_webhook_is_stored_once_and_answered_well(paid_web: RunningWeb, database: Database) -> None:
    body = event()
    for _ in range(2):
        answer = post(paid_web, body)
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    async with database.reading() as connection:
        rows = await connection.execute(
            text("SELECT kind, customer_id, due_at IS NOT NULL FROM stripe_events WHERE id = :id"),
            {"id": json.loads(body)["id"]},
        )
        assert [tuple(row) for row in rows] == [("customer.subscription.updated", "cus_nobody", True)]


async def test_what_stripe_did_not_sign_is_refused_and_not_stored(paid_web: RunningWeb, database: Database) -> None:
    body = event()
    for answer in (post(paid_web, body, ""), post(paid_web, body, sign(body, "whsec_of_another"))):
        assert (answer.status_code, answer.json()["name"]) == (400, "invalid_signature")
    changed = body.replace("cus_nobody", "cus_someone")
    assert post(paid_web, changed, sign(body)).status_code == 400
    async with database.reading() as connection:
        rows = await connection.execute(
            text("SELECT 1 FROM stripe_events WHERE id = :id"), {"id": json.loads(body)["id"]}
        )
        assert rows.all() == []


def test_the_signature_covers_the_body_as_it_came(paid_web: RunningWeb) -> None:
    spaced = json.dumps(json.loads(event()), indent=2, ensure_ascii=True)
    assert post(paid_web, spaced).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        "null",
        '"x"',
        "not JSON",
        event(id=7),
        event(id=None),
        event(id=""),
        event(id="evt_\0"),
        event(id="evt_\ud800"),
        event(id="e" * 3000),
        event(type=["a"]),
        event(created="yesterday"),
        event(created=1e40),
        event(created=None),
        event(data={}),
        event(data={"object": None}),
        event(data={"object": "sub_1"}),
        event(data={"object": {"id": 7}}),
        event(data={"object": {"id": "sub_1", "customer": ["cus_1"]}}),
        event(data={"object": {"id": "sub_1", "customer": {"id": "cus_\0"}}}),
    ],
)
def test_what_is_signed_and_no_event_is_refused(paid_web: RunningWeb, body: str) -> None:
    answer = post(paid_web, body)
    assert (answer.status_code, answer.json()["message"]) == (400, "The body is no event of Stripe's.")


def test_a_body_larger_than_any_webhook_is_refused(paid_web: RunningWeb) -> None:
    body = event(junk="x" * 1_100_000)
    assert post(paid_web, body).status_code == 413


def test_without_a_secret_nobody_is_there(web: RunningWeb) -> None:
    body = event()
    assert post(web, body, sign(body, "")).status_code == 404
    assert httpx.get(web.url + PATH).status_code in (404, 405)
