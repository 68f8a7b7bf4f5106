"""Buying a first plan."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from hourpost import tables
from hourpost.accounts.audit import Actor, list_entries
from hourpost.accounts.changes import rename_account
from hourpost.accounts.queries import Account
from hourpost.errors import Conflict, NotFound, ServiceUnavailable
from hourpost.gateways.stripe import NewCustomer
from hourpost.gateways.stripe.client import PORTAL_FEATURES
from hourpost.pages import Cursor
from hourpost.rules.plans import PLANS
from tests.billing.conftest import PLAN_URL, Shop


async def test_who_pays_a_checkout_gets_the_plan(shop: Shop) -> None:
    account = await shop.account()
    url = await shop.till.check_out(account, "normal", "once")
    assert (await shop.look(account)).plan is None
    assert shop.fake.pay(url).startswith(f"{PLAN_URL}/return?session_id=cs_test_")
    entitlement = await shop.till.sync(account.id)
    assert entitlement is not None
    assert (entitlement.plan, entitlement.status) == ("normal", "active")
    assert (await shop.look(account)).limit == PLANS["normal"].hourly_limit


async def test_who_comes_back_before_the_webhook_has_the_plan_already(shop: Shop) -> None:
    account = await shop.account()
    location = shop.fake.pay(await shop.till.check_out(account, "path", "once"))
    entitlement = await shop.till.come_back(account.id, location.partition("session_id=")[2])
    assert entitlement.plan == (await shop.look(account)).plan == "path"
    await shop.receive()  # the webhooks that follow change nothing
    assert (await shop.look(account)).plan == "path"


async def test_the_checkout_of_another_is_not_found(shop: Shop) -> None:
    mine, others = await shop.account(), await shop.account()
    location = shop.fake.pay(await shop.till.check_out(others, "skilled", "once"))
    await shop.till.check_out(mine, "path", "once")
    with pytest.raises(NotFound):
        await shop.till.come_back(mine.id, location.partition("session_id=")[2])
    assert (await shop.look(mine)).plan is None


async def test_a_checkout_takes_promotion_codes_and_what_pays_at_once_and_belongs_to_one_customer(shop: Shop) -> None:
    account = await shop.account()
    await shop.till.check_out(account, "path", "once")
    session = shop.fake.state.all("checkout.session")[0]
    assert session["allow_promotion_codes"] is True
    assert session["payment_method_types"] == ["card", "link"]
    assert session["client_reference_id"] == account.public_id
    assert session["customer"] == (await shop.customer(account)).id


async def test_a_form_sent_twice_opens_one_checkout(shop: Shop) -> None:
    account = await shop.account()
    first, second = await asyncio.gather(
        shop.till.check_out(account, "path", "the form"), shop.till.check_out(account, "path", "the form")
    )
    assert first == second
    assert len(shop.fake.state.all("customer")) == 1


async def test_a_second_checkout_closes_the_first_so_that_not_both_are_paid(shop: Shop) -> None:
    account = await shop.account()
    await shop.till.check_out(account, "path", "one tab")
    await shop.till.check_out(account, "skilled", "another tab")
    newest, older = shop.fake.state.all("checkout.session")
    assert (older["status"], newest["status"]) == ("expired", "open")


async def test_a_checkout_is_taken_back_once(shop: Shop) -> None:
    account = await shop.account()
    by = Actor(None, "owner@acme.test", "192.0.2.1", account.id)
    await shop.till.check_out(account, "path", "once")
    await shop.till.take_back(account.id, by)
    with pytest.raises(Conflict, match="nothing left"):
        await shop.till.take_back(account.id, by)
    async with shop.database.reading() as connection:
        told = (await list_entries(connection, account.id, Cursor(limit=10))).data
    assert [one.action for one in told] == ["payment_taken_back"]
    await shop.till.check_out(account, "path", "another")
    await shop.till.take_back(account.id)


async def test_what_was_paid_and_is_over_is_not_taken_back(shop: Shop) -> None:
    account = await shop.subscriber()
    shop.fake.state.cancel_now(shop.fake.subscription())
    await shop.receive()
    with pytest.raises(Conflict, match="nothing left"):
        await shop.till.take_back(account.id)


async def test_a_form_that_was_overtaken_by_another_leaves_that_one_s_page_open(shop: Shop) -> None:
    account = await shop.account()
    await shop.till.check_out(account, "path", "one tab")
    url = await shop.till.check_out(account, "skilled", "another tab")
    with pytest.raises(Conflict, match="look at your plan again"):
        await shop.till.check_out(account, "path", "one tab")
    shop.fake.pay(url)
    await shop.till.sync(account.id)
    assert (await shop.look(account)).plan == "skilled"


async def test_a_subscriber_is_not_sold_a_second_subscription(shop: Shop) -> None:
    account = await shop.subscriber()
    with pytest.raises(Conflict, match="change that one"):
        await shop.till.check_out(account, "skilled", "again")


async def test_a_price_that_stripe_does_not_have_is_not_sold(shop: Shop) -> None:
    account = await shop.account()
    shop.fake.state.things[shop.fake.price("premium")]["lookup_key"] = None
    with pytest.raises(Conflict, match="cannot be bought"):
        await shop.till.check_out(account, "premium", "once")


async def test_an_account_with_an_operators_plan_keeps_it_until_it_has_paid_for_another(shop: Shop) -> None:
    account = await shop.account("path")
    url = await shop.till.check_out(account, "skilled", "once")
    await shop.till.sync(account.id)
    assert (await shop.look(account)).plan == "path"
    shop.fake.pay(url)
    await shop.till.sync(account.id)
    assert (await shop.look(account)).plan == "skilled"


async def test_while_stripe_is_away_nothing_changes_and_the_customer_is_told(shop: Shop) -> None:
    account = await shop.subscriber("normal")
    shop.fake.is_down = True
    with pytest.raises(ServiceUnavailable, match="Stripe does not answer"):
        await shop.till.sync(account.id)
    assert (await shop.look(account)).plan == "normal"


async def test_the_api_version_is_pinned_and_creations_carry_keys_of_ours(shop: Shop) -> None:
    account = await shop.subscriber()
    fingerprint = NewCustomer("", account.name, account.email).fingerprint
    by_path = dict(zip([path for _, path in shop.fake.calls], shop.fake.headers, strict=True))
    assert {headers["stripe-version"] for headers in shop.fake.headers} == {"2026-10-28.endive"}
    assert by_path["/v1/customers"]["idempotency-key"] == f"hourpost-customer-{account.public_id}-0-{fingerprint}"
    assert by_path["/v1/checkout/sessions"]["idempotency-key"].startswith(f"hourpost-checkout-{account.public_id}-")


async def test_the_portal_opens_for_a_customer_only(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await shop.till.portal((await shop.account()).id)
    account = await shop.subscriber()
    assert (await shop.till.portal(account.id)).startswith(f"{shop.fake.base}/pages/portal/")


async def test_plans_are_not_changed_in_the_portal(shop: Shop) -> None:
    account = await shop.subscriber()
    await shop.till.portal(account.id)
    await shop.till.portal(account.id)
    (shape,) = shop.fake.state.all("billing_portal.configuration")
    offered = {name for name, feature in shape["features"].items() if feature["enabled"]}
    assert offered == {"customer_update", "invoice_history", "payment_method_update"}


async def test_another_shape_of_the_portal_and_one_that_was_archived_are_made_anew_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the day in which Stripe remembers the keys of what was made."""
    account = await shop.subscriber()
    await shop.till.portal(account.id)
    monkeypatch.setitem(PORTAL_FEATURES, "invoice_history", {"enabled": False})
    await shop.till.portal(account.id)
    newest, _ = shop.fake.state.all("billing_portal.configuration")
    assert newest["features"]["invoice_history"]["enabled"] is False
    newest["active"] = False
    await shop.till.portal(account.id)
    assert len(shop.fake.state.all("billing_portal.configuration")) == 3


