"""Webhooks: what is told of an email, how it is signed, and what becomes of calls that fail."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import resend
import standardwebhooks
import svix
from sqlalchemy import text

from hourpost.database import Database
from hourpost.emails.changes import cancel_email
from hourpost.flow.call import Caller, CallPace
from hourpost.gateways.outgoing import HttpOutgoing
from hourpost.inbound.answers import Answer, tell_answer
from hourpost.rules.reachable import LOOPBACK
from hourpost.webhooks import changes, queries
from hourpost.webhooks.calls import RETRY_SECONDS
from hourpost.webhooks.changes import Change, Issued
from hourpost.webhooks.kinds import KINDS
from hourpost.webhooks.shares import Shares
from hourpost.webhooks.telling import announce
from tests.cast import CIPHER, make_account
from tests.fakes.endpoint import Endpoint, Received, run_endpoint
from tests.flow.rounds import Rounds

PATIENCE = 30.0


@dataclass
class Customer:
    """Callers at work, and the webhooks of one account."""

    rounds: Rounds
    outgoing: HttpOutgoing
    running: list[tuple[Caller, asyncio.Task[None]]] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.rounds.database

    async def hook(self, endpoint: Endpoint, *types: str) -> Issued:
        if self.rounds.account is None:
            self.rounds.account = await make_account(self.database)
        async with self.database.transaction() as connection:
            account, now = self.rounds.account.id, self.rounds.clock.now()
            return await changes.create_webhook(connection, account, endpoint.url, types or list(KINDS), CIPHER, now)

    def start(self, each: int = 8) -> Caller:
        pace = CallPace(Shares(of_webhook=each), look_seconds=0.05, clock=self.rounds.clock, jitter=lambda: 0.0)
        caller = Caller(self.database, self.outgoing, CIPHER, pace)
        self.running.append((caller, asyncio.create_task(caller.run())))
        return caller

    async def stop(self) -> None:
        for caller, task in self.running:
            caller.stop()
            await asyncio.wait([task], timeout=PATIENCE)

    async def rows(self, table: str) -> list[Any]:
        order = "event_id" if table == "webhook_calls" else "id"
        async with self.database.reading() as connection:
            return list((await connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}"))).all())

    async def settled(self, attempts: int) -> list[Any]:
        """The calls, as soon as so many attempts are written."""
        await until(lambda: self._has(attempts))
        return await self.rows("webhook_calls")

    async def _has(self, attempts: int) -> bool:
        return len(await self.rows("webhook_attempts")) >= attempts


async def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def arrived(endpoint: Endpoint, count: int) -> list[dict[str, Any]]:
    async def enough() -> bool:
        return len(endpoint.received) >= count

    await until(enough)
    return [json.loads(one.body) for one in endpoint.received]


@pytest_asyncio.fixture
async def customer(rounds: Rounds) -> AsyncIterator[Customer]:
    async def resolve(_: str) -> list[Any]:
        return []

    one = Customer(rounds, HttpOutgoing(resolve, LOOPBACK, timeout_seconds=2))
    yield one
    await one.stop()
    await one.outgoing.close()


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with run_endpoint() as running:
        yield running


async def test_each_fact_is_told_in_the_shape_of_resend(customer: Customer, endpoint: Endpoint) -> None:
    rounds = customer.rounds
    await customer.hook(endpoint, "email.sent", "email.bounced", "email.delivery_delayed")
    customer.start()
    email = await rounds.post("a@far.test", "bounce+550@x.test", "defer+451@x.test")
    await rounds.round()
    told = {one["type"]: one for one in await arrived(endpoint, 3)}
    assert set(told) == {"email.sent", "email.bounced", "email.delivery_delayed"}
    data = told["email.sent"]["data"]
    assert (data["to"], data["message_id"]) == (["a@far.test"], f"<{email.hex}@acme.test>")
    assert {"email_id", "from", "subject", "created_at", "tags", "delivery_id"} <= set(data)
    bounce = told["email.bounced"]["data"]["bounce"]
    assert bounce["type"] == "Permanent"
    assert bounce["diagnosticCode"].startswith("smtp; 550")
    assert told["email.delivery_delayed"]["data"]["delay"]["next_attempt_at"].endswith("Z")


async def test_labels_are_told_also_as_the_headers_by_which_anymail_gives_them(
    customer: Customer, endpoint: Endpoint
) -> None:
    rounds = customer.rounds
    await customer.hook(endpoint, "email.sent")
    customer.start()
    tags = [{"name": "tag", "value": "größer"}, {"name": "kind", "value": "receipt"}]
    await rounds.post("a@far.test", tags=tags, metadata={"order": 7})
    await rounds.post("b@far.test")
    await rounds.round()
    told = {one["data"]["to"][0]: one["data"] for one in await arrived(endpoint, 2)}
    headers = {one["name"]: json.loads(one["value"]) for one in told["a@far.test"]["headers"]}
    assert headers == {"X-Tags": ["größer", "kind=receipt"], "X-Metadata": {"order": 7}}
    assert "headers" not in told["b@far.test"]


async def test_every_way_that_writes_an_event_tells_of_it(customer: Customer, endpoint: Endpoint) -> None:
    rounds = customer.rounds
    await customer.hook(endpoint)
    customer.start()
    moment = rounds.clock.now() + timedelta(hours=1)
    email = await rounds.post("a@far.test", scheduled_at=moment)
    async with customer.database.transaction() as connection:
        await cancel_email(connection, rounds.account.id, email, rounds.clock.now())
    assert {one["type"] for one in await arrived(endpoint, 2)} == {"email.scheduled", "email.canceled"}
    await rounds.post("b@far.test", scheduled_at=moment)
    await customer.settled(3)  # what is under way would be due again in an hour
    rounds.clock.advance(3601)
    await rounds.office.releaser.come_due()
    types = [one["type"] for one in await arrived(endpoint, 4)]
    assert sorted(types[2:4]) == ["email.queued", "email.scheduled"]


def test_no_statement_writes_an_event_and_not_its_calls() -> None:
    sources = (path.read_text() for path in (Path(__file__).parents[2] / "hourpost").rglob("*.py"))
    for source in sources:
        assert source.count("INSERT INTO events") == source.count("{told}") or "def with_calls" in source


async def test_an_answer_is_told_with_where_it_is(customer: Customer, endpoint: Endpoint) -> None:
    await customer.hook(endpoint, "email.replied")
    email = await customer.rounds.post("a@far.test")
    answer = Answer(customer.rounds.account.id, email, "a@far.test", {"inbound_id": "in_1", "subject": "Re: Hi"})
    async with customer.database.hot_transaction() as connection:
        await tell_answer(connection, answer, customer.rounds.clock.now())
    customer.start()
    (told,) = await arrived(endpoint, 1)
    assert (told["type"], told["data"]["to"]) == ("email.replied", ["a@far.test"])
    assert told["data"]["reply"] == {"inbound_id": "in_1", "subject": "Re: Hi"}


async def test_one_signature_satisfies_every_library(customer: Customer, endpoint: Endpoint) -> None:
    customer.rounds.clock.moment = customer.rounds.clock.moment.fromtimestamp(
        time.time(), customer.rounds.clock.moment.tzinfo
    )
    made = await customer.hook(endpoint, "email.queued")
    customer.start()
    await customer.rounds.post("a@far.test")
    await arrived(endpoint, 1)
    call = endpoint.received[0]
    verify(call, made.secret)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(made.secret).verify(call.body + b" ", call.headers)


def verify(call: Received, secret: str) -> None:
    standardwebhooks.Webhook(secret).verify(call.body, call.headers)
    svix.Webhook(secret).verify(call.body, call.headers)
    names = ("id", "timestamp", "signature")
    headers: Any = {name: call.headers[f"svix-{name}"] for name in names}
    assert all(call.headers[f"webhook-{name}"] == headers[name] for name in names)
    resend.Webhooks.verify({"payload": call.body.decode(), "headers": headers, "webhook_secret": secret})


async def test_for_a_day_of_its_own_each_rotated_secret_signs_beside_the_new_one(
    customer: Customer, endpoint: Endpoint
) -> None:
    rounds, clock = customer.rounds, customer.rounds.clock
    clock.moment = clock.moment.fromtimestamp(time.time(), clock.moment.tzinfo)
    made = await customer.hook(endpoint, "email.queued")
    secrets = [made.secret]
    for _ in range(3):
        secrets.append(await rotate(customer, made))
        clock.advance(60)
    customer.start()
    await rounds.post("a@far.test")
    await arrived(endpoint, 1)
    for secret in secrets:
        verify(endpoint.received[0], secret)
    for calls, seconds, count in ((2, 24 * 3600 - 90, 2), (3, 60, 1)):
        clock.advance(seconds)
        await rounds.post("b@far.test")
        await arrived(endpoint, calls)
        assert len(endpoint.received[-1].headers["webhook-signature"].split()) == count


async def rotate(customer: Customer, made: Issued) -> str:
    account, now = made.webhook.account_id, customer.rounds.clock.now()
    async with customer.database.transaction() as connection:
        return (await changes.rotate_secret(connection, account, made.webhook.id, CIPHER, now)).secret


async def test_of_old_secrets_the_oldest_goes_first(customer: Customer, endpoint: Endpoint) -> None:
    made = await customer.hook(endpoint, "email.queued")
    secrets = [await rotate(customer, made) for _ in range(8)]
    customer.start()
    await customer.rounds.post("a@far.test")
    await arrived(endpoint, 1)
    call = endpoint.received[0]
    content = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in reversed(secrets[2:])]
    signatures = [f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys]
    assert call.headers["webhook-signature"].split() == signatures


async def test_a_call_that_fails_is_repeated_along_the_schedule_and_then_given_up(
    customer: Customer, endpoint: Endpoint
) -> None:
    await customer.hook(endpoint, "email.queued")
    endpoint.fail(302, headers="Location: http://127.0.0.1:1/\r\n", body=b"a\0b")
    customer.start()
    await customer.rounds.post("a@far.test")
    for number, seconds in enumerate(RETRY_SECONDS, 1):
        (call,) = await customer.settled(number)
        assert (call.state, call.attempts) == ("pending", number)
        assert (call.due_at - customer.rounds.clock.now()).total_seconds() == seconds
        customer.rounds.clock.advance(seconds + 1)
    (call,) = await customer.settled(len(RETRY_SECONDS) + 1)
    assert call.state == "failed"
    attempts = await customer.rows("webhook_attempts")
    assert {(one.status, one.response) for one in attempts} == {(302, "ab")}
    assert len({one.headers["webhook-id"] for one in endpoint.received}) == 1


async def test_a_webhook_that_takes_nothing_for_five_days_is_disabled_and_others_are_told(
    customer: Customer, endpoint: Endpoint
) -> None:
    rounds = customer.rounds
    async with run_endpoint() as other:
        await customer.hook(endpoint, "email.queued")
        await customer.hook(other, "webhook.disabled")
        endpoint.fail(500)
        customer.start()
        for day in range(6):
            await rounds.post(f"a{day}@far.test")
            await failed(customer)
            rounds.clock.advance(23 * 3600)
        await rounds.post("late@far.test")
        (told,) = await arrived(other, 1)
        assert (told["type"], told["data"]["endpoint"]) == ("webhook.disabled", endpoint.url)
    hook = (await customer.rows("webhooks"))[0]
    assert hook.disabled_at == rounds.clock.now()
    assert hook.disabled_reason
    calls = await customer.rows("webhook_calls")
    assert {call.state for call in calls if call.kind == "queued"} == {"failed"}
    await rounds.post("b@far.test")
    assert len(await customer.rows("webhook_calls")) == len(calls)


async def failed(customer: Customer) -> None:
    """Wait until every call that is due was tried."""

    async def none_is_due() -> bool:
        now = customer.rounds.clock.now()
        calls = await customer.rows("webhook_calls")
        attempts = Counter(one.event_id for one in await customer.rows("webhook_attempts"))
        return all(one.due_at > now and attempts[one.event_id] == one.attempts for one in calls)

    await until(none_is_due)


async def test_days_without_a_call_are_no_days_of_failure(customer: Customer, endpoint: Endpoint) -> None:
    rounds = customer.rounds
    await customer.hook(endpoint, "email.queued")
    endpoint.fail(500)
    customer.start()
    await rounds.post("a@far.test")
    await failed(customer)
    await rounds.execute("UPDATE webhook_calls SET state = 'failed'")
    rounds.clock.advance(6 * 24 * 3600)
    await rounds.post("b@far.test")
    await customer.settled(2)
    (hook,) = await customer.rows("webhooks")
    assert (hook.failing_since, hook.disabled_at) == (rounds.clock.now(), None)


async def test_a_test_event_that_is_not_taken_makes_no_webhook_fail(customer: Customer, endpoint: Endpoint) -> None:
    made, rounds = await customer.hook(endpoint, "email.queued"), customer.rounds
    endpoint.fail(500)
    customer.start()
    async with customer.database.transaction() as connection:
        await changes.send_test(connection, made.webhook, None, rounds.clock.now())
    await customer.settled(1)
    assert (await customer.rows("webhooks"))[0].failing_since is None
    await rounds.post("a@far.test", test=True)  # in test mode, but it happened
    await customer.settled(2)
    assert (await customer.rows("webhooks"))[0].failing_since == rounds.clock.now()


async def test_an_event_of_an_email_that_is_gone_is_told_in_vain_once_and_makes_no_webhook_fail(
    customer: Customer, endpoint: Endpoint
) -> None:
    await customer.hook(endpoint, "email.queued")
    email_id = await customer.rounds.post("a@far.test")
    for table, column in (("deliveries", "email_id"), ("emails", "id")):
        await customer.rounds.execute(f"DELETE FROM {table} WHERE {column} = :id", id=email_id)
    customer.start()
    (call,) = await customer.settled(1)
    assert (call.state, endpoint.received) == ("failed", [])
    (attempt,) = await customer.rows("webhook_attempts")
    assert attempt.response == "The email is no longer kept."
    assert (await customer.rows("webhooks"))[0].failing_since is None


async def test_a_success_ends_the_days_of_failure(customer: Customer, endpoint: Endpoint) -> None:
    await customer.hook(endpoint, "email.queued")
    endpoint.fail(500)
    customer.start()
    await customer.rounds.post("a@far.test")
    await customer.settled(1)
    assert (await customer.rows("webhooks"))[0].failing_since is not None
    endpoint.fail(204)
    customer.rounds.clock.advance(6)
    (call,) = await customer.settled(2)
    assert call.state == "success"
    assert (await customer.rows("webhooks"))[0].failing_since is None


async def test_a_slow_endpoint_holds_nobody_else(customer: Customer, endpoint: Endpoint) -> None:
    endpoint.gate.clear()
    async with run_endpoint() as quick:
        await customer.hook(endpoint, "email.queued")
        await customer.hook(quick, "email.queued")
        customer.start(each=3)
        await customer.rounds.post(*[f"a{number}@far.test" for number in range(20)])
        await arrived(quick, 20)
    assert endpoint.most_at_once <= 3
    assert quick.most_at_once <= 3


async def test_two_workers_call_once(customer: Customer, endpoint: Endpoint) -> None:
    await customer.hook(endpoint, "email.queued")
    for _ in range(2):
        customer.start()
    await customer.rounds.post(*[f"a{number}@far.test" for number in range(30)])
    calls = await customer.settled(30)
    assert {call.state for call in calls} == {"success"}
    assert len(endpoint.received) == len({one.headers["webhook-id"] for one in endpoint.received}) == 30


async def test_a_call_of_a_lost_worker_is_made_by_another(customer: Customer, endpoint: Endpoint) -> None:
    await customer.hook(endpoint, "email.queued")
    await customer.rounds.post("a@far.test")
    until_then = customer.rounds.clock.now() + timedelta(seconds=60)
    await customer.rounds.execute("UPDATE webhook_calls SET due_at = :due, attempts = 1", due=until_then)
    customer.start()
    customer.rounds.clock.advance(61)
    (call,) = await customer.settled(1)
    assert (call.state, call.attempts) == ("success", 2)


async def test_a_replay_calls_again_with_the_same_id(customer: Customer, endpoint: Endpoint) -> None:
    made = await customer.hook(endpoint, "email.queued")
    customer.start()
    await customer.rounds.post("a@far.test")
    (call,) = await customer.settled(1)
    async with customer.database.transaction() as connection:
        await changes.replay(connection, made.webhook, call.event_id, customer.rounds.clock.now())
    await customer.settled(2)
    first, second = endpoint.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


@pytest.mark.parametrize("attempts", [1, 5, len(RETRY_SECONDS) + 1])
async def test_a_replay_during_a_try_that_fails_is_followed_by_another_within_seconds(
    customer: Customer, endpoint: Endpoint, attempts: int
) -> None:
    made, clock = await customer.hook(endpoint, "email.queued"), customer.rounds.clock
    await customer.rounds.post("a@far.test")
    await customer.rounds.execute("UPDATE webhook_calls SET attempts = :before", before=attempts - 1)
    endpoint.fail(500)
    endpoint.gate.clear()
    customer.start()
    await arrived(endpoint, 1)
    async with customer.database.transaction() as connection:
        assert await changes.replay_failed(connection, made.webhook, clock.now()) == 1
    endpoint.gate.set()
    (call,) = await customer.settled(1)
    assert (call.state, call.attempts) == ("pending", 0)
    assert (call.due_at - clock.now()).total_seconds() == RETRY_SECONDS[0]


async def test_a_replay_of_all_calls_at_once_for_what_waits_and_leaves_what_is_under_way(
    customer: Customer, endpoint: Endpoint
) -> None:
    made, now = await customer.hook(endpoint, "email.queued"), customer.rounds.clock.now()
    await customer.rounds.post(*[f"a{number}@far.test" for number in range(5)])
    ids = [call.event_id for call in await customer.rows("webhook_calls")]
    rows = [
        ("pending", 2, now + timedelta(hours=5)),  # waits
        ("failed", 8, now - timedelta(days=1)),
        ("pending", 1, now + timedelta(seconds=50)),  # a worker may have it
        ("success", 1, now),
        ("pending", 0, now),  # is due anyway
    ]
    statement = "UPDATE webhook_calls SET state = :state, attempts = :attempts, due_at = :due WHERE event_id = :id"
    for event_id, (state, attempts, due) in zip(ids, rows, strict=True):
        await customer.rounds.execute(statement, id=event_id, state=state, attempts=attempts, due=due)
    async with customer.database.transaction() as connection:
        assert await changes.replay_failed(connection, made.webhook, now) == 3
    calls = await customer.rows("webhook_calls")
    assert [call.due_at for call in calls] == [now, now, now + timedelta(seconds=50), now, now]
    assert [(call.state, call.attempts) for call in calls] == [("pending", 0)] * 3 + [("success", 1), ("pending", 0)]


async def test_a_disabled_webhook_is_called_for_nothing(customer: Customer, endpoint: Endpoint) -> None:
    made = await customer.hook(endpoint, "email.queued")
    await customer.rounds.post("a@far.test")
    account, now = customer.rounds.account.id, customer.rounds.clock.now()
    async with customer.database.transaction() as connection:
        change = Change(enabled=False)
        await changes.update_webhook(connection, account, made.webhook.id, change, now)
    await customer.rounds.post("b@far.test")
    (call,) = await customer.rows("webhook_calls")
    assert call.state == "failed"
    async with customer.database.transaction() as connection:
        await changes.update_webhook(connection, account, made.webhook.id, Change(enabled=True), now)
        hook = await queries.get_webhook(connection, account, made.webhook.id)
    assert hook.disabled_at is None


async def test_others_are_not_told(customer: Customer, endpoint: Endpoint) -> None:
    await customer.hook(endpoint, "email.queued")
    customer.rounds.account = await make_account(customer.database)
    await customer.rounds.post("a@far.test")
    assert await customer.rows("webhook_calls") == []


async def test_other_news_has_its_own_data(customer: Customer, endpoint: Endpoint) -> None:
    await customer.hook(endpoint, "email.received")
    customer.start()
    async with customer.database.transaction() as connection:
        account, now = customer.rounds.account.id, customer.rounds.clock.now()
        assert await announce(connection, account, "received", {"subject": "Hi"}, now) == 1
        assert await announce(connection, account, "replied", {}, now) == 0
    (told,) = await arrived(endpoint, 1)
    assert (told["type"], told["data"]) == ("email.received", {"subject": "Hi"})
