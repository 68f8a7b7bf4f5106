"""One door for all tests of the folder, doors with limits of their own, and people with mailboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from api.pop3.limits import Limits
from hourpost.database import Database
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from tests.api.pop3.people import Person
from tests.api.pop3.running import RunningDoor
from tests.cast import make_account, make_domain
from tests.fixtures.certificates import Certificate

NewPerson = Callable[..., Awaitable[Person]]


@pytest.fixture(scope="session")
def _pop3_door(database_url: str, redis_url: str, tls: Certificate) -> Iterator[RunningDoor]:
    running = RunningDoor((database_url, redis_url), tls, Limits(goodbye_seconds=0.2))
    yield running
    running.stop()


@pytest.fixture
def door(_pop3_door: RunningDoor) -> RunningDoor:
    _pop3_door.entrance.is_away = False
    return _pop3_door


@pytest.fixture
def new_door(database_url: str, redis_url: str, tls: Certificate) -> Iterator[Callable[..., RunningDoor]]:
    """Opens doors with other limits."""
    opened: list[RunningDoor] = []

    def open_door(**limits: float) -> RunningDoor:
        chosen = Limits(**{"goodbye_seconds": 0.2, "drain_seconds": 1.0, **limits})  # type: ignore[arg-type]
        opened.append(RunningDoor((database_url, redis_url), tls, chosen, tick_seconds=0.02))
        return opened[-1]

    yield open_door
    for running in opened:
        running.stop()


@pytest_asyncio.fixture
async def new_person(database: Database) -> AsyncIterator[NewPerson]:
    """Makes a mailbox on a domain of its own, with a log-in at a door."""

    async def make(door: RunningDoor) -> Person:
        account = await make_account(database)
        domain = await make_domain(database, account)
        new = NewMailbox(f"info@{domain.name}", "no hash", "Info", 1024**3)
        async with database.transaction() as connection:
            mailbox = await create_mailbox(connection, account.id, new, datetime.now(UTC))
        async with database.hot_statements() as connection:
            inbox = await get_folder(connection, mailbox.id, "INBOX")
        door.entrance.mailboxes[new.address] = mailbox.id
        return Person(door, new.address, (mailbox.id, inbox.id), inbox.uidvalidity)

    yield make


@pytest_asyncio.fixture
async def person(door: RunningDoor, new_person: NewPerson) -> Person:
    return await new_person(door)
