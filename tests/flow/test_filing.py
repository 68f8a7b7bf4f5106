"""What was sent from a mailbox's address lies in its Sent folder, and shows there what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from sqlalchemy import text

from hourpost.flow.filing import Filing
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import find_special_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from tests.cast import make_account, make_domain
from tests.flow.letters import letter, make_standing, order
from tests.flow.rounds import Rounds

COPIES = text(
    "SELECT m.uid, m.flags, m.keywords, c.message_id FROM messages m JOIN folders f ON f.id = m.folder_id"
    " JOIN message_contents c ON c.content_id = m.content_id"
    " WHERE f.mailbox_id = :mailbox AND f.special_use = 'sent' ORDER BY m.uid"
)


class Desk:
    """A mailbox and the sweep that files for it."""

    def __init__(self, rounds: Rounds, store: MailStore) -> None:
        self.rounds = rounds
        self.store = store
        self.filing = Filing(rounds.database, store, rounds.clock)

    async def open(self) -> None:
        rounds = self.rounds
        rounds.account = await make_account(rounds.database)
        domain = await make_domain(rounds.database, rounds.account)
        new = NewMailbox(f"hi@{domain.name}", "no hash", "Hi")
        async with rounds.database.transaction() as connection:
            self.mailbox = await create_mailbox(connection, rounds.account.id, new, rounds.clock.now())

    async def send(self, *recipients: str, kind: str = "api_key", **changes: object):
        """Accept an email from the mailbox's address."""
        mail = letter(*recipients, from_address=self.mailbox.address.title(), **changes)
        standing = replace(
            make_standing(self.rounds.account), kind=kind, files_for={self.mailbox.address: self.mailbox.id}
        )
        await self.rounds.office.intake.accept(order(standing, mail))
        return mail

    async def sweep(self) -> list[tuple[int, list[str]]]:
        """What lies in Sent afterwards: flags and keywords of each message."""
        await self.filing.sweep()
        names = await self.store.keyword_names(self.mailbox.id)
        async with self.rounds.database.reading() as connection:
            rows = (await connection.execute(COPIES, {"mailbox": self.mailbox.id})).all()
        return [(row.flags, [names[number] for number in row.keywords or ()]) for row in rows]


@pytest_asyncio.fixture
async def desk(rounds: Rounds, redis_url: str) -> AsyncIterator[Desk]:
    store = MailStore(rounds.database, RedisFolderFeed(redis_url), rounds.clock)
    await store.start()
    one = Desk(rounds, store)
    await one.open()
    yield one
    await rounds.stop()
    await store.stop()


async def test_what_is_sent_is_filed_as_read_and_shows_that_it_was_delivered(desk: Desk):
    await desk.send("you@far.test")
    assert await desk.sweep() == [(1, [])]
    await desk.rounds.round()
    assert await desk.sweep() == [(1, ["$Delivered"])]
    (copy,) = await settled(desk)
    assert copy.settled


async def test_a_late_bounce_changes_what_it_shows(desk: Desk):
    mail = await desk.send("you@far.test")
    await desk.rounds.round()
    assert await desk.sweep() == [(1, ["$Delivered"])]
    await desk.rounds.execute("UPDATE deliveries SET state = 'bounced' WHERE email_id = :id", id=mail.email_id)
    await desk.rounds.execute("UPDATE sent_copies SET settled = false WHERE email_id = :id", id=mail.email_id)
    assert await desk.sweep() == [(1, ["$Bounced"])]


async def test_what_waits_for_another_attempt_is_deferred(desk: Desk):
    mail = await desk.send("you@far.test", "me@far.test")
    await desk.rounds.execute(
        "UPDATE deliveries SET state = 'deferred' WHERE email_id = :id AND position = 0", id=mail.email_id
    )
    assert await desk.sweep() == [(1, ["$Deferred"])]
    (copy,) = await settled(desk)
    assert not copy.settled


async def test_the_copy_that_a_mail_client_files_itself_is_found(desk: Desk):
    mail = await desk.send("you@far.test", kind="mailbox")
    assert await desk.sweep() == []
    sent = await desk.store.read(find_special_folder, desk.mailbox.id, "sent")
    await desk.store.append(desk.mailbox.id, sent.id, NewMessage(mail.content))
    await desk.rounds.round()
    assert await desk.sweep() == [(0, ["$Delivered"])]


async def test_a_client_that_files_nothing_is_waited_for_ten_minutes(desk: Desk):
    await desk.send("you@far.test", kind="mailbox")
    desk.rounds.clock.advance(601)
    assert await desk.sweep() == []
    (copy,) = await settled(desk)
    assert copy.settled


async def test_a_message_that_was_moved_still_shows_it(desk: Desk):
    await desk.send("you@far.test")
    await desk.sweep()
    sent = await desk.store.read(find_special_folder, desk.mailbox.id, "sent")
    archive = await desk.store.read(find_special_folder, desk.mailbox.id, "archive")
    await desk.store.move(desk.mailbox.id, sent.id, [(1, 1)], archive.id)
    await desk.rounds.round()
    await desk.sweep()
    async with desk.rounds.database.reading() as connection:
        keywords = (await connection.execute(text("SELECT keywords FROM messages"))).scalar_one()
    names = await desk.store.keyword_names(desk.mailbox.id)
    assert [names[number] for number in keywords] == ["$Delivered"]


async def test_mail_from_elsewhere_and_of_test_keys_is_filed_nowhere(desk: Desk):
    await desk.rounds.post("you@far.test")
    assert await settled(desk) == []


async def settled(desk: Desk) -> list[object]:
    async with desk.rounds.database.reading() as connection:
        return list((await connection.execute(text("SELECT * FROM sent_copies"))).all())
