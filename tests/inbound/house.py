"""A customer whose domain gets its mail here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.domains.queries import Domain
from hourpost.flow.receive import Envelope, Receiver
from hourpost.gateways.authentication import Received
from hourpost.inbound.addressees import Addressee
from hourpost.mailboxes.changes import MailboxSettings, NewMailbox, create_mailbox, update_mailbox
from hourpost.mailboxes.queries import Mailbox
from hourpost.rules.authentication import Authentication, Dmarc, Spf
from hourpost.rules.ids import new_id
from hourpost.rules.incoming import Hop
from tests.cast import make_account, make_domain

HOSTNAME = "mx.house.test"
HOP = Hop("client.example", "192.0.2.7", "ESMTPS")


class FixedAuthentication:
    """Finds what a test says."""

    def __init__(self) -> None:
        self.found = Authentication(Spf("none", ""), (), Dmarc("none", "far.example"))

    async def authenticate(self, received: Received) -> Authentication:
        return self.found


@dataclass
class House:
    """One account with one domain, and the way in."""

    database: Database
    receiver: Receiver
    authentication: FixedAuthentication
    account: Account
    domain: Domain

    async def mailbox(self, name: str, quota_bytes: int = 1024**2, **settings: Any) -> Mailbox:
        """A new mailbox; ``settings`` as its owner may change them."""
        new = NewMailbox(f"{name}@{self.domain.name}", "no hash", name, quota_bytes)
        async with self.database.transaction() as connection:
            made = await create_mailbox(connection, self.account.id, new, datetime.now(UTC))
            if not settings:
                return made
            return await update_mailbox(connection, self.account.id, made.id, MailboxSettings(**settings))

    async def receive(self, raw: bytes, *names: str, sender: str = "ada@far.example") -> str:
        """Have a message come in for these names of the domain."""
        found: list[Addressee] = []
        for name in names:
            one = await self.receiver.find(f"{name}@{self.domain.name}")
            assert one is not None
            found.append(one)
        return await self.receiver.receive(Envelope(HOP, sender, tuple(found)), raw)

    async def stored(self, mailbox: Mailbox, folder: str = "INBOX") -> list[bytes]:
        """The messages of a folder, whole."""
        rows = await self.rows(
            "SELECT m.uid, string_agg(c.bytes, ''::bytea ORDER BY c.number) AS bytes"
            " FROM messages m JOIN folders f ON f.id = m.folder_id JOIN content_chunks c ON c.content_id = m.content_id"
            " WHERE f.mailbox_id = :mailbox AND f.name = :folder GROUP BY m.uid ORDER BY m.uid",
            mailbox=mailbox.id,
            folder=folder,
        )
        return [bytes(row.bytes) for row in rows]

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.database.reading() as connection:
            return (await connection.execute(text(statement), values)).all()

    async def change(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def sent(self, *recipients: str, state: str = "sent") -> tuple[UUID, str]:
        """An email of the account that has left; gives its id and its Message-ID."""
        email_id = new_id()
        message_id = f"<{email_id.hex}@{self.domain.name}>"
        values = {"id": email_id, "account": self.account.id, "message_id": message_id, "now": datetime.now(UTC)}
        async with self.database.transaction() as connection:
            await connection.execute(_EMAIL, values)
            for position, address in enumerate(recipients):
                await connection.execute(_DELIVERY, values | {"position": position, "address": address, "state": state})
        return email_id, message_id

    async def events(self, email_id: UUID) -> list[tuple[int, str]]:
        """Position and kind of an email's events, in order."""
        rows = await self.rows("SELECT position, kind FROM events WHERE email_id = :id ORDER BY id", id=email_id)
        return [(row.position, row.kind) for row in rows]


_EMAIL = text(
    "INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject, message_id,"
    " parts, size_bytes, content_id, created_at) VALUES (:id, :account, 'api', false, 'a@b.test', 'a@b.test',"
    " 'a@b.test', 's', :message_id, '{}', 1, :id, :now)"
)
_DELIVERY = text(
    "INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, attempts, crashes,"
    " changed_at) VALUES (:id, :position, :account, :address, 'x', :state, :now, 1, 0, :now)"
)


async def make_house(database: Database, receiver: Receiver, authentication: FixedAuthentication) -> House:
    """A house of its own."""
    account = await make_account(database)
    return House(database, receiver, authentication, account, await make_domain(database, account))
