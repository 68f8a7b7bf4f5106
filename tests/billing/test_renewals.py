"""What becomes of a subscription as time passes: renewals, failures, recovery, ends."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import text

from hourpost.accounts.audit import list_entries
from hourpost.accounts.changes import set_plan
from hourpost.accounts.closing import LINGER, close_account, erase_some
from hourpost.accounts.queries import Account
from hourpost.billing.changes import overrule
from hourpost.billing.notices import list_unmailed, remind_unpaid
from hourpost.billing.queries import find_current, list_alerts, list_invoices
from hourpost.errors import Conflict, NotFound, ServiceUnavailable
from hourpost.gateways.stripe import StripeRefused
from hourpost.pages import Cursor
from hourpost.rules.subscriptions import GRACE, Subscription
from tests.billing.conftest import Shop


async def notices(shop: Shop, account: Account) -> list[str]:
    """All that the account was told."""
    query = text("SELECT kind FROM billing_notices WHERE account_id = :account ORDER BY created_at, kind")
    async with shop.database.reading() as connection:
        return list((await connection.execute(query, {"account": account.id})).scalars())


async def failing(shop: Shop, plan: str = "normal") -> Account:
    """An account whose renewal has just failed."""
    account = await shop.subscriber(plan)
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    shop.pass_time(days=30, hours=1)
    await shop.receive()
    return account


async def test_a_renewal_that_is_paid_goes_on(shop: Shop) -> None:
    account = await shop.subscriber("normal")
    shop.pass_time(days=30, hours=1)
    await shop.receive()
    entitlement = await shop.entitlement(account)
    assert (entitlement.plan, entitlement.status) == ("normal", "active")
    assert entitlement.ends_at is not None
    assert entitlement.ends_at - shop.clock.now() > timedelta(days=29) + GRACE
    async with shop.database.reading() as connection:
        assert [one.status for one in await list_invoices(connection, account.id)] == ["paid", "paid"]


async def test_a_renewal_that_fails_keeps_sending_through_the_grace_and_is_told_once(shop: Shop) -> None:
    account = await failing(shop)
    entitlement = await shop.entitlement(account)
    assert (entitlement.plan, entitlement.status) == ("normal", "past_due")
    assert entitlement.ends_at is not None
    assert timedelta(days=6, hours=22) < entitlement.ends_at - shop.clock.now() <= GRACE
    shop.pass_time(days=3, hours=1)  # another try fails
    await shop.receive()
    assert await shop.entitlement(account) == entitlement
    assert await notices(shop, account) == ["past_due"]


async def test_the_grace_ends_without_a_word_of_stripes(shop: Shop) -> None:
    account = await failing(shop)
    shop.fake.is_down = True
    shop.clock.advance(6.9 * 86400)
    await shop.lapse()
    assert (await shop.look(account)).plan == "normal"
    shop.clock.advance(0.2 * 86400)
    await shop.lapse()
    lapsed = await shop.look(account)
    assert (lapsed.plan, lapsed.lapsed_at) == (None, shop.clock.now())
    assert await notices(shop, account) == ["past_due", "ended"]


async def test_a_retry_that_is_paid_recovers_and_a_later_failure_has_its_own_grace(shop: Shop) -> None:
    account = await failing(shop)
    shop.fake.state.cards.clear()
    shop.pass_time(days=3, hours=1)
    await shop.receive()
    entitlement = await shop.entitlement(account)
    assert (entitlement.status, entitlement.past_due_at) == ("active", None)
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    shop.pass_time(days=28)
    await shop.receive()
    again = await shop.entitlement(account)
    assert again.ends_at is not None
    assert (again.status, again.ends_at > shop.clock.now()) == ("past_due", True)
    assert await notices(shop, account) == ["past_due", "past_due"]


@pytest.mark.parametrize("end", ["unpaid", "canceled"])
async def test_what_stays_unpaid_stops_and_paying_starts_it_again(shop: Shop, end: str) -> None:
    shop.fake.state.after_last_retry = end
    account = await failing(shop)
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    stopped = await shop.look(account)
    assert (stopped.plan, stopped.lapsed_at is None) == (None, False)
    assert (await shop.entitlement(account)).status == end
    if end == "unpaid":
        shop.fake.state.settle(shop.fake.state.all("invoice", status="open")[0])
        await shop.receive()
    else:
        await shop.buy(account, "normal")
    paid = await shop.look(account)
    assert (paid.plan, paid.lapsed_at) == ("normal", None)


@pytest.mark.parametrize(("end", "told"), [("unpaid", ["still_unpaid"]), ("canceled", [])])
async def test_who_stays_unpaid_is_reminded_once(shop: Shop, end: str, told: list[str]) -> None:
    shop.fake.state.after_last_retry = end
    account = await failing(shop)
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    before = await notices(shop, account)
    assert before == ["past_due", "ended"]
    for days in (4, 2, 1):
        shop.pass_time(days=days)
        async with shop.database.transaction() as connection:
            await remind_unpaid(connection, shop.clock.now())
        assert await notices(shop, account) == before + (told if days != 4 else [])


async def test_who_stays_unpaid_can_cancel_and_is_left_in_peace(shop: Shop) -> None:
    shop.fake.state.after_last_retry = "unpaid"
    account = await failing(shop)
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    await shop.till.cancel(account.id)
    assert (await shop.entitlement(account)).status == "canceled"
    before = await notices(shop, account)
    shop.pass_time(days=6)
    async with shop.database.transaction() as connection:
        await remind_unpaid(connection, shop.clock.now())
    assert await notices(shop, account) == before
    await shop.buy(account, "normal")
    assert (await shop.look(account)).plan == "normal"


@pytest.mark.parametrize("days", [1, 6, 8])
async def test_who_cancels_while_nothing_is_paid_is_charged_no_more_and_may_choose_anew(shop: Shop, days: int) -> None:
    """In the grace, after the last try of Stripe's but one, and when both are over."""
    account = await failing(shop)
    shop.pass_time(days=days)
    await shop.receive()
    await shop.lapse()
    assert await shop.till.cancel(account.id) is None
    assert ((await shop.look(account)).plan, (await shop.entitlement(account)).status) == (None, "canceled")
    bill = shop.fake.state.all("invoice")[0]
    assert bill["status"] == "void"
    shop.fake.state.cards.clear()
    shop.fake.confirm(f"{shop.fake.base}/pages/invoice/{bill['id']}")  # in a tab that was left open
    shop.pass_time(days=31)
    await shop.receive()
    assert [one["status"] for one in shop.fake.state.all("invoice")] == ["void", "paid"]
    async with shop.database.transaction() as connection:
        await remind_unpaid(connection, shop.clock.now())
    assert "still_unpaid" not in await notices(shop, account)
    await shop.buy(account, "path")
    assert (await shop.look(account)).plan == "path"


