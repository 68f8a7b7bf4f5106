"""Changing a plan that is paid for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hourpost.accounts.audit import Actor, list_entries
from hourpost.accounts.changes import set_plan
from hourpost.accounts.queries import Account
from hourpost.billing.moves import Resumed
from hourpost.billing.queries import find_current, list_alerts
from hourpost.errors import Conflict, ServiceUnavailable
from hourpost.gateways.stripe import StripeRefused
from hourpost.pages import Cursor
from hourpost.rules.subscriptions import Subscription
from tests.billing.conftest import Shop


async def test_an_upgrade_shows_the_difference_and_charges_exactly_that(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.pass_time(days=15)
    move = await shop.till.preview(account.id, "skilled")
    assert move.kind == "upgrade"
    assert move.preview is not None
    assert move.preview.due_cents == 22500 // 2 - 5000 // 2
    assert [line.amount_cents for line in move.preview.lines] == [-2500, 11250]
    shop.pass_time(hours=0.2)  # thinking
    await shop.till.change(account.id, "skilled", move.preview.at)
    assert shop.fake.state.all("invoice")[0]["total"] == move.preview.due_cents
    assert (await shop.look(account)).plan == "skilled"


async def test_an_upgrade_holds_only_when_it_is_paid(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    assert (await shop.look(account)).plan == "path"
    async with shop.database.reading() as connection:
        current = await find_current(connection, account.id)
    assert current is not None
    assert (current.plan, current.pending_plan, current.invoice_status) == ("path", "skilled", "open")
    assert current.invoice_url is not None
    shop.fake.confirm(current.invoice_url)  # the bank has asked, and is content
    await shop.receive()
    assert (await shop.look(account)).plan == "skilled"


async def test_an_upgrade_that_nobody_pays_is_forgotten(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    shop.pass_time(days=1)
    await shop.receive()
    async with shop.database.reading() as connection:
        current = await find_current(connection, account.id)
    assert current is not None
    assert (current.plan, current.pending_plan) == ("path", None)
    assert (await shop.look(account)).plan == "path"


@pytest.mark.parametrize("minutes", [-31, 1])
async def test_nobody_chooses_the_moment_that_is_charged_for(shop: Shop, minutes: int) -> None:
    account = await shop.subscriber("path")
    shop.pass_time(days=10)
    with pytest.raises(Conflict, match="look at it again"):
        await shop.till.change(account.id, "skilled", shop.clock.now() + timedelta(minutes=minutes))
    assert (await shop.look(account)).plan == "path"


async def test_a_downgrade_begins_when_the_paid_period_ends_and_costs_nothing_now(shop: Shop) -> None:
    account = await shop.subscriber("skilled")
    move = await shop.till.preview(account.id, "path")
    assert (move.kind, move.preview, move.price_cents) == ("downgrade", None, 5000)
    await shop.till.change(account.id, "path", shop.clock.now())
    async with shop.database.reading() as connection:
        current = await find_current(connection, account.id)
    assert current is not None
    assert (current.plan, current.next_plan, current.next_plan_at) == ("skilled", "path", current.period_end)
    shop.pass_time(days=29)
    await shop.receive()
    assert (await shop.look(account)).plan == "skilled"
    shop.pass_time(days=2)
    await shop.receive()
    assert (await shop.look(account)).plan == "path"
    assert shop.fake.state.all("invoice")[0]["total"] == 5000
    assert len(shop.fake.state.all("invoice")) == 2


async def test_a_downgrade_keeps_the_discount_of_a_promotion_code_and_the_way_of_paying(shop: Shop) -> None:
    account = await shop.subscriber("skilled")
    shop.fake.subscription().update({"discounts": ["di_1"], "default_payment_method": "pm_1"})
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.change(account.id, "normal", shop.clock.now())
    schedule = shop.fake.state.all("subscription_schedule")[0]
    assert [phase["discounts"] for phase in schedule["phases"]] == [[{"discount": "di_1"}]] * 2
    assert [phase["default_payment_method"] for phase in schedule["phases"]] == ["pm_1"] * 2


async def test_a_downgrade_can_be_changed_and_taken_back(shop: Shop) -> None:
    account = await shop.subscriber("skilled")
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.change(account.id, "normal", shop.clock.now())
    async with shop.database.reading() as connection:
        current = await find_current(connection, account.id)
    assert current is not None
    assert current.next_plan == "normal"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    shop.pass_time(days=31)
    await shop.receive()
    assert (await shop.look(account)).plan == "skilled"


async def test_an_upgrade_and_a_cancellation_overrule_a_downgrade(shop: Shop) -> None:
    up, gone = await shop.subscriber("premium"), await shop.subscriber("premium")
    for account in (up, gone):
        await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.change(up.id, "skilled", shop.clock.now())
    await shop.till.cancel(gone.id)
    shop.pass_time(days=31)
    await shop.receive()
    await shop.lapse()
    assert (await shop.look(up)).plan == "skilled"
    assert (await shop.look(gone)).plan is None


async def planned(shop: Shop, account: Account) -> tuple[str | None, str | None, str | None]:
    """The plan that counts, the one that comes at the period's end, and the one that is paid for first."""
    async with shop.database.reading() as connection:
        current = await find_current(connection, account.id)
    assert current is not None
    return current.plan, current.next_plan, current.pending_plan


