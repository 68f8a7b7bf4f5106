"""Webhooks: once, twice, late, in any order, or never."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from hourpost.billing.events import has_work
from hourpost.billing.queries import list_failed_events
from hourpost.gateways.stripe import BadSignature, read_event
from tests.billing.conftest import Shop
from tests.fakes.stripe_server import SECRET, sign


async def test_a_webhook_is_stored_once(shop: Shop) -> None:
    await shop.subscriber()
    event = shop.fake.events[0]
    assert [await shop.store(event) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("seed", range(3))
async def test_webhooks_twice_late_and_in_any_order_lead_to_the_same(shop: Shop, seed: int) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    shop.pass_time(days=31)
    shop.fake.state.cards.clear()
    shop.pass_time(days=3)
    await shop.till.change(account.id, "skilled", shop.clock.now())
    events = shop.fake.events * 2
    random.Random(seed).shuffle(events)
    for start in range(0, len(events), 7):
        await shop.receive(events[start : start + 7])
    entitlement = await shop.entitlement(account)
    assert (entitlement.plan, entitlement.status) == ("skilled", "active")


async def test_many_webhooks_of_one_customer_are_one_look_at_stripe(shop: Shop) -> None:
    await shop.subscriber()
    shop.fake.calls.clear()
    assert len(shop.fake.events) > 3
    await shop.receive()
    assert [path for _, path in shop.fake.calls].count("/v1/subscriptions") == 1


async def test_a_webhook_waits_while_stripe_is_away_and_is_tried_again(shop: Shop) -> None:
    account = await shop.subscriber("path")
    await shop.receive()
    shop.fake.state.cancel_now(shop.fake.subscription())
    shop.fake.is_down = True
    await shop.receive()
    async with shop.database.reading() as connection:
        failed = await list_failed_events(connection)
    assert [(one.kind, one.tries) for one in failed] == [("customer.subscription.deleted", 1)]
    assert "Stripe does not answer" in (failed[0].error or "")
    shop.fake.is_down = False
    await shop.clerk.work()  # not yet: it comes due again
    assert (await shop.look(account)).plan == "path"
    shop.clock.advance(16)
    await shop.clerk.work()
    assert (await shop.look(account)).plan is None
    async with shop.database.reading() as connection:
        assert await list_failed_events(connection) == []
        assert not await has_work(connection, shop.clock.now())


async def test_a_webhook_about_somebody_else_does_no_harm(shop: Shop) -> None:
    customer = shop.fake.api.create_customer({"name": "Who"})
    shop.fake.state.subscribe(customer["id"], shop.fake.price("path"))
    await shop.receive()
    async with shop.database.reading() as connection:
        assert not await has_work(connection, shop.clock.now())


async def test_what_no_webhook_told_is_found_within_a_day(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cancel_now(shop.fake.subscription())
    shop.fake.events.clear()
    shop.pass_time(hours=23)
    await shop.clerk.work()
    assert (await shop.look(account)).plan == "path"
    shop.pass_time(hours=2)
    async with shop.database.reading() as connection:
        assert await has_work(connection, shop.clock.now())
    await shop.clerk.work()
    assert (await shop.look(account)).plan is None


async def test_two_workers_share_the_work(shop: Shop) -> None:
    accounts = [await shop.subscriber("path") for _ in range(3)]
    for subscription in shop.fake.state.all("subscription"):
        shop.fake.state.cancel_now(subscription)
    for event in shop.fake.events:
        await shop.store(event)
    await asyncio.gather(shop.clerk.work(), shop.clerk.work())
    assert [(await shop.look(account)).plan for account in accounts] == [None] * 3


BODY = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "customer.deleted",
        "created": 1,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
)


@pytest.mark.parametrize(
    ("body", "signed", "secrets"),
    [
        (BODY + " ", lambda: sign(BODY), SECRET),
        (BODY, lambda: sign(BODY, "whsec_of_another"), SECRET),
        (BODY, lambda: sign(BODY, timestamp=1_700_000_000), SECRET),
        (BODY, lambda: "", SECRET),
        (BODY, lambda: "nonsense", SECRET),
        (BODY, lambda: sign(BODY, ""), ""),
        ("[]", lambda: sign("[]"), SECRET),
        ("{", lambda: sign("{"), SECRET),
    ],
)
def test_what_stripe_did_not_sign_is_refused(body: str, signed: Callable[[], str], secrets: str) -> None:
    with pytest.raises(BadSignature):
        read_event(body.encode(), signed(), secrets)


def test_a_secret_can_be_replaced_without_losing_a_webhook() -> None:
    event = read_event(BODY.encode(), sign(BODY), f"whsec_newer {SECRET}")
    assert (event.id, event.customer_id) == ("evt_1", "cus_1")