async def test_a_bill_that_outlived_its_canceling_because_stripe_was_away_is_voided_later(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await failing(shop)

    async def fail(invoice_id: str) -> None:
        raise ServiceUnavailable("Stripe does not answer.")

    with monkeypatch.context() as patch, pytest.raises(ServiceUnavailable):
        patch.setattr(shop.stripe, "void_invoice", fail)
        await shop.till.cancel(account.id)
    assert shop.fake.state.all("invoice")[0]["status"] == "open"
    await shop.receive()
    assert shop.fake.state.all("invoice")[0]["status"] == "void"
    async with shop.database.reading() as connection:
        assert [one.status for one in await list_invoices(connection, account.id)] == ["void", "paid"]


async def alerts(shop: Shop, account: Account) -> list[tuple[str, str]]:
    """What an operator is to look at."""
    async with shop.database.reading() as connection:
        return [(one.kind, one.detail) for one in await list_alerts(connection, account.id)]


@pytest.mark.parametrize("step", ["cancel_now", "void_invoice"])
async def test_what_was_paid_while_it_was_canceled_is_to_be_given_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    account = await failing(shop)
    bill = shop.fake.state.all("invoice")[0]
    take = getattr(shop.stripe, step)

    async def pay_first(thing: object) -> None:
        if bill["status"] == "open":
            shop.fake.state.settle(bill)
            if step == "void_invoice":
                shop.fake.subscription()["status"] = "canceled"
        await take(thing)

    monkeypatch.setattr(shop.stripe, step, pay_first)
    await shop.till.cancel(account.id)
    told = [("paid_when_ended", f"to be given back: {bill['number']}")]
    assert await alerts(shop, account) == told
    await shop.receive()
    assert await alerts(shop, account) == told
    shop.fake.state.refund(bill, bill["total"])
    await shop.receive()
    assert await alerts(shop, account) == []


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_every_bill_of_what_is_given_up_is_voided(shop: Shop, is_deleted: bool) -> None:
    """An older one as well, and one that Stripe has written off; the newest may be a draft."""
    account = await failing(shop)
    subscription = shop.fake.subscription()
    shop.fake.state.bill(subscription, [(900, "1 × plan")], paid=False)["status"] = "uncollectible"
    shop.fake.state.bill(subscription, [(800, "1 × plan")], paid=False)["status"] = "draft"
    await (shop.till.close(account.id) if is_deleted else shop.till.cancel(account.id))
    assert [one["status"] for one in shop.fake.state.all("invoice")] == ["draft", "void", "void", "paid"]
    assert await alerts(shop, account) == []


async def test_a_bill_that_cannot_be_voided_is_an_alert(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await failing(shop)

    async def refuse(invoice_id: str) -> None:
        raise StripeRefused("The payment could not be set up; we have been told.")

    with monkeypatch.context() as patch:
        patch.setattr(shop.stripe, "void_invoice", refuse)
        await shop.till.cancel(account.id)
    number = shop.fake.state.all("invoice")[0]["number"]
    assert await alerts(shop, account) == [("bill_stays_open", f"canceled, and to be voided: {number}")]
    await shop.receive()
    assert await alerts(shop, account) == []


async def test_an_ending_whose_answer_was_lost_is_done_all_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await failing(shop)
    end = shop.stripe.cancel_now

    async def end_twice(subscription: Subscription) -> None:
        await end(subscription)
        await end(subscription)

    monkeypatch.setattr(shop.stripe, "cancel_now", end_twice)
    assert await shop.till.cancel(account.id) is None
    assert (await shop.entitlement(account)).status == "canceled"


async def test_the_bill_of_what_stripe_ended_by_itself_stays(shop: Shop) -> None:
    """What becomes of it is the operator's choice there."""
    shop.fake.state.after_last_retry = "canceled"
    await failing(shop)
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    assert shop.fake.state.all("invoice")[0]["status"] == "open"


async def test_who_has_canceled_for_later_is_not_reminded(shop: Shop) -> None:
    account = await failing(shop)
    shop.fake.subscription()["cancel_at"] = shop.fake.state.now + 60 * 86400
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    shop.pass_time(days=6)
    async with shop.database.transaction() as connection:
        await remind_unpaid(connection, shop.clock.now())
    assert await notices(shop, account) == ["past_due", "ended"]


async def letters(shop: Shop) -> list[str]:
    """What would be mailed now."""
    async with shop.database.reading() as connection:
        return [one.kind for one in await list_unmailed(connection, shop.clock.now())]


async def test_a_letter_tells_only_what_is_still_so(shop: Shop) -> None:
    account = await failing(shop)
    async with shop.database.reading() as connection:
        (notice,) = await list_unmailed(connection, shop.clock.now())
    assert (notice.kind, notice.ends_at) == ("past_due", (await shop.entitlement(account)).ends_at)
    shop.fake.state.settle(shop.fake.state.all("invoice")[0])
    await shop.receive()
    assert await letters(shop) == []
    shop.pass_time(days=30)  # the card still fails
    await shop.receive()
    assert await letters(shop) == ["past_due"]
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    assert await letters(shop) == ["ended"]
    shop.fake.state.settle(shop.fake.state.all("invoice")[0])
    await shop.receive()
    assert await letters(shop) == []


async def test_the_letter_of_a_reminder_goes_to_who_has_not_canceled(shop: Shop) -> None:
    account = await failing(shop)
    shop.pass_time(days=7, hours=1)
    await shop.receive()
    shop.pass_time(days=6)
    async with shop.database.transaction() as connection:
        await remind_unpaid(connection, shop.clock.now())
    assert await letters(shop) == ["still_unpaid"]
    await shop.till.cancel(account.id)
    assert await letters(shop) == []


@pytest.mark.parametrize("answer", ["confirmed", "taken back"])
async def test_no_letter_asks_for_a_payment_that_nothing_waits_for(shop: Shop, answer: str) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    assert await letters(shop) == ["unpaid_change"]
    if answer == "confirmed":
        shop.fake.confirm(f"{shop.fake.base}/pages/invoice/{shop.fake.state.all('invoice')[0]['id']}")
        await shop.receive()
    else:
        await shop.till.take_back(account.id)
    assert await letters(shop) == []


async def test_nobody_is_told_of_the_plan_of_an_account_that_is_deleted(shop: Shop) -> None:
    account = await shop.subscriber()
    await shop.till.close(account.id)
    async with shop.database.transaction() as connection:
        await close_account(connection, account.id, shop.clock.now())
    assert (await notices(shop, account), await letters(shop)) == (["ended"], [])


async def test_a_late_word_of_a_failure_does_not_lengthen_the_grace(shop: Shop) -> None:
    account = await shop.subscriber()
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    shop.pass_time(days=34)  # four days without webhooks
    await shop.receive()
    entitlement = await shop.entitlement(account)
    assert entitlement.ends_at is not None
    assert entitlement.ends_at - shop.clock.now() <= timedelta(days=3)


async def test_an_outage_of_stripe_does_not_stop_mail(shop: Shop) -> None:
    account = await shop.subscriber()
    shop.fake.is_down = True
    shop.clock.advance(timedelta(days=36).total_seconds())  # six days after the period's end
    await shop.clerk.work()
    await shop.lapse()
    assert (await shop.look(account)).plan == "path"


async def test_what_is_canceled_stays_until_the_period_ends(shop: Shop) -> None:
    account = await shop.subscriber()
    await shop.till.cancel(account.id)
    shop.pass_time(days=29)
    await shop.receive()
    await shop.lapse()
    assert (await shop.look(account)).plan == "path"
    shop.clock.advance(86401)  # our own clock ends it, before any webhook comes
    await shop.lapse()
    assert (await shop.look(account)).plan is None
    shop.fake.state.advance(86401)
    await shop.receive()
    assert (await shop.entitlement(account)).status == "canceled"


async def test_what_was_canceled_can_be_resumed_before_it_ends(shop: Shop) -> None:
    account = await shop.subscriber()
    await shop.till.cancel(account.id)
    await shop.till.resume(account.id)
    shop.pass_time(days=30, hours=1)
    await shop.receive()
    await shop.lapse()
    assert ((await shop.look(account)).plan, (await shop.entitlement(account)).status) == ("path", "active")


async def test_a_date_that_was_set_at_stripe_ends_it_and_can_be_taken_back(shop: Shop) -> None:
    account = await shop.subscriber()
    subscription = shop.fake.subscription()
    subscription["cancel_at"] = shop.fake.state.now + 10 * 86400
    await shop.till.sync(account.id)
    entitlement = await shop.entitlement(account)
    assert entitlement.ends_at == shop.clock.now() + timedelta(days=10)
    await shop.till.resume(account.id)
    assert subscription["cancel_at"] is None
    subscription["cancel_at"] = shop.fake.state.now + 10 * 86400
    await shop.till.sync(account.id)
    shop.pass_time(days=10, hours=1)
    await shop.lapse()
    assert (await shop.look(account)).plan is None


async def test_a_renewal_that_the_bank_wants_confirmed_goes_on_when_it_is(shop: Shop) -> None:
    """3-D Secure: until the customer has confirmed it is as a card that was declined."""
    account = await shop.subscriber("normal")
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    shop.pass_time(days=30, hours=1)
    assert "invoice.payment_action_required" in [event["type"] for event in shop.fake.events]
    await shop.receive()
    async with shop.database.reading() as connection:
        current = await find_current(connection, account.id)
    assert current is not None
    assert (current.status, current.invoice_status) == ("past_due", "open")
    shop.fake.confirm(current.invoice_url or "")
    await shop.receive()
    assert (await shop.entitlement(account)).status == "active"


async def test_an_account_that_goes_leaves_no_subscription_behind(shop: Shop) -> None:
    account, nobody = await shop.subscriber("normal"), await shop.account()
    shop.fake.state.subscribe((await shop.customer(account)).id, shop.fake.price("path"))
    for one in (account, nobody):
        await shop.till.close(one.id)
    assert {one["status"] for one in shop.fake.state.all("subscription")} == {"canceled"}
    assert (await shop.look(account)).plan is None


async def test_a_checkout_that_is_open_somewhere_cannot_be_paid_on_once_its_account_goes(shop: Shop) -> None:
    account = await shop.account()
    await shop.till.check_out(account, "path", "another tab")
    await shop.till.close(account.id)
    assert [one["status"] for one in shop.fake.state.all("checkout.session")] == ["expired"]


async def test_what_is_paid_for_an_account_that_is_deleted_meanwhile_ends_at_once(shop: Shop) -> None:
    account = await shop.account()
    url = await shop.till.check_out(account, "path", "another tab")
    async with shop.database.transaction() as connection:
        await close_account(connection, account.id, shop.clock.now())
    shop.fake.pay(url)
    await shop.receive()
    assert [one["status"] for one in shop.fake.state.all("subscription")] == ["canceled"]
    assert (await shop.look(account)).plan is None
    later = shop.clock.now() + 2 * LINGER
    async with shop.database.transaction() as connection:
        assert [one.kind for one in await list_alerts(connection)] == ["paid_when_deleted"]
        assert not await erase_some(connection, later)
    shop.fake.state.refund(shop.fake.state.all("invoice")[0], 5000)
    await shop.receive()
    async with shop.database.transaction() as connection:
        assert await list_alerts(connection) == []
        assert await erase_some(connection, later)
    with pytest.raises(NotFound):
        await shop.look(account)


@pytest.mark.parametrize("is_paid_first", [True, False])
async def test_an_account_that_is_deleted_owes_nothing_any_more(shop: Shop, is_paid_first: bool) -> None:
    account = await failing(shop)
    bill = shop.fake.state.all("invoice")[0]
    if is_paid_first:
        shop.fake.is_down = True
    with suppress(ServiceUnavailable):
        await shop.till.close(account.id)
    shop.fake.is_down = False
    async with shop.database.transaction() as connection:
        await close_account(connection, account.id, shop.clock.now())
    shop.pass_time(hours=1)
    shop.fake.confirm(f"{shop.fake.base}/pages/invoice/{bill['id']}")
    await shop.receive()
    told = [("paid_when_deleted", f"to be given back: {bill['number']}")]
    assert (bill["status"], await alerts(shop, account)) == (("paid", told) if is_paid_first else ("void", []))


async def test_an_upgrade_that_waits_cannot_be_paid_once_its_account_goes(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.cards[(await shop.customer(account)).id] = "authenticate"
    await shop.till.change(account.id, "skilled", shop.clock.now())
    await shop.till.close(account.id)
    assert [one["status"] for one in shop.fake.state.all("invoice")] == ["void", "paid"]


@pytest.mark.parametrize("way", ["disputed", "after half a year"])
async def test_a_payment_that_is_not_given_back_keeps_no_account_for_ever(shop: Shop, way: str) -> None:
    account = await shop.account()
    url = await shop.till.check_out(account, "path", "another tab")
    async with shop.database.transaction() as connection:
        await close_account(connection, account.id, shop.clock.now())
    shop.fake.pay(url)
    await shop.receive()
    if way == "disputed":
        shop.fake.state.dispute(shop.fake.state.all("invoice")[0])
        await shop.receive()
        later = shop.clock.now() + 2 * LINGER
    else:
        later = shop.clock.now() + timedelta(days=181)
    async with shop.database.transaction() as connection:
        assert await erase_some(connection, later)
    with pytest.raises(NotFound):
        await shop.look(account)


async def test_a_dispute_is_looked_at_while_it_is_new(shop: Shop) -> None:
    account = await shop.subscriber("path")
    shop.fake.state.dispute(shop.fake.state.all("invoice")[0])
    shop.clock.advance(timedelta(days=121).total_seconds())
    await shop.till.sync(account.id)
    async with shop.database.reading() as connection:
        assert await list_alerts(connection) == []


async def test_a_refund_and_a_dispute_are_seen_and_stop_nothing(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    invoice = shop.fake.state.all("invoice")[0]
    shop.fake.state.refund(invoice, 5000)
    shop.fake.state.dispute(invoice)
    await shop.receive()
    async with shop.database.reading() as connection:
        seen = (await list_invoices(connection, account.id))[0]
        alerts = [one.kind for one in await list_alerts(connection)]
    assert (seen.refunded_cents, seen.is_disputed) == (5000, True)
    assert alerts == ["disputed"]
    assert (await shop.look(account)).plan == "premium"


async def test_a_refund_is_seen_though_the_card_was_declined_at_first(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    card = (await shop.customer(account)).id
    shop.fake.state.cards[card] = "declined"
    shop.pass_time(days=31)
    shop.fake.state.cards[card] = "ok"
    shop.pass_time(days=4)  # Stripe has tried again
    invoice = shop.fake.state.all("invoice")[0]
    assert [one["status"] for one in shop.fake.state.all("charge")[:2]] == ["succeeded", "failed"]
    shop.fake.state.refund(invoice, 700)
    shop.fake.state.dispute(invoice)
    await shop.receive()
    async with shop.database.reading() as connection:
        seen = (await list_invoices(connection, account.id))[0]
    assert (seen.refunded_cents, seen.is_disputed) == (700, True)


async def test_a_customer_that_was_deleted_stops_and_may_come_again_as_another(shop: Shop) -> None:
    account = await shop.subscriber()
    first = await shop.customer(account)
    customer = shop.fake.state.things[first.id]
    shop.fake.state.cancel_now(shop.fake.subscription())
    shop.fake.state.event("customer.deleted", customer)
    customer["deleted"] = True
    await shop.receive()
    assert (await shop.look(account)).plan is None
    await shop.buy(account, "skilled")
    assert (await shop.look(account)).plan == "skilled"
    assert (await shop.customer(account)).id != first.id


async def test_a_customer_that_stripe_does_not_know_keeps_its_plan(shop: Shop) -> None:
    """The key of another Stripe account must not stop everybody's mail."""
    account = await shop.subscriber()
    del shop.fake.state.things[(await shop.customer(account)).id]
    await shop.receive()
    assert (await shop.look(account)).plan == "path"
    with pytest.raises(StripeRefused, match="write to support"):  # nobody could keep it from being charged there
        await shop.till.close(account.id)
    async with shop.database.reading() as connection:
        assert [one.kind for one in await list_alerts(connection)] == ["unknown_customer"]
        errors = (await connection.execute(text("SELECT DISTINCT error FROM stripe_events WHERE due_at > now()"))).all()
    assert len(errors) == 1


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired"])
async def test_what_was_never_paid_never_starts_and_takes_nothing_away(shop: Shop, status: str) -> None:
    nothing, given = await shop.account(), await shop.account("premium")
    for account in (nothing, given):
        await shop.till.check_out(account, "path", "once")
        shop.fake.state.subscribe((await shop.customer(account)).id, shop.fake.price("skilled"), status=status)
        await shop.till.sync(account.id)
    assert (await shop.look(nothing)).plan is None
    assert (await shop.look(given)).plan == "premium"


async def test_an_unknown_price_alerts_and_never_takes_the_plan_away(shop: Shop) -> None:
    account = await shop.subscriber("normal")
    other = shop.fake.api.create_price({"product": "x", "lookup_key": None, "unit_amount": "99"})
    shop.fake.subscription()["items"]["data"][0]["price"] = other["id"]
    await shop.till.sync(account.id)
    assert (await shop.look(account)).plan == "normal"
    async with shop.database.reading() as connection:
        assert [one.kind for one in await list_alerts(connection)] == ["unknown_price"]
    shop.fake.subscription()["items"]["data"][0]["price"] = shop.fake.price("normal")
    await shop.till.sync(account.id)
    async with shop.database.reading() as connection:
        assert await list_alerts(connection) == []


async def test_a_price_whose_key_moved_on_to_a_newer_one_is_still_known(shop: Shop) -> None:
    account = await shop.account()
    await shop.stripe.put_product("path", "Path", "1000 an hour", 5000)  # with the plan in the price's metadata
    await shop.buy(account, "path")
    await shop.stripe.put_product("path", "Path", "1000 an hour", 6000)
    await shop.till.sync(account.id)
    assert (await shop.look(account)).plan == "path"
    async with shop.database.reading() as connection:
        assert await list_alerts(connection) == []


async def test_of_two_paid_subscriptions_the_better_counts_and_somebody_is_told(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    shop.fake.state.subscribe((await shop.customer(account)).id, shop.fake.price("path"))
    await shop.receive()
    assert (await shop.look(account)).plan == "premium"
    async with shop.database.reading() as connection:
        assert [one.kind for one in await list_alerts(connection)] == ["several_subscriptions"]


async def test_canceling_ends_every_subscription_that_is_charged(shop: Shop) -> None:
    account = await shop.subscriber("premium")
    customer = (await shop.customer(account)).id
    shop.fake.state.subscribe(customer, shop.fake.price("path"))
    owed = shop.fake.state.subscribe(customer, shop.fake.price("normal"), status="past_due")
    assert await shop.till.cancel(account.id) is not None
    assert owed["status"] == "canceled"
    shop.pass_time(days=31)
    assert {one["status"] for one in shop.fake.state.all("subscription")} == {"canceled"}


async def test_one_that_cannot_be_canceled_keeps_no_other_from_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await shop.subscriber("premium")
    other = shop.fake.state.subscribe((await shop.customer(account)).id, shop.fake.price("path"))
    end = shop.stripe.cancel_at_period_end

    async def fail_for_one(subscription: Subscription, *, wanted: bool) -> None:
        if subscription.id == other["id"]:
            raise ServiceUnavailable("Stripe does not answer.")
        await end(subscription, wanted=wanted)

    with monkeypatch.context() as patch, pytest.raises(ServiceUnavailable):
        patch.setattr(shop.stripe, "cancel_at_period_end", fail_for_one)
        await shop.till.cancel(account.id)
    ends = {one["id"]: one["cancel_at_period_end"] for one in shop.fake.state.all("subscription")}
    assert [ends.pop(other["id"]), *ends.values()] == [False, True]
    await shop.till.cancel(account.id)
    assert all(one["cancel_at_period_end"] for one in shop.fake.state.all("subscription"))


async def test_canceling_ends_what_was_begun_and_never_paid(shop: Shop) -> None:
    account = await shop.subscriber("path")
    customer = (await shop.customer(account)).id
    begun = shop.fake.state.subscribe(customer, shop.fake.price("premium"), status="incomplete")
    await shop.till.cancel(account.id)
    assert (begun["status"], shop.fake.state.all("invoice")[0]["status"]) == ("canceled", "void")


async def test_what_is_canceled_twice_is_over_all_the_same(shop: Shop) -> None:
    account = await failing(shop)
    assert [await shop.till.cancel(account.id) for _ in range(2)] == [None, None]


@pytest.mark.parametrize("shown", [[], ["sub_of_another_time"]])
async def test_nothing_is_canceled_that_ends_otherwise_than_was_shown(shop: Shop, shown: list[str]) -> None:
    account = await failing(shop)
    with pytest.raises(Conflict, match="look at it again"):
        await shop.till.cancel(account.id, at_once=shown)
    assert shop.fake.subscription()["status"] == "past_due"
    assert await shop.till.cancel(account.id, at_once=[shop.fake.subscription()["id"]]) is None


async def give(shop: Shop, account: Account, plan: str | None) -> None:
    """As an operator does."""
    async with shop.database.transaction() as connection:
        await overrule(connection, account.id, shop.clock.now())
        await set_plan(connection, account.id, plan)


async def test_an_operators_word_outlives_a_renewal_and_one_that_fails(shop: Shop) -> None:
    account = await shop.subscriber()
    await give(shop, account, "skilled")
    shop.pass_time(days=31)
    await shop.receive()
    shop.fake.state.cards[(await shop.customer(account)).id] = "declined"
    shop.pass_time(days=31)
    await shop.receive()
    shop.pass_time(days=8)
    await shop.receive()
    await shop.lapse()
    assert ((await shop.entitlement(account)).plan, (await shop.look(account)).plan) == (None, "skilled")
    await shop.till.cancel(account.id)  # what is owed, which gives no plan any more
    assert (await shop.look(account)).plan == "skilled"


@pytest.mark.parametrize("given", [None, "skilled"])
async def test_who_pays_for_a_plan_and_has_another_can_have_it_back(shop: Shop, given: str | None) -> None:
    account = await shop.subscriber("premium")
    await give(shop, account, given)
    await shop.till.change(account.id, "premium", shop.clock.now())
    assert (await shop.look(account)).plan == "premium"
    await shop.till.cancel(account.id)
    shop.pass_time(days=31)
    await shop.receive()
    assert (await shop.look(account)).plan is None


async def test_who_keeps_a_plan_instead_of_a_smaller_one_keeps_what_was_given_as_well(shop: Shop) -> None:
    account = await shop.subscriber("normal")
    await shop.till.change(account.id, "path", shop.clock.now())
    await give(shop, account, "premium")
    await shop.till.change(account.id, "normal", shop.clock.now())
    assert (await shop.look(account)).plan == "premium"


async def test_an_operators_word_stands_until_something_changes_at_stripe(shop: Shop) -> None:
    account = await shop.subscriber("path")
    async with shop.database.transaction() as connection:
        await set_plan(connection, account.id, "skilled", 7000)
    await shop.till.sync(account.id)
    assert (await shop.look(account)).limit == 7000


@pytest.mark.parametrize("end", ["lapse", "webhook"])
@pytest.mark.parametrize("is_canceled", [True, False])
async def test_what_ends_takes_no_plan_away_that_was_given_later(shop: Shop, end: str, is_canceled: bool) -> None:
    if is_canceled:
        account = await shop.subscriber()
        await shop.till.cancel(account.id)
    else:
        account = await failing(shop)
    async with shop.database.transaction() as connection:
        await set_plan(connection, account.id, "skilled")
        await overrule(connection, account.id, shop.clock.now())
    shop.pass_time(days=31)
    await (shop.lapse() if end == "lapse" else shop.receive())
    assert (await shop.entitlement(account)).plan is None
    await shop.receive()
    await shop.lapse()
    assert (await shop.look(account)).plan == "skilled"
    async with shop.database.reading() as connection:
        newest = (await list_entries(connection, account.id, Cursor(limit=1))).data[0]
    assert newest.detail.get("plan") != "none"
    assert "ended" not in await letters(shop)


async def test_who_cancels_after_an_operators_word_ends_that_as_well(shop: Shop) -> None:
    account = await shop.subscriber()
    async with shop.database.transaction() as connection:
        await set_plan(connection, account.id, "skilled")
        await overrule(connection, account.id, shop.clock.now())
    await shop.till.cancel(account.id)
    shop.pass_time(days=31)
    await shop.receive()
    assert (await shop.look(account)).plan is None


async def test_the_audit_log_tells_what_stripe_did(shop: Shop) -> None:
    account = await failing(shop)
    shop.fake.state.cancel_now(shop.fake.subscription())
    await shop.receive()
    async with shop.database.reading() as connection:
        told = (await list_entries(connection, account.id, Cursor(limit=20))).data[::-1]
    assert {(one.actor, one.user_id) for one in told} == {("Stripe", None)}
    assert [(one.action, one.detail["state"]) for one in told] == [
        ("plan_changed", "active"),
        ("payment_state_changed", "past_due"),
        ("plan_changed", "canceled"),
    ]
