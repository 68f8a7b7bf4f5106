"""A process's share of the flow: an intake and a releaser, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hourpost.accounts.changes import set_plan
from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.gateways.hour import RedisHour
from migrations.upgrade import upgrade
from tests.cast import make_account
from tests.flow.office import Moment, Office
from tests.flow.rounds import Rounds, start_far_end
from tests.flow.servers import OwnPostgres, OwnRedis

NewAccount = Callable[..., Awaitable[Account]]


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest_asyncio.fixture
async def hour(redis_url: str, clock: Moment) -> AsyncIterator[RedisHour]:
    gateway = RedisHour(redis_url, timeout_seconds=5, clock=clock)
    yield gateway
    await gateway.aclose()


@pytest_asyncio.fixture
async def office(database: Database, hour: RedisHour, clock: Moment) -> AsyncIterator[Office]:
    one = Office(database, hour, clock)
    yield one
    await one.intake.stop()


@pytest_asyncio.fixture
async def second_office(database_url: str, redis_url: str, clock: Moment) -> AsyncIterator[Office]:
    """Another process on the same servers."""
    database = Database(database_url, pool_size=4)
    hour = RedisHour(redis_url, timeout_seconds=5, clock=clock)
    one = Office(database, hour, clock)
    yield one
    await one.intake.stop()
    await hour.aclose()
    await database.close()


@pytest.fixture
def new_account(database: Database) -> NewAccount:
    """Makes an account with a limit of its own."""

    async def make(limit: int = 10) -> Account:
        account = await make_account(database)
        async with database.transaction() as connection:
            return await set_plan(connection, account.id, "path", limit)

    return make


@pytest_asyncio.fixture
async def rounds(fresh_database: Database, hour: RedisHour, clock: Moment, tmp_path: Path) -> AsyncIterator[Rounds]:
    """A worker's world: a database and a relay of its own."""
    far_end = await start_far_end(tmp_path)
    one = Rounds(fresh_database, Office(fresh_database, hour, clock), far_end)
    yield one
    await one.stop()
    await one.office.intake.stop()
    await far_end.sink.stop()


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A Redis that the tests of one file may flush, kill and freeze."""
    server = OwnRedis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module")
async def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnPostgres]:
    """A migrated PostgreSQL that the tests of one file may kill."""
    server = OwnPostgres(tmp_path_factory.mktemp("postgres"))
    database = Database(server.url, pool_size=2)
    await upgrade(database)
    await database.close()
    yield server
    server.stop()
