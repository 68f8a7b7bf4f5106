"""Tables that somebody else locks, a migration say: it is tried again, or said to be temporary; nothing is lost."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from sqlalchemy import text

from api.imap import replies as imap
from api.smtp.replies import translate
from api.web.errors import to_response
from hourpost.database import Database
from hourpost.errors import RolledBack, ServiceUnavailable
from hourpost.flow.forward import Forwarding, Leaving
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.store import MailStore
from tests.cast import make_account, make_domain
from tests.fakes.bell import Bell
from tests.fakes.migrator import holding
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, make_standing, order
from tests.flow.office import Office
from tests.mailboxes.letters import new_message


@pytest_asyncio.fixture
async def opened(database_url):
    """Opens databases that wait for a lock, and until they look for deadlocks, for so many milliseconds."""
    made = []

    def open_one(*, lock=0, deadlock=1000):
        options = f"-c%20lock_timeout={lock}%20-c%20deadlock_timeout={deadlock}"
        made.append(Database(f"{database_url}&options={options}", pool_size=2))
        return made[-1]

    yield open_one
    for one in made:
        await one.close()


@pytest_asyncio.fixture
async def mailbox(database):
    account = await make_account(database)
    domain = await make_domain(database, account)
    new = NewMailbox(f"info@{domain.name}", "no hash", "Info", 1024**3)
    async with database.transaction() as connection:
        return await create_mailbox(connection, account.id, new, SystemClock().now())


async def test_who_is_given_up_in_a_deadlock_is_accepted_all_the_same(opened, new_account, hour, clock, database_url):
    account = await new_account()
    office = Office(opened(deadlock=50), hour, clock)
    await office.intake.accept(order(make_standing(account)))
    async with holding(database_url, "deliveries") as migrator:
        orders = [order(make_standing(account), letter(), key=key) for key in ("k", "l")]
        accepting = asyncio.gather(*map(office.intake.accept, orders))
        await migrator.cross("emails")
    receipts = await accepting
    assert [one.replayed for one in receipts] == [False, False]
    ledger = await read_ledger(office.database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 3}
    assert (await office.releaser.look(account.id)).is_true


async def test_who_waits_in_vain_twice_is_told_to_come_again_and_loses_nothing(
    opened, new_account, hour, clock, database_url
):
    account = await new_account()
    office = Office(opened(lock=30), hour, clock)
    await office.intake.accept(order(make_standing(account)))
    async with holding(database_url, "deliveries"):
        with pytest.raises(RolledBack) as caught:
            await office.intake.accept(order(make_standing(account)))
    answer = to_response(caught.value, request_id="", public_url="")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert translate(caught.value).startswith(b"451 4.3.0 The database was busy")
    assert (await office.hour.peek(account.id, 10)).used == 1
    assert (await office.intake.accept(order(make_standing(account)))).usage.used == 2


async def test_what_was_to_go_on_and_waits_in_vain_costs_nothing(opened, new_account, hour, clock, database_url):
    account, database = await new_account(), opened(lock=30)
    office, forwarding = Office(database, hour, clock), Forwarding(database, hour, Bell(), clock)
    await office.intake.accept(order(make_standing(account)))
    async with holding(database_url, "deliveries"):
        with pytest.raises(RolledBack):
            async with (
                forwarding.onward([Leaving(account.id, letter())]) as onward,
                database.hot_transaction() as connection,
            ):
                await onward.store(connection)
    assert (await office.hour.peek(account.id, 10)).used == 1


async def test_a_message_that_was_given_up_in_a_deadlock_is_in_its_folder_once(
    opened, mailbox, database_url, redis_url
):
    store = MailStore(opened(deadlock=50), RedisFolderFeed(redis_url), SystemClock())
    inbox = await store.read(get_folder, mailbox.id, "INBOX")
    async with holding(database_url, "messages") as migrator:
        appending = asyncio.gather(*(store.append(mailbox.id, inbox.id, new_message(n)) for n in (1, 2)))
        await migrator.cross("content_chunks")
    assert sorted(one.uid for one in await appending) == [1, 2]
    await store.stop()


async def test_a_message_whose_folder_stays_locked_is_refused_for_a_while(opened, mailbox, database_url, redis_url):
    store = MailStore(opened(lock=30), RedisFolderFeed(redis_url), SystemClock())
    inbox = await store.read(get_folder, mailbox.id, "INBOX")
    async with holding(database_url, "messages"):
        with pytest.raises(RolledBack) as caught:
            await store.append(mailbox.id, inbox.id, new_message())
    assert imap.translate(caught.value).code == "UNAVAILABLE"
    await store.stop()


@pytest.mark.parametrize("way", ["transaction", "hot_transaction"])
@pytest.mark.parametrize(
    ("state", "kind"),
    [("40001", RolledBack), ("40P01", RolledBack), ("55P03", RolledBack), ("40003", ServiceUnavailable)],
)
async def test_only_what_is_surely_undone_is_said_to_be(opened, state, kind, way):
    database = opened()
    statement = f"DO $$ BEGIN RAISE 'so it is' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(ServiceUnavailable) as caught:
        async with getattr(database, way)() as connection:
            await connection.execute(text(statement) if way == "transaction" else statement)
    assert type(caught.value) is kind


async def test_a_write_of_any_other_kind_says_so_too(opened, database_url):
    database = opened(lock=30)
    async with holding(database_url, "webhooks"):
        with pytest.raises(RolledBack):
            async with database.transaction() as connection:
                await connection.execute(text("DELETE FROM webhooks WHERE false"))
    await database.close()