@pytest.mark.parametrize("card", ["declined", "authenticate"])
async def test_a_downgrade_stands_while_an_upgrade_is_not_paid_for(shop: Shop, card: str) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    shop.fake.state.cards[(await shop.customer(account)).id] = card
    await shop.till.change(account.id, "skilled", shop.clock.now())
    assert await planned(shop, account) == ("premium", "path", "skilled")
    shop.pass_time(days=1)
    await shop.receive()
    assert await planned(shop, account) == ("premium", "path", None)
    shop.fake.state.cards.clear()
    shop.pass_time(days=30)
    await shop.receive()
    assert (await shop.look(account)).plan == "path"


async def test_an_upgrade_that_is_taken_back_leaves_what_was_chosen_to_follow(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    await shop.till.take_back(account.id)
    assert await planned(shop, account) == ("premium", "path", None)
    assert shop.fake.state.all("invoice")[0]["status"] == "void"
    with pytest.raises(Conflict, match="nothing left"):
        await shop.till.take_back(account.id)


async def test_a_bill_that_was_paid_meanwhile_is_not_taken_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    void = shop.stripe.void_invoice

    async def pay_first(invoice_id: str) -> None:
        shop.fake.state.settle(shop.fake.state.get(invoice_id, "invoice"))
        await void(invoice_id)

    monkeypatch.setattr(shop.stripe, "void_invoice", pay_first)
    with pytest.raises(StripeRefused, match="only void"):
        await shop.till.take_back(account.id)
    assert await planned(shop, account) == ("skilled", None, None)


async def test_who_changed_a_plan_is_written_down_with_what_came_of_it(shop: Shop) -> None:
    account = await shop.subscriber("path")
    by = Actor(None, "owner@acme.test", "192.0.2.1", account.id)
    await shop.till.change(account.id, "skilled", shop.clock.now(), by)
    await shop.till.change(account.id, "path", shop.clock.now(), by)
    await shop.till.cancel(account.id, by)
    async with shop.database.reading() as connection:
        page = await list_entries(connection, account.id, Cursor(limit=10))
    told = [f"{one.actor} {one.words}" for one in reversed(page.data)][1:]
    assert [words.partition(" ")[2] for words in told] == [
        "asked for an upgrade",
        "changed the plan",
        "chose a smaller plan to follow",
        "canceled the plan",
    ]
    assert told[1].startswith("Stripe")


async def test_where_stripe_fails_to_answer_one_question_the_others_end_before_the_lock_does(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them may write, which nobody else may do meanwhile."""
    account = await shop.subscriber("path")
    asked, ended = asyncio.Event(), asyncio.Event()

    async def fail(customer_id: str) -> bool:
        await asked.wait()
        raise ServiceUnavailable("Stripe does not answer.")

    async def wait(customer_id: str) -> tuple[Subscription, ...]:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ()

    monkeypatch.setattr(shop.stripe, "customer_exists", fail)
    monkeypatch.setattr(shop.stripe, "list_subscriptions", wait)
    with pytest.raises(ServiceUnavailable):
        await shop.till.sync(account.id)
    assert ended.is_set()


async def test_an_upgrade_that_is_paid_for_later_ends_the_downgrade(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    shop.fake.state.cards.clear()
    shop.fake.confirm(f"{shop.fake.base}/pages/invoice/{shop.fake.state.all('invoice')[0]['id']}")
    await shop.receive()
    assert await planned(shop, account) == ("skilled", None, None)
    shop.pass_time(days=31)
    await shop.receive()
    assert (await shop.look(account)).plan == "skilled"


async def test_a_downgrade_wished_after_an_unpaid_upgrade_comes_though_that_is_paid(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    await shop.till.change(account.id, "normal", shop.clock.now())
    shop.fake.state.cards.clear()
    shop.fake.confirm(f"{shop.fake.base}/pages/invoice/{shop.fake.state.all('invoice')[0]['id']}")
    await shop.receive()
    assert await planned(shop, account) == ("skilled", "normal", None)


async def test_the_first_month_after_a_downgrade_can_be_canceled_and_changed(shop: Shop) -> None:
    """Its schedule is still at work then, and Stripe lets nobody cancel beside it."""
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "normal", shop.clock.now())
    shop.pass_time(days=31)
    await shop.till.change(account.id, "path", shop.clock.now())
    assert await planned(shop, account) == ("normal", "path", None)
    await shop.till.cancel(account.id)
    assert await planned(shop, account) == ("normal", None, None)
    await shop.till.resume(account.id)
    await shop.till.change(account.id, "skilled", shop.clock.now())
    assert await planned(shop, account) == ("skilled", None, None)


async def test_who_resumes_what_was_canceled_has_the_downgrade_again_that_was_chosen(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)
    assert await planned(shop, account) == ("premium", None, None)
    assert (await shop.till.resume(account.id)).next_plan == "path"
    assert await planned(shop, account) == ("premium", "path", None)
    await shop.till.change(account.id, "premium", shop.clock.now())
    await shop.till.cancel(account.id)
    assert (await shop.till.resume(account.id)).next_plan is None  # what was taken back before does not come again
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)
    await shop.till.resume(account.id)
    shop.pass_time(days=31)
    await shop.receive()
    assert (await shop.look(account)).plan == "path"


@pytest.mark.parametrize("step", ["release_schedule", "cancel_at_period_end", "schedule_price", "remember_next"])
async def test_the_plan_chosen_to_follow_outlives_an_outage_in_the_middle(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Of canceling at its first two steps, of resuming at its last two."""
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    resuming = step in ("schedule_price", "remember_next")
    if resuming:
        await shop.till.cancel(account.id)

    async def fail(*_: object, **__: object) -> None:
        raise ServiceUnavailable("Stripe does not answer.")

    with monkeypatch.context() as patch, pytest.raises(ServiceUnavailable):
        patch.setattr(shop.stripe, step, fail)
        await (shop.till.resume(account.id) if resuming else shop.till.cancel(account.id))
    await shop.receive()
    assert await planned(shop, account) == ("premium", "path", None)
    assert shop.fake.subscription()["metadata"] == {}
    shop.pass_time(days=31)
    await shop.receive()
    assert (await shop.look(account)).plan == "path"


@pytest.mark.parametrize("way", ["cancel_at_period_end", "cancel_at"])
async def test_what_was_chosen_to_follow_is_no_wish_any_more_a_month_later(shop: Shop, way: str) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)
    subscription = shop.fake.subscription()
    subscription |= {"cancel_at_period_end": False, "cancel_at": None}
    if way == "cancel_at":
        subscription["cancel_at"] = shop.fake.state.now + 20 * 86400
        assert (await shop.till.resume(account.id)).next_plan == "path"
    else:
        await shop.till.sync(account.id)  # as the webhook of it does
    assert await planned(shop, account) == ("premium", "path", None)
    await shop.till.change(account.id, "premium", shop.clock.now())
    shop.pass_time(days=31)
    await shop.receive()
    subscription["cancel_at"] = shop.fake.state.now + 20 * 86400
    await shop.till.sync(account.id)
    assert await shop.till.resume(account.id) == Resumed()


async def test_what_is_resumed_at_the_price_that_was_to_follow_has_nothing_to_follow(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)
    shop.fake.subscription()["items"]["data"][0]["price"] = shop.fake.price("path")
    assert await shop.till.resume(account.id) == Resumed()
    assert await planned(shop, account) == ("path", None, None)


async def test_who_resumes_is_told_what_follows_at_which_price_or_that_nothing_does(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)
    await shop.stripe.put_product("path", "Path", "1000 an hour", 9900)
    for _ in range(2):  # a second click
        assert await shop.till.resume(account.id) == Resumed("path", 9900)
    await shop.till.cancel(account.id)
    shop.fake.state.all("price", id=shop.fake.price("path"))[0]["active"] = False
    assert await shop.till.resume(account.id) == Resumed(dropped_plan="path")


async def test_a_plan_that_stripe_lets_not_follow_is_an_alert(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    await shop.till.cancel(account.id)

    async def refuse(subscription: Subscription, price_id: str) -> None:
        raise StripeRefused("Stripe says: that is not possible.")

    monkeypatch.setattr(shop.stripe, "schedule_price", refuse)
    await shop.till.resume(account.id)
    async with shop.database.reading() as connection:
        assert [one.kind for one in await list_alerts(connection)] == ["plan_does_not_follow"]


async def test_what_was_canceled_at_stripe_leaves_no_upgrade_that_could_be_paid(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    shop.fake.subscription()["cancel_at"] = shop.fake.state.now + 20 * 86400
    assert await shop.till.cancel(account.id) is not None
    assert shop.fake.state.all("invoice")[0]["status"] == "void"


async def test_canceling_takes_an_upgrade_back_that_waits_for_its_bill(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    await shop.till.cancel(account.id)
    bill = shop.fake.state.all("invoice")[0]
    shop.fake.confirm(f"{shop.fake.base}/pages/invoice/{bill['id']}")
    await shop.receive()
    assert (bill["status"], await planned(shop, account)) == ("void", ("path", None, None))


async def test_what_is_canceled_twice_still_remembers_what_was_to_follow(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    await shop.till.change(account.id, "path", shop.clock.now())
    for _ in range(2):
        await shop.till.cancel(account.id)
    assert (await shop.till.resume(account.id)).next_plan == "path"


async def test_what_is_owed_comes_before_a_change(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    shop.pass_time(days=31)
    with pytest.raises(Conflict, match="open invoice"):
        await shop.till.preview(account.id, "skilled")


async def test_what_is_about_to_end_is_resumed_before_it_is_changed(shop: Shop) -> None:
    account = await shop.subscriber("path")
    await shop.till.cancel(account.id)
    with pytest.raises(Conflict, match="resume"):
        await shop.till.change(account.id, "skilled", shop.clock.now())


async def test_who_has_no_subscription_has_nothing_to_change(shop: Shop) -> None:
    account = await shop.account("path")
    for step in (shop.till.cancel(account.id), shop.till.resume(account.id), shop.till.preview(account.id, "path")):
        with pytest.raises(Conflict, match="choose a plan first"):
            await step


async def test_a_limit_of_its_own_outlives_a_change_of_plan(shop: Shop) -> None:
    account = await shop.subscriber("path")
    async with shop.database.transaction() as connection:
        await set_plan(connection, account.id, "path", 9000)
    await shop.till.change(account.id, "normal", shop.clock.now())
    assert (await shop.look(account)).own_limit == 9000
