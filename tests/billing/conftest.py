"""A fake Stripe, and customers of the till on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.queries import Account, get_account
from hourpost.billing.events import Clerk, store_event
from hourpost.billing.lapse import end_lapsed
from hourpost.billing.queries import Customer, find_customer, get_entitlement
from hourpost.billing.till import Till
from hourpost.database import Database
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.gateways.stripe import read_event
from hourpost.gateways.stripe.client import RealStripe
from hourpost.rules.subscriptions import Entitlement
from tests.cast import make_account
from tests.conftest import copy_template
from tests.fakes.clock import FakeClock
from tests.fakes.stripe_server import KEY, SECRET, FakeStripe, sign
from tests.fakes.stripe_state import Thing

PLAN_URL = "https://post.example/app/plan"


@pytest_asyncio.fixture(scope="session")
async def billing_database(template_url: str, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database of this folder's own: the clerk looks at all accounts at once."""
    opened = Database(await copy_template(postgres))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def empty_database(billing_database: Database) -> Database:
    async with billing_database.transaction() as connection:
        await connection.execute(text("DELETE FROM stripe_events"))
        await connection.execute(text("DELETE FROM accounts"))
    return billing_database


@pytest_asyncio.fixture
async def stripe_client(fake_stripe: FakeStripe) -> AsyncIterator[RealStripe]:
    client = RealStripe(KEY, fake_stripe.base)
    yield client
    await client.aclose()


@dataclass
class Shop:
    """Everything of billing on one fake Stripe, with one clock for both sides."""

    database: Database
    fake: FakeStripe
    stripe: RealStripe
    clock: FakeClock
    till: Till
    clerk: Clerk

    async def account(self, plan: str | None = None) -> Account:
        return await make_account(self.database, plan)

    async def subscriber(self, plan: str = "path") -> Account:
        """An account that has paid for a plan."""
        account = await self.account()
        await self.buy(account, plan)
        return await self.look(account)

    async def buy(self, account: Account, plan: str) -> None:
        url = await self.till.check_out(account, plan, uuid4().hex)
        self.fake.pay(url)
        await self.till.sync(account.id)

    async def look(self, account: Account) -> Account:
        async with self.database.reading() as connection:
            return await get_account(connection, account.id)

    async def entitlement(self, account: Account) -> Entitlement:
        async with self.database.reading() as connection:
            return await get_entitlement(connection, account.id)

    async def customer(self, account: Account) -> Customer:
        async with self.database.reading() as connection:
            customer = await find_customer(connection, account.id)
        assert customer is not None
        return customer

    def pass_time(self, *, days: float = 0, hours: float = 0) -> None:
        """On both sides."""
        passed = timedelta(days=days, hours=hours)
        self.fake.state.advance(int(passed.total_seconds()))
        self.clock.advance(passed.total_seconds())

    async def receive(self, events: list[Thing] | None = None) -> None:
        """As the webhook's route does, then as a worker does."""
        if events is None:
            events, self.fake.events = self.fake.events, []
        for event in events:
            await self.store(event)
        await self.clerk.work()

    async def store(self, event: Thing) -> bool:
        body = json.dumps(event)
        read = read_event(body.encode(), sign(body), SECRET)
        async with self.database.transaction() as connection:
            return await store_event(connection, read, self.clock.now())

    async def lapse(self) -> None:
        async with self.database.transaction() as connection:
            await end_lapsed(connection, self.clock.now())


@pytest_asyncio.fixture
async def shop(empty_database: Database, fake_stripe: FakeStripe, stripe_client: RealStripe, clock: FakeClock) -> Shop:
    clock.moment = datetime.fromtimestamp(fake_stripe.state.now, UTC)
    till = Till(empty_database, stripe_client, clock, PLAN_URL)
    clerk = Clerk(empty_database, stripe_client, clock, till)
    return Shop(empty_database, fake_stripe, stripe_client, clock, till, clerk)
