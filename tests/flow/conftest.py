"""A process's share of the flow: an intake and a releaser, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from hourpost.accounts.changes import set_plan
from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.flow.accept import Intake
from hourpost.flow.release import Releaser
from hourpost.gateways.hour import Hour, RedisHour
from tests.cast import make_account
from tests.fakes.bell import Bell
from tests.fakes.clock import FakeClock

NewAccount = Callable[..., Awaitable[Account]]


class Moment(FakeClock):
    """One time for the doors and for Redis, which wants microseconds."""

    def __call__(self) -> int:
        return round(self.moment.timestamp() * 1000) * 1000


@dataclass
class Office:
    """What one process has."""

    database: Database
    hour: Hour
    clock: Moment
    bell: Bell = field(default_factory=Bell)

    def __post_init__(self) -> None:
        self.intake = Intake(self.database, self.hour, self.bell, self.clock)
        self.releaser = Releaser(self.database, self.hour, self.bell, self.clock)


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
