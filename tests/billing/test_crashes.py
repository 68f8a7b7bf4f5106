"""A process that dies in the middle, and people who do two things at once."""

from __future__ import annotations

import asyncio

import pytest

from hourpost.billing import till as till_module
from hourpost.billing.events import Clerk
from hourpost.billing.lock import lock_billing
from hourpost.billing.queries import list_failed_events
from hourpost.errors import Conflict
from tests.billing.conftest import Shop


class Died(BaseException):
    """As by a signal: nothing catches it."""


async def test_who_dies_after_making_a_customer_finds_it_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe knows it by our idempotency key; a second customer would hide the first one's subscription."""
    account = await shop.account()

    async def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(till_module, "add_customer", die)
        with pytest.raises(Died):
            await shop.till.check_out(account, "path", "once")
    await shop.buy(account, "path")
    assert len(shop.fake.state.all("customer")) == 1
    assert (await shop.look(account)).plan == "path"


async def test_a_worker_that_dies_leaves_its_webhooks_to_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await shop.subscriber("path")
    await shop.receive()
    shop.fake.state.cancel_now(shop.fake.subscription())
    for event in shop.fake.events:
        await shop.store(event)

    async def die(_: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(shop.till, "sync", die)
        with pytest.raises(Died):
            await shop.clerk.work()
    assert (await shop.look(account)).plan == "path"
    shop.clock.advance(16)
    await Clerk(shop.database, shop.stripe, shop.clock, shop.till).work()
    assert (await shop.look(account)).plan is None


async def test_a_lock_ends_with_who_held_it(shop: Shop) -> None:
    account = await shop.account()
    is_held = asyncio.Event()

    async def hold() -> None:
        async with lock_billing(shop.database, account.id):
            is_held.set()
            await asyncio.sleep(60)

    holding = asyncio.create_task(hold())
    await asyncio.wait_for(is_held.wait(), 60)
    waiting = asyncio.create_task(shop.till.sync(account.id))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    holding.cancel()
    assert await asyncio.wait_for(waiting, 20) is None


async def test_two_upgrades_at_once_charge_once(shop: Shop) -> None:
    account = await shop.subscriber("path")
    moment = shop.clock.now()
    await asyncio.gather(*(shop.till.change(account.id, "skilled", moment) for _ in range(2)))
    assert [one["total"] for one in shop.fake.state.all("invoice")] == [22500 - 5000, 5000]


async def test_buying_in_two_windows_at_once_leaves_one_page_that_can_be_paid(shop: Shop) -> None:
    account = await shop.account()
    urls = await asyncio.gather(*(shop.till.check_out(account, plan, plan) for plan in ("path", "skilled")))
    sessions = shop.fake.state.all("checkout.session")
    assert sorted(one["status"] for one in sessions) == ["expired", "open"]
    shop.fake.pay(next(url for url in urls if any(one["url"] == url for one in sessions)))
    await shop.till.sync(account.id)
    with pytest.raises(Conflict):
        await shop.till.check_out(account, "normal", "late")


async def test_one_customer_that_nobody_understands_keeps_no_other_waiting(shop: Shop) -> None:
    odd, plain = await shop.subscriber("path"), await shop.subscriber("path")
    await shop.receive()
    for subscription in shop.fake.state.all("subscription"):
        shop.fake.state.cancel_now(subscription)
    strange = shop.fake.state.all("subscription", customer=(await shop.customer(odd)).id)[0]
    del strange["items"]["data"][0]["current_period_end"]
    await shop.receive()
    assert (await shop.look(plain)).plan is None
    assert (await shop.look(odd)).plan == "path"
    async with shop.database.reading() as connection:
        assert "KeyError" in ((await list_failed_events(connection))[0].error or "")
