"""What is cleared away, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest_asyncio
from sqlalchemy import text

from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import GRACE, NewMailbox, create_mailbox, delete_mailbox
from hourpost.mailboxes.contents import read_content
from hourpost.mailboxes.folders import get_folder, get_folder_by_id
from hourpost.mailboxes.messages import Want, list_rows
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.sweep import (
    READABLE,
    REMEMBERED,
    collect_content,
    find_drift,
    purge_mailbox,
    renew_old,
    trim_expunges,
)
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from tests.cast import make_account, make_domain
from tests.fakes.clock import FakeClock
from tests.mailboxes.conftest import Place
from tests.mailboxes.letters import letter, new_message
from workers.mailboxes import MailboxChores

NOW = datetime.now(UTC)
LATER = NOW + READABLE + timedelta(hours=3)  # however long the tests before this one take


@pytest_asyncio.fixture
async def store(fresh_database: Database, redis_url: str) -> MailStore:
    return MailStore(fresh_database, RedisFolderFeed(redis_url), SystemClock())


@pytest_asyncio.fixture
async def place(fresh_database: Database, store: MailStore) -> Place:
    account = await make_account(fresh_database)
    domain = await make_domain(fresh_database, account)
    async with fresh_database.transaction() as connection:
        mailbox = await create_mailbox(connection, account.id, NewMailbox(f"a@{domain.name}", "no hash"), NOW)
    return Place(mailbox, await store.read(get_folder, mailbox.id, "INBOX"))


async def count(database: Database, table: str) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def collect(database: Database, now: datetime) -> int:
    async with database.hot_transaction() as connection:
        return await collect_content(connection, now)


async def test_content_goes_an_hour_after_the_last_message_that_has_it(
    fresh_database: Database, store: MailStore, place: Place
) -> None:
    content_id = (await store.append(*place.ids, new_message(1))).content_id
    archive = await store.read(get_folder, place.mailbox.id, "Archive")
    await store.copy(*place.ids, ALL_UIDS, archive.id)
    await store.remove(*place.ids, ALL_UIDS)
    assert await collect(fresh_database, LATER) == 1
    assert await store.read(read_content, content_id) == letter()
    await store.remove(place.mailbox.id, archive.id, ALL_UIDS)
    assert await collect(fresh_database, NOW + READABLE / 2) == 0
    assert await store.read(read_content, content_id) == letter()
    assert await collect(fresh_database, LATER) == 1
    for table in ("content_chunks", "message_contents", "message_texts"):
        assert await count(fresh_database, table) == 0
    assert await collect(fresh_database, LATER) == 0


async def test_nothing_stays_of_what_is_odd_about_a_mail(
    fresh_database: Database, store: MailStore, place: Place
) -> None:
    await store.append(*place.ids, NewMessage("Subject: ü\r\n\r\nno end".encode()))
    oddities = ("unended_contents", "surrogates")
    assert [await count(fresh_database, table) for table in oddities] == [1, 1]
    await store.remove(*place.ids, ALL_UIDS)
    assert await collect(fresh_database, LATER) == 1
    assert [await count(fresh_database, table) for table in oddities] == [0, 0]


async def test_content_of_an_email_of_ours_stays(fresh_database: Database, store: MailStore, place: Place) -> None:
    content_id = (await store.append(*place.ids, new_message(1))).content_id
    columns = (
        "account_id, source, test, envelope_from, header_from, from_address, subject, message_id, parts, size_bytes"
    )
    async with fresh_database.transaction() as connection:
        await connection.execute(
            text(
                f"INSERT INTO emails (id, content_id, created_at, {columns})"
                " VALUES (:id, :id, now(), :account, 'api', false, '', '', '', '', '', '{}', 1)"
            ),
            {"id": content_id, "account": place.mailbox.account_id},
        )
    await store.remove(*place.ids, ALL_UIDS)
    await collect(fresh_database, LATER)
    assert await store.read(read_content, content_id) == letter()
    assert await count(fresh_database, "message_texts") == 0


async def test_expunges_of_long_ago_leave_their_mark(fresh_database: Database, store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    first = await store.remove(*place.ids, [(1, 1)])
    await collect(fresh_database, LATER)
    await store.remove(*place.ids, [(2, 2)])  # its content is not given up yet
    async with fresh_database.hot_transaction() as connection:
        assert await trim_expunges(connection, LATER) == 0
        assert await trim_expunges(connection, LATER + REMEMBERED) == 1
    assert (await store.read(get_folder_by_id, *place.ids)).expunged_before == first.modseq
    assert await count(fresh_database, "expunges") == 1


async def purge(database: Database, now: datetime) -> int:
    async with database.hot_transaction() as connection:
        return await purge_mailbox(connection, now)


async def test_a_deleted_mailbox_is_purged_when_its_grace_is_over(
    fresh_database: Database, store: MailStore, place: Place
) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    async with fresh_database.transaction() as connection:
        await delete_mailbox(connection, place.mailbox.account_id, place.mailbox.id, NOW)
    assert await purge(fresh_database, NOW + GRACE / 2) == 0
    clock = FakeClock()
    clock.advance((GRACE + timedelta(days=1)).total_seconds())
    await MailboxChores(fresh_database, clock).clear()
    for table in ("mailboxes", "folders", "messages", "message_contents", "content_chunks", "thread_references"):
        assert await count(fresh_database, table) == 0, table


async def test_what_an_older_scanner_read_is_scanned_again(
    fresh_database: Database, store: MailStore, place: Place
) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    async with fresh_database.transaction() as connection:
        await connection.execute(text("UPDATE message_contents SET parser_version = 0, subject = ''"))
    await MailboxChores(fresh_database, FakeClock()).clear()
    rows = await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.SUMMARY)
    assert [row.subject for row in rows] == ["Letter 1", "Letter 2"]
    async with fresh_database.hot_transaction() as connection:
        assert await renew_old(connection) == 0


async def test_drift_is_found(fresh_database: Database, store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    async with fresh_database.hot_statements() as connection:
        assert await find_drift(connection) == []
    await spoil(fresh_database, place.inbox.id)
    async with fresh_database.hot_statements() as connection:
        found = await find_drift(connection)
    assert [(one.mailbox_id, one.folder_id) for one in found] == [place.ids]


async def spoil(database: Database, folder_id: UUID) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE folders SET unseen = 7 WHERE id = :id"), {"id": folder_id})
