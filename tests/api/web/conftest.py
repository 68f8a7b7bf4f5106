"""One web process for all tests of the folder, and three who ask it: the owner, a stranger, nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from hourpost.accounts.queries import Account
from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from hourpost.domains.queries import Domain
from hourpost.flow.forward import Forwarding
from hourpost.flow.keep import Keeper
from hourpost.flow.receive import Receiver
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.hour import RedisHour
from hourpost.mailboxes.store import MailStore
from hourpost.settings import Settings
from tests.api.web.running import RunningWeb
from tests.cast import make_account, make_domain, make_key
from tests.fakes.bell import Bell
from tests.fixtures.trust import TRUST
from tests.inbound.house import HOSTNAME, FixedAuthentication


@dataclass(frozen=True)
class Customer:
    """An account with a domain and a key, and a client that uses the key."""

    account: Account
    domain: Domain
    key: str
    http: httpx.Client

    @property
    def sender(self) -> str:
        return f"Acme <hello@{self.domain.name}>"

    def email(self, **fields: Any) -> dict[str, Any]:
        """The body of a good email, changed by ``fields``; None takes one out."""
        good = {"from": self.sender, "to": ["ada@example.net"], "subject": "Hello", "text": "Hello, Ada."}
        return {name: value for name, value in (good | fields).items() if value is not None}

    def send(self, **fields: Any) -> httpx.Response:
        return self.http.post("/v1/emails", json=self.email(**fields))


NewCustomer = Callable[..., Awaitable[Customer]]


@pytest.fixture(scope="session")
def web(
    assets: None, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWeb]:
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=database_url,
        redis_url=redis_url,
        secret_key="a secret of the tests, long enough",
        base_url="https://post.example",
        embedded=True,
        log_level="error",
    )
    running = RunningWeb(settings)
    yield running
    running.stop()


@pytest_asyncio.fixture
async def new_customer(web: RunningWeb, database: Database) -> AsyncIterator[NewCustomer]:
    """Makes customers, each with an account of their own."""
    clients: list[httpx.Client] = []

    async def make(plan: str | None = "path", credential: NewCredential | None = None) -> Customer:
        account = await make_account(database, plan)
        domain = await make_domain(database, account)
        key = (await make_key(database, account, credential)).secret
        clients.append(client_of(web, key))
        return Customer(account, domain, key, clients[-1])

    yield make
    for one in clients:
        one.close()


@pytest_asyncio.fixture
async def owner(new_customer: NewCustomer) -> Customer:
    return await new_customer()


@pytest_asyncio.fixture
async def stranger(new_customer: NewCustomer) -> Customer:
    return await new_customer()


@pytest_asyncio.fixture
async def receiver(database: Database, redis_url: str) -> AsyncIterator[Receiver]:
    """What port 25 hands mail to."""
    clock, hour = SystemClock(), RedisHour(redis_url)
    forwarding = Forwarding(database, hour, Bell().ring, clock)
    keeper = Keeper(database, MailStore(database, RedisFolderFeed(redis_url), clock), forwarding, clock)
    yield Receiver(keeper, FixedAuthentication(), clock, HOSTNAME)
    await hour.aclose()


@pytest.fixture
def nobody(web: RunningWeb) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=web.url, verify=TRUST) as client:
        yield client


def client_of(web: RunningWeb, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=web.url, headers=headers, timeout=60, verify=TRUST)
