"""One door for all tests of the folder, a mailbox for each test, and doors with limits of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from api.imap.limits import Limits
from hourpost.database import Database
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from tests.api.imap.client import Client
from tests.api.imap.processes import RunningProcess, run
from tests.api.imap.running import RunningDoor
from tests.cast import make_account, make_domain
from tests.fixtures.certificates import Certificate
from tests.fixtures.passwords import quick_hash

FAST = {"goodbye_seconds": 0.2}
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Box:
    id: UUID
    account_id: UUID
    address: str
    password: str = PASSWORD


@pytest_asyncio.fixture
async def box(database: Database) -> Box:
    """A mailbox with its default folders."""
    account = await make_account(database)
    domain = await make_domain(database, account)
    new = NewMailbox(f"ann@{domain.name}", quick_hash(PASSWORD))
    async with database.transaction() as connection:
        mailbox = await create_mailbox(connection, account.id, new, datetime.now(UTC))
    return Box(mailbox.id, account.id, mailbox.address)


@pytest.fixture(scope="session")
def door(database_url: str, redis_url: str, tls: Certificate) -> Iterator[RunningDoor]:
    running = RunningDoor((database_url, redis_url), tls, Limits(**FAST))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def other_door(database_url: str, redis_url: str, tls: Certificate) -> Iterator[RunningDoor]:
    """As good as another process."""
    running = RunningDoor((database_url, redis_url), tls, Limits(**FAST))
    yield running
    running.stop()


@pytest.fixture
def new_door(database_url: str, redis_url: str, tls: Certificate) -> Iterator[Callable[..., RunningDoor]]:
    """Opens doors with other limits."""
    opened: list[RunningDoor] = []

    def open_door(**limits: float) -> RunningDoor:
        merged = Limits(**{**FAST, "drain_seconds": 1.0, **limits})
        opened.append(RunningDoor((database_url, redis_url), tls, merged, tick_seconds=0.02))
        return opened[-1]

    yield open_door
    for running in opened:
        running.stop()


@pytest.fixture
def client(door: RunningDoor, box: Box) -> Iterator[Client]:
    """Logged in under TLS."""
    with Client(door, "imaps") as found:
        found.log_in(box.address, box.password)
        yield found


@pytest_asyncio.fixture
async def two(
    database_url: str, redis_url: str, tls: Certificate, tmp_path: Path
) -> AsyncIterator[list[RunningProcess]]:
    with ExitStack() as stack:
        start = [
            asyncio.to_thread(stack.enter_context, run((database_url, redis_url), tls, tmp_path / name))
            for name in ("one", "two")
        ]
        yield list(await asyncio.gather(*start))
