"""A mailbox and a browser that is in it, for the tests of the web inbox."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.store import MailStore
from tests.api.web.dashboard.people import new_surfer
from tests.api.web.running import RunningWeb
from tests.cast import make_account, make_domain
from tests.fixtures.passwords import quick_hash

PASSWORD = "correct horse battery"


@dataclass
class Inbox:
    """A mailbox, and a browser that is in it."""

    http: httpx.Client
    mailbox: Mailbox
    account: Account
    store: MailStore

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def post(self, path: str, data: dict[str, object] | None = None, **files: object) -> httpx.Response:
        return self.http.post(path, data=data or {}, files=files or None)

    @property
    def home(self) -> str:
        return self.get("/mail").headers["location"]

    def folder(self, name: str) -> str:
        found = re.search(rf'href="(/mail/f/fld_\w+)"[^>]*>(?:(?!</a>).)*{name}', self.get(self.home).text, re.DOTALL)
        assert found, name
        return found[1]

    async def receive(self, content: bytes) -> int:
        """A message that comes in; gives its uid."""
        inbox = await self.store.read(get_folder, self.mailbox.id, "INBOX")
        return (await self.store.append(self.mailbox.id, inbox.id, NewMessage(content))).uid


async def make_box(site: RunningWeb, database: Database, store: MailStore) -> Inbox:
    account = await make_account(database)
    domain = await make_domain(database, account)
    async with database.transaction() as connection:
        new = NewMailbox(f"ada@{domain.name}", quick_hash(PASSWORD), "Ada Lovelace")
        mailbox = await create_mailbox(connection, account.id, new, datetime.now(UTC))
    http = new_surfer(site.url).http
    answer = http.post("/mail/login", data={"email": mailbox.address, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return Inbox(http, mailbox, account, store)
