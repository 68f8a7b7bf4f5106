"""PostgreSQL stands still: who asks is told so in seconds, nothing is lost or doubled, and it goes on by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost import watch
from hourpost.database import Database, HotStatement
from hourpost.errors import ServiceUnavailable
from hourpost.flow import flight, store
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes import append, append_statements
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from tests.cast import make_account, make_domain
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, make_standing, order
from tests.flow.office import Moment, Office
from tests.flow.rounds import Rounds, start_far_end

ONE = HotStatement("SELECT 1 AS one")
SLEEP = HotStatement("SELECT pg_sleep(:seconds::float8)")
PATIENCE = 40  # well under the minute after which a statement is given up by itself


@pytest_asyncio.fixture
async def database(own_postgres):
    one = Database(own_postgres.url, pool_size=2)
    yield one
    await one.close()


@pytest_asyncio.fixture
async def office(database, hour, clock: Moment):
    one = Office(database, hour, clock)
    yield one
    await one.intake.stop()


async def ask_hot(database):
    async with database.hot_statements() as connection:
        await ONE.run(connection, {})


async def ask_in_a_transaction(database):
    async with database.transaction() as connection:
        await connection.execute(text("SELECT 1"))


async def ask_in_a_hot_transaction(database):
    async with database.hot_transaction() as connection:
        await ONE.run(connection, {})


async def read(database):
    async with database.reading() as connection:
        await connection.execute(text("SELECT 1"))


WAYS = (ask_hot, ask_in_a_transaction, ask_in_a_hot_transaction, read)


@asynccontextmanager
async def frozen(postgres):
    await asyncio.to_thread(postgres.freeze)
    try:
        yield
    finally:
        await asyncio.to_thread(postgres.thaw)


async def patiently(ask):
    """Ask until PostgreSQL answers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await ask()
            except ServiceUnavailable:
                await asyncio.sleep(0.05)


async def test_who_asks_a_frozen_server_is_told_so_and_served_when_it_thaws(database, own_postgres):
    for way in WAYS:
        await way(database)
    async with frozen(own_postgres), asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*(way(database) for way in WAYS * 5), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ServiceUnavailable}
        for way in WAYS:  # and now at once: nothing is asked of it any more
            with pytest.raises(ServiceUnavailable) as caught:
                await way(database)
            assert "silent" in caught.value.cause
    for way in WAYS:
        await patiently(lambda way=way: way(database))
    assert not database._watch.is_silent


async def test_a_server_that_nobody_is_connected_to_is_seen_to_be_frozen_too(database, own_postgres):
    async with frozen(own_postgres), asyncio.timeout(PATIENCE):
        with pytest.raises(ServiceUnavailable):
            await ask_hot(database)
    await patiently(lambda: ask_hot(database))


async def test_who_ends_while_the_server_is_frozen_says_nothing_of_it_in_the_log(own_postgres, caplog):
    database = Database(own_postgres.url, pool_size=2)
    await asyncio.gather(*(way(database) for way in WAYS * 2))
    async with frozen(own_postgres), asyncio.timeout(PATIENCE):
        await database.close()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy")] == []


async def test_who_takes_long_is_not_hurried_while_the_server_answers_others(database, monkeypatch):
    monkeypatch.setattr(watch, "_OLD_SECONDS", 0.0)
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.02)
    asked = asyncio.Event()
    ask = database._watch._ask

    async def ask_and_tell():
        await ask()
        asked.set()

    database._watch._ask = ask_and_tell
    async with database.hot_statements() as connection:
        await SLEEP.run(connection, {"seconds": 0.5})
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
    assert not database._watch.is_silent


async def test_an_order_with_a_key_is_stored_once_however_often_it_is_repeated(office, own_postgres):
    account = await make_account(office.database)
    standing = make_standing(account)
    orders = [order(standing, letter(), key=f"key {number}") for number in range(20)]
    repeated = [order(standing, letter(), key=f"key {number}") for number in range(20)]
    under_way = [asyncio.create_task(office.intake.accept(one)) for one in orders]
    async with frozen(own_postgres), asyncio.timeout(PATIENCE):
        await asyncio.wait(under_way)
        with pytest.raises(ServiceUnavailable):
            await office.intake.accept(repeated[0])
    receipts = [await patiently(lambda one=one: office.intake.accept(one)) for one in repeated]
    ledger = await read_ledger(office.database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 20}
    assert {row.email_id for row in ledger.deliveries} == {receipt.placed[0].email_id for receipt in receipts}


async def test_what_was_refused_while_it_stood_still_is_not_stored_when_it_goes_on(office, own_postgres, monkeypatch):
    """Its statement lies in a socket, and who has no key comes again with the same email."""
    account = await make_account(office.database)
    for _ in range(3):  # every connection knows the statement, and is given all of it at once
        await office.intake.accept(order(make_standing(account), letter()))
    sessions, store = [], flight.store

    async def store_late(connection, *arguments):
        if not sessions:
            sessions.append(connection.get_server_pid())
            await asyncio.to_thread(own_postgres.freeze)
        return await store(connection, *arguments)

    monkeypatch.setattr(flight, "store", store_late)
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ServiceUnavailable):
                await office.intake.accept(order(make_standing(account), letter("refused@x.test")))
    finally:
        await asyncio.to_thread(own_postgres.thaw)
    await patiently(lambda: wait_for_the_end(office.database, sessions[0]))
    await office.intake.accept(order(make_standing(account), letter()))
    ledger = await read_ledger(office.database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 4}
    assert (await office.releaser.look(account.id)).is_true


