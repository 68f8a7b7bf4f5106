"""Mailboxes for tests, and the store as a process of its own has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest
import pytest_asyncio

from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import Folder, get_folder
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.store import MailStore
from tests.cast import make_account, make_domain


@dataclass(frozen=True)
class Place:
    """A mailbox with its INBOX."""

    mailbox: Mailbox
    inbox: Folder

    @property
    def ids(self) -> tuple[UUID, UUID]:
        return (self.mailbox.id, self.inbox.id)


Open = Callable[[], Awaitable[MailStore]]


@pytest_asyncio.fixture
async def open_store(database_url: str, redis_url: str) -> AsyncIterator[Open]:
    """Opens stores, each with connections of its own, as another process has them."""
    opened: list[tuple[MailStore, Database]] = []

    async def open_one() -> MailStore:
        database = Database(database_url, pool_size=2, application="mail store")
        store = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
        opened.append((store, database))
        await store.start()
        return store

    yield open_one
    for store, database in opened:
        await store.stop()
        await database.close()


@pytest_asyncio.fixture
async def store(open_store: Open) -> MailStore:
    return await open_store()


@pytest.fixture
def new_place(database: Database, store: MailStore) -> Callable[..., Awaitable[Place]]:
    """Makes a mailbox on a domain of its own."""

    async def make(quota_bytes: int = 1024**3, *, catch_all: bool = False) -> Place:
        account = await make_account(database)
        domain = await make_domain(database, account)
        new = NewMailbox(f"info@{domain.name}", "no hash", "Info", quota_bytes, catch_all=catch_all)
        async with database.transaction() as connection:
            mailbox = await create_mailbox(connection, account.id, new, datetime.now(UTC))
        return Place(mailbox, await store.read(get_folder, mailbox.id, "INBOX"))

    return make


@pytest_asyncio.fixture
async def place(new_place: Callable[..., Awaitable[Place]]) -> Place:
    return await new_place()
