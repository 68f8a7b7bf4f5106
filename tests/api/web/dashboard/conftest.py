"""One site for all tests of the folder, over plain HTTP as `hourpost up` serves it, and its cast."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from hourpost.database import Database
from hourpost.embedded.first_steps import prepare_own_account
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.store import MailStore
from hourpost.settings import Settings
from tests.api.web.dashboard.inbox import Inbox, make_box
from tests.api.web.dashboard.people import Cast, Surfer, make_cast, new_surfer
from tests.api.web.running import RunningWeb
from tests.cast import CIPHER


@pytest.fixture(scope="session")
def site(
    assets: None, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWeb]:
    settings = Settings(
        _env_file=None,
        home=tmp_path_factory.mktemp("home"),
        database_url=database_url,
        redis_url=redis_url,
        secret_key="a secret of the tests, long enough",
        embedded=True,
        relays="smtp://user:secret-of-the-relay@far.example:2525",
        log_level="error",
    )
    running = RunningWeb(settings)
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="session")
async def own_account(database: Database) -> None:
    """What our own mail leaves from."""
    await prepare_own_account(database, CIPHER, SystemClock())


@pytest_asyncio.fixture
async def cast(site: RunningWeb, database: Database, own_account: None) -> AsyncIterator[Cast]:
    made = await make_cast(database, site.url)
    yield made
    made.close()


@pytest.fixture
def owner(cast: Cast) -> Surfer:
    return cast["owner"]


@pytest.fixture
def nobody(site: RunningWeb, own_account: None) -> Iterator[Surfer]:
    surfer = new_surfer(site.url)
    yield surfer
    surfer.http.close()


@pytest_asyncio.fixture
async def store(database: Database, redis_url: str) -> AsyncIterator[MailStore]:
    feed = RedisFolderFeed(redis_url)
    await feed.start()
    yield MailStore(database, feed, SystemClock())
    await feed.stop()


@pytest_asyncio.fixture
async def box(site: RunningWeb, database: Database, store: MailStore) -> AsyncIterator[Inbox]:
    made = await make_box(site, database, store)
    yield made
    made.http.close()
