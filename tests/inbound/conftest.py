"""The way in, as the SMTP process has it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hourpost.database import Database
from hourpost.flow.forward import Forwarding
from hourpost.flow.keep import Keeper
from hourpost.flow.receive import Receiver
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.hour import RedisHour
from hourpost.mailboxes.store import MailStore
from tests.fakes.bell import Bell
from tests.inbound.house import HOSTNAME, FixedAuthentication, House, make_house


@pytest_asyncio.fixture
async def mail_store(database: Database, redis_url: str) -> AsyncIterator[MailStore]:
    store = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
    await store.start()
    yield store
    await store.stop()


@pytest_asyncio.fixture
async def hour(redis_url: str) -> AsyncIterator[RedisHour]:
    gateway = RedisHour(redis_url, timeout_seconds=5)
    yield gateway
    await gateway.aclose()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest_asyncio.fixture
async def house(database: Database, mail_store: MailStore, hour: RedisHour, bell: Bell) -> House:
    clock, authentication = SystemClock(), FixedAuthentication()
    keeper = Keeper(database, mail_store, Forwarding(database, hour, bell.ring, clock), clock)
    receiver = Receiver(keeper, authentication, clock, HOSTNAME)
    return await make_house(database, receiver, authentication)
