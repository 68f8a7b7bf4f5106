"""A mailbox of a customer, and mail that comes into it past the doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest_asyncio

from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.store import MailStore
from hourpost.rules.mail_flags import Flag
from tests.api.web.conftest import Customer


@dataclass
class Box:
    """A mailbox, its owner, and the store as another process has it."""

    owner: Customer
    mailbox: Mailbox
    store: MailStore

    @property
    def path(self) -> str:
        return f"/v1/mailboxes/{self.mailbox.public_id}"

    def folder(self, name: str = "inbox", rest: str = "") -> str:
        return f"{self.path}/folders/{name}{rest}"

    async def receive(self, content: bytes, folder: str = "INBOX", flags: Flag = Flag.NONE) -> int:
        here = await self.store.read(get_folder, self.mailbox.id, folder)
        return (await self.store.append(self.mailbox.id, here.id, NewMessage(content, flags))).uid

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.owner.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        answer = self.owner.http.post(path, json=fields)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def uids(self, folder: str = "inbox", **query: Any) -> list[int]:
        return [one["uid"] for one in self.get(self.folder(folder, "/messages"), **query)["data"]]


def letter(number: int = 1, *, body: str = "Hello.", headers: str = "", to: str = "info@acme.test") -> bytes:
    subject = "" if "Subject:" in headers else f"Subject: Letter {number}\r\n"
    return (
        f"From: Ann <ann@example.net>\r\nTo: {to}\r\n{subject}Message-ID: <letter-{number}@example.net>\r\n"
        f"{headers}\r\n{body}\r\n"
    ).encode()


@pytest_asyncio.fixture
async def box(owner: Customer, database: Database, redis_url: str) -> AsyncIterator[Box]:
    store = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
    await store.start()
    new = NewMailbox(f"info@{owner.domain.name}", "no hash", "Info, Desk", aliases=(f"sales@{owner.domain.name}",))
    async with database.transaction() as connection:
        mailbox = await create_mailbox(connection, owner.account.id, new, datetime.now(UTC))
    yield Box(owner, mailbox, store)
    await store.stop()


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code in (403, 422), answer.text
    return [one["pointer"] for one in answer.json()["errors"]]