async def test_an_order_that_postgresql_begins_too_late_is_an_outage_and_costs_nothing(office, monkeypatch):
    account = await make_account(office.database)
    await office.intake.accept(order(make_standing(account), letter()))
    monkeypatch.setattr(flight, "_BEGIN_SECONDS", -60.0)
    with pytest.raises(ServiceUnavailable):
        await office.intake.accept(order(make_standing(account), letter(), key="k"))
    monkeypatch.undo()
    await office.intake.accept(order(make_standing(account), letter(), key="k"))
    ledger = await read_ledger(office.database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 2}
    assert (await office.releaser.look(account.id)).is_true


async def wait_for_the_end(database, pid):
    """Until that session has read what lies in its socket, and seen that nobody is there to be answered."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    async with database.reading() as connection, asyncio.timeout(PATIENCE):
        while (await connection.execute(query, {"pid": pid})).scalar_one():  # noqa: ASYNC110  # PostgreSQL rings no bell
            await asyncio.sleep(0.05)


async def test_what_was_sent_while_it_stood_still_is_sent_once(office, own_postgres, tmp_path):
    """Its outcome is written when there is somebody to write it to."""
    account = await make_account(office.database)
    rounds = Rounds(office.database, office, await start_far_end(tmp_path), account=account)
    await rounds.execute("UPDATE deliveries SET state = 'canceled'")  # of the other tests of this file
    email_id = await rounds.post("slow+700@x.test")
    rounds.start()
    await rounds.until(lambda now: now.row(email_id).dot_at is not None)
    async with frozen(own_postgres), asyncio.timeout(PATIENCE):
        while True:
            try:
                await ask_hot(office.database)
            except ServiceUnavailable:
                break
    await patiently(lambda: read_ledger(office.database, account.id))
    ledger = await rounds.until(lambda now: now.count("sent"))
    await rounds.stop()
    await rounds.far_end.sink.stop()
    ledger.check()
    assert [one for one, _ in rounds.far_end.taken] == [f"<{email_id.hex}@acme.test>"]
    assert ledger.events[email_id, 0] == ["queued", "sent"]


@pytest_asyncio.fixture
async def post_box(database, redis_url):
    """Appends to an inbox, and counts what is in it."""
    mail = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
    account = await make_account(database)
    domain = await make_domain(database, account)
    async with database.transaction() as connection:
        new = NewMailbox(f"info@{domain.name}", "no hash", "Info", 1024**3)
        mailbox = await create_mailbox(connection, account.id, new, datetime.now(UTC))
    folder = await mail.read(get_folder, mailbox.id, "INBOX")

    async def put():
        await mail.append(mailbox.id, folder.id, NewMessage(letter().content))

    async def count():
        return (await mail.read(get_folder, mailbox.id, "INBOX")).messages

    yield put, count
    await mail.stop()


def freeze_before(monkeypatch, module, name, freeze):
    """Freeze what stores before its statement is sent; gives where the session's id is found."""
    sessions, run = [], getattr(module, name)

    async def run_late(connection, *arguments):
        if not sessions:
            sessions.append(connection.get_server_pid())
            await asyncio.to_thread(freeze, sessions[0])
        return await run(connection, *arguments)

    monkeypatch.setattr(module, name, run_late)
    return sessions


async def test_a_message_that_was_refused_while_all_stood_still_is_not_stored_later(
    post_box, database, own_postgres, monkeypatch
):
    put, count = post_box
    for _ in range(3):  # every connection knows the statement
        await put()
    sessions = freeze_before(monkeypatch, append, "store_one", lambda _: own_postgres.freeze())
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ServiceUnavailable):
                await put()
    finally:
        await asyncio.to_thread(own_postgres.thaw)
    await patiently(lambda: wait_for_the_end(database, sessions[0]))
    await put()
    assert await count() == 4


async def test_a_message_that_postgresql_begins_late_is_stored_while_its_sender_waits(post_box, monkeypatch):
    """As where its clock is ahead of ours."""
    put, count = post_box
    monkeypatch.setattr(append_statements, "_BEGIN_WITHIN", timedelta(hours=-1))
    await put()
    assert await count() == 1


@pytest.mark.parametrize("what", ["an order", "a message"])
async def test_one_backend_that_stands_still_is_given_up_while_the_server_lives(
    office, post_box, database, monkeypatch, what
):
    put, count = post_box
    account = await make_account(database)
    statement, module, name = store._STORE, flight, "store"
    if what == "a message":
        statement, module, name = append_statements._ONE, append, "store_one"

    async def ask():
        await (put() if what == "a message" else office.intake.accept(order(make_standing(account), letter())))

    await ask()
    monkeypatch.setattr(statement, "_seconds", 1.0)  # what stands still never answers
    monkeypatch.setattr(append_statements, "_BEGIN_WITHIN", timedelta(seconds=0.5))  # less, as it is otherwise too
    sessions = freeze_before(monkeypatch, module, name, lambda pid: os.kill(pid, signal.SIGSTOP))
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ServiceUnavailable):
                await ask()
        assert not database._watch.is_silent
        monkeypatch.undo()
        await ask()  # on another connection
    finally:
        os.kill(sessions[0], signal.SIGCONT)
    assert await count() == (2 if what == "a message" else 0)