async def rename(shop: Shop, account: Account, name: str, email: str) -> None:
    async with shop.database.transaction() as connection:
        await rename_account(connection, account.id, name)
        await connection.execute(update(tables.Account).where(tables.Account.id == account.id).values(email=email))


async def test_stripe_hears_of_another_name_and_address_once(shop: Shop) -> None:
    account = await shop.subscriber()
    customer = shop.fake.state.things[(await shop.customer(account)).id]
    await rename(shop, account, "Acme & Sons", "bills@acme.test")
    await shop.receive()
    assert (customer["name"], customer["email"]) == ("Acme & Sons", "bills@acme.test")
    customer["email"] = "accounts@acme.test"  # on the page for cards and invoices
    shop.fake.state.event("customer.updated", customer)
    await shop.receive()
    assert customer["email"] == "accounts@acme.test"
    await rename(shop, account, "Acme", "you@acme.test")
    await shop.till.sync(account.id)
    assert (customer["name"], customer["email"]) == ("Acme", "you@acme.test")


async def test_a_customer_of_whom_nobody_knows_what_was_told_keeps_name_and_address_until_those_change(
    shop: Shop,
) -> None:
    account = await shop.subscriber()
    customer = shop.fake.state.things[(await shop.customer(account)).id]
    customer |= {"metadata": {}, "email": "accounts@acme.test"}
    await shop.till.sync(account.id)
    assert customer["email"] == "accounts@acme.test"
    await rename(shop, account, "Acme & Sons", "bills@acme.test")
    await shop.till.sync(account.id)
    assert (customer["name"], customer["email"]) == ("Acme & Sons", "bills@acme.test")


async def test_a_subscription_behind_a_hundred_others_counts(shop: Shop) -> None:
    account = await shop.subscriber("normal")
    state, customer = shop.fake.state, (await shop.customer(account)).id
    price = state.all("price")[0]["id"]
    for _ in range(101):
        state.cancel_now(state.subscribe(customer, price))
    await shop.till.sync(account.id)
    entitlement = await shop.entitlement(account)
    assert (entitlement.plan, entitlement.status) == ("normal", "active")
