"""Billing in the worker: a webhook's hint is acted on, and a lost one is found by the schedule."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from hourpost.accounts.changes import switch_plan
from hourpost.accounts.queries import get_account
from hourpost.billing.changes import write_entitlement
from hourpost.billing.events import store_event
from hourpost.billing.notices import list_unmailed, write_notices
from hourpost.billing.till import Till
from hourpost.errors import ServiceUnavailable
from hourpost.flow.postman import Postman
from hourpost.gateways.stripe import read_event
from hourpost.gateways.stripe.client import RealStripe
from hourpost.rules.subscriptions import NOTHING, Entitlement
from tests.api.web.dashboard.people import join, make_user
from tests.cast import make_account, make_domain
from tests.fakes.stripe_server import KEY, SECRET, sign
from workers.billing import BillingChores
from workers.errand import Errand

PLAN_URL = "https://post.example/app/plan"


async def wait_for_plan(rounds, account, plan):
    deadline = time.monotonic() + 30
    while True:
        async with rounds.database.reading() as connection:
            if (await get_account(connection, account.id)).plan == plan:
                return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_worker_acts_on_a_webhook_when_it_is_rung(rounds, start_worker, fake_stripe, clock):
    await start_worker(stripe_secret_key=KEY, stripe_api_url=fake_stripe.base)
    account = await make_account(rounds.database, None)
    stripe = RealStripe(KEY, fake_stripe.base)
    till = Till(rounds.database, stripe, clock, PLAN_URL)
    url = await till.check_out(account, "premium", "once")
    await stripe.aclose()
    await asyncio.to_thread(fake_stripe.pay, url)
    body = json.dumps(fake_stripe.events[-1])
    async with rounds.database.transaction() as connection:
        await store_event(connection, read_event(body.encode(), sign(body), SECRET), clock.now())
    postman = Postman(rounds.database, rounds.office.intake, clock, None)
    chores = BillingChores(rounds.database, clock, rounds.office.bell.ring_billing, postman, PLAN_URL, sells=True)
    await chores.look()  # as the schedule does, should the door's hint be lost
    await wait_for_plan(rounds, account, "premium")


async def test_an_errand_rung_while_it_runs_is_done_once_more():
    begun, go = [], asyncio.Event()

    async def work():
        begun.append(1)
        await go.wait()

    errand = Errand(work)
    errand.ring()
    await asyncio.sleep(0)
    for _ in range(5):
        errand.ring()
    go.set()
    await asyncio.sleep(0.05)
    assert len(begun) == 2


async def test_an_errand_that_stumbles_is_done_at_the_next_ring():
    tries = []

    async def work():
        tries.append(1)
        raise RuntimeError("oh")

    errand = Errand(work)
    for _ in range(2):
        errand.ring()
        await asyncio.sleep(0.05)
    assert len(tries) == 2


async def owe(database, account, now, *, has_ended=False):
    """A payment of the account's has failed, and perhaps its plan has ended since; with the notices of it."""
    after = Entitlement(None if has_ended else "path", "past_due", now + timedelta(days=6), "sub_1", now)
    kinds = ["ended", "still_unpaid"] if has_ended else ["past_due"]
    async with database.transaction() as connection:
        await write_entitlement(connection, account.id, NOTHING, after, now)
        if has_ended:
            await switch_plan(connection, account.id, None, lapsed_at=now)
        told = [(kind, f"sub_1 {now:%Y-%m-%dT%H:%MZ}") for kind in kinds]
        await write_notices(connection, account.id, told, now)


async def test_a_notice_is_mailed_once_to_who_sees_to_the_plan(rounds, clock):
    ours = await make_account(rounds.database)
    await make_domain(rounds.database, ours, "post.test")
    owing, ended = await make_account(rounds.database), await make_account(rounds.database)
    await owe(rounds.database, owing, clock.now())
    await owe(rounds.database, ended, clock.now(), has_ended=True)
    postman = Postman(rounds.database, rounds.office.intake, clock, "Hourpost <hello@post.test>")
    chores = BillingChores(rounds.database, clock, rounds.office.bell.ring_billing, postman, PLAN_URL, sells=True)
    for _ in range(2):
        await chores.tell()
    async with rounds.database.reading() as connection:
        rows = await connection.execute(
            text("SELECT e.subject, d.address FROM emails e JOIN deliveries d ON d.email_id = e.id ORDER BY e.subject")
        )
        assert [tuple(row) for row in rows] == [
            ("A payment for Hourpost has failed", owing.email),
            ("Your Hourpost plan has ended", ended.email),
            ("Your Hourpost plan is still not paid for", ended.email),
        ]


class Stumbling:
    """An intake that is away for one order of those that come, after storing it or instead."""

    def __init__(self, intake, number, *, stores):
        self._intake, self._number, self._stores = intake, number, stores

    async def accept(self, order):
        self._number -= 1
        if self._number == 0 and not self._stores:
            raise ServiceUnavailable("Away.")
        receipt = await self._intake.accept(order)
        if self._number == 0:
            raise ServiceUnavailable("Away before it could say so.")
        return receipt


@pytest.mark.parametrize("stores", [True, False])
async def test_nobody_is_written_to_twice_where_the_letter_to_another_failed(rounds, clock, stores):
    ours = await make_account(rounds.database)
    await make_domain(rounds.database, ours, "post.test")
    account = await make_account(rounds.database)
    told = [account.email]
    for role in ("admin", "billing", "viewer"):
        user_id, email = await make_user(rounds.database)
        await join(rounds.database, account, user_id, role)
        told += [email] if role != "viewer" else []
    await owe(rounds.database, account, clock.now(), has_ended=True)
    postman = Postman(
        rounds.database, Stumbling(rounds.office.intake, 2, stores=stores), clock, "Hourpost <hello@post.test>"
    )
    chores = BillingChores(rounds.database, clock, rounds.office.bell.ring_billing, postman, PLAN_URL, sells=True)
    for _ in range(3):
        await chores.tell()
    async with rounds.database.reading() as connection:
        rows = await connection.execute(text("SELECT d.address FROM deliveries d"))
        assert Counter(rows.scalars()) == dict.fromkeys(told, 2)
        assert await list_unmailed(connection, clock.now()) == []


async def test_a_notice_that_cannot_be_mailed_waits(rounds, clock):
    account = await make_account(rounds.database)
    await owe(rounds.database, account, clock.now())
    postman = Postman(rounds.database, rounds.office.intake, clock, "Hourpost <hello@unverified.test>")
    await BillingChores(rounds.database, clock, rounds.office.bell.ring_billing, postman, PLAN_URL, sells=True).tell()
    async with rounds.database.reading() as connection:
        assert [one.kind for one in await list_unmailed(connection, clock.now())] == ["past_due"]


async def test_where_plans_cost_nothing_none_ends_and_nobody_is_told_so(rounds, clock):
    ours = await make_account(rounds.database)
    await make_domain(rounds.database, ours, "post.test")
    ended, ending = await make_account(rounds.database), await make_account(rounds.database)
    await owe(rounds.database, ended, clock.now(), has_ended=True)
    await owe(rounds.database, ending, clock.now())
    clock.advance(timedelta(days=7).total_seconds())
    postman = Postman(rounds.database, rounds.office.intake, clock, "Hourpost <hello@post.test>")
    for sells, plan, told in ((False, "path", 0), (True, None, 1)):
        chores = BillingChores(rounds.database, clock, rounds.office.bell.ring_billing, postman, PLAN_URL, sells=sells)
        await chores.lapse()
        await chores.tell()
        async with rounds.database.reading() as connection:
            assert (await get_account(connection, ending.id)).plan == plan
            assert (await connection.execute(text("SELECT count(*) FROM emails"))).scalar() == told
