"""Servers that go away in the middle of it: what was accepted is kept, and no room is lost."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio
from asyncpg import Connection
from sqlalchemy import text

from api.smtp.replies import translate
from api.web.errors import to_response
from hourpost.accounts.changes import set_plan
from hourpost.database import Database
from hourpost.errors import DiskFull, HourpostError, LimitExceeded, ServiceUnavailable
from hourpost.flow.claim import claim
from hourpost.flow.leases import Leases
from hourpost.flow.verdict import rehearsed
from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour_tokens import Take, Want
from hourpost.rules.submission import OnLimit
from tests.cast import make_account
from tests.fakes.half_open import HalfOpen
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, letters, make_standing, order
from tests.flow.office import Moment, Office
from tests.flow.rounds import Rounds, start_far_end


class Strike:
    """An hour that does something once, right after tokens were taken."""

    def __init__(self, hour, act):
        self._hour = hour
        self._act = act

    def __getattr__(self, name):
        return getattr(self._hour, name)

    async def take_many(self, takes):
        found = await self._hour.take_many(takes)
        act, self._act = self._act, None
        if act and all(found):
            await asyncio.to_thread(act)
        return found


@pytest_asyncio.fixture
async def world(own_postgres, own_redis):
    """An office on servers of its own, and an account of five an hour."""
    clock = Moment()
    database = Database(own_postgres.url, pool_size=3)
    hour = RedisHour(own_redis.url, timeout_seconds=2, clock=clock)
    account = await make_account(database)
    async with database.transaction() as connection:
        account = await set_plan(connection, account.id, "path", 5)
    yield Office(database, hour, clock), account
    await hour.aclose()
    await database.close()


async def again(office, account):
    """What a client does that was told to come back."""
    for _ in range(200):
        try:
            return await office.intake.accept(order(make_standing(account)))
        except ServiceUnavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("it does not come back")


async def test_while_redis_is_away_everything_is_held_and_then_released(world, own_redis):
    office, account = world
    await office.intake.accept(order(make_standing(account)))
    own_redis.kill()
    receipt = await office.intake.accept(order(make_standing(account), *letters(3)))
    assert {placed.held_by for placed in receipt.placed} == {"plan"}
    assert receipt.usage is None
    with pytest.raises(ServiceUnavailable):
        await office.releaser.release(account.id)
    own_redis.start()
    await asyncio.sleep(0.6)  # for so long the gateway leaves a failed server alone
    assert (await office.releaser.release(account.id)).released == 3
    assert (await office.releaser.look(account.id)).is_true
    (await read_ledger(office.database, account.id)).check()


async def test_who_does_not_wait_is_told_that_redis_is_away(world, own_redis):
    office, account = world
    own_redis.kill()
    with pytest.raises(ServiceUnavailable):
        await office.intake.accept(order(make_standing(account), letter(on_limit=OnLimit.REJECT)))
    own_redis.start()
    assert (await read_ledger(office.database, account.id)).deliveries == []


async def test_a_frozen_redis_costs_a_moment_and_no_token(world, own_redis):
    office, account = world
    await office.intake.accept(order(make_standing(account)))
    own_redis.freeze()
    async with asyncio.timeout(15):
        receipt = await office.intake.accept(order(make_standing(account)))
    own_redis.thaw()
    assert receipt.placed[0].held_by == "plan"
    await asyncio.sleep(0.6)
    turn = await office.releaser.release(account.id)
    assert turn.released == 1
    assert (await office.hour.peek(account.id, 5)).used == 2


async def test_what_is_held_without_redis_is_not_overtaken_after_it(world, own_redis):
    office, account = world
    await office.intake.accept(order(make_standing(account), *letters(5)))
    own_redis.freeze()
    await office.intake.accept(order(make_standing(account)))
    own_redis.thaw()
    await asyncio.sleep(0.6)
    await office.releaser.refill(account.id)
    office.clock.advance(3600)
    receipt = await office.intake.accept(order(make_standing(account)))
    assert receipt.placed[0].held_by == "plan"


async def test_while_postgresql_is_away_nothing_is_accepted_and_no_token_is_lost(world, own_postgres):
    office, account = world
    await again(office, account)
    own_postgres.kill()
    for _ in range(10):
        with pytest.raises(ServiceUnavailable):
            await office.intake.accept(order(make_standing(account)))
    own_postgres.start()
    await again(office, account)
    assert (await office.hour.peek(account.id, 5)).used == 2


@pytest_asyncio.fixture
async def full_disk(world):
    """PostgreSQL says of every email that there is no room for it; gives what makes room."""
    office, _ = world
    full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
    full += " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
    trigger = "CREATE TRIGGER full_disk AFTER INSERT ON events EXECUTE FUNCTION full_disk()"

    async def make_room():
        async with office.database.transaction() as connection:
            await connection.execute(text("DROP FUNCTION IF EXISTS full_disk CASCADE"))

    async with office.database.transaction() as connection:
        await connection.execute(text(full))
        await connection.execute(text(trigger))
    yield make_room
    await make_room()


async def test_a_full_disk_is_named_and_nothing_of_an_email_is_left(world, full_disk):
    office, account = world
    with pytest.raises(DiskFull) as caught:
        await office.intake.accept(order(make_standing(account)))
    assert to_response(caught.value, request_id="", public_url="").status_code == 503
    assert translate(caught.value).startswith(b"452 4.3.1 There is no room to store anything: the disk")
    assert (await read_ledger(office.database, account.id)).states == {}
    await full_disk()
    await again(office, account)
    assert (await office.hour.peek(account.id, 5)).used == 1


async def test_tokens_of_a_commit_that_failed_are_there_for_the_next(world, own_postgres):
    """Also for who does not wait: nothing is held, so no comparison would find them."""
    office, account = world
    await again(office, account)
    office.intake._teller._hour = Strike(office.hour, own_postgres.kill)
    with pytest.raises(ServiceUnavailable):
        await office.intake.accept(order(make_standing(account), *letters(4)))
    own_postgres.start()
    for _ in range(200):
        try:
            await office.intake.accept(order(make_standing(account), *letters(4, on_limit=OnLimit.REJECT)))
            break
        except LimitExceeded:
            raise
        except ServiceUnavailable:
            await asyncio.sleep(0.1)
    ledger = await read_when_back(office, account)
    ledger.check()
    assert ledger.states == {"queued": 5}


async def test_tokens_of_a_process_that_died_are_there_for_the_next(world):
    office, account = world
    await again(office, account)
    standing = make_standing(account)
    reading = await office.hour.peek(account.id, 5)
    other = Office(office.database, office.hour, office.clock)
    await office.hour.take(Take(account.id, 5, [Want(4)]))  # and its process is killed
    receipt = await other.intake.accept(order(standing, *letters(4, on_limit=OnLimit.REJECT)))
    assert (receipt.usage.used, reading.used) == (5, 1)


async def test_one_poisonous_order_does_not_spoil_its_flight(world):
    office, account = world
    standing = make_standing(account)
    orders = [order(standing), order(standing, letter(subject="\x00")), order(standing), order(standing)]
    answers = await asyncio.gather(*map(office.intake.accept, orders), return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False, False]
    assert not isinstance(answers[1], HourpostError)
    ledger = await read_ledger(office.database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 3}
    assert (await office.releaser.look(account.id)).is_true


async def test_an_error_of_our_own_gives_the_tokens_back(world):
    office, account = world
    await again(office, account)
    bad = letter(tags=[object()])
    with pytest.raises(TypeError):
        await office.intake.accept(order(make_standing(account), bad, letter()))
    assert (await office.hour.peek(account.id, 5)).used == 1
    assert (await office.releaser.look(account.id)).is_true


async def test_an_outcome_is_written_when_postgresql_is_back(world, own_postgres, tmp_path):
    """I5: the recorder tries until the database has it, so nothing is sent twice."""
    office, account = world
    rounds = Rounds(office.database, office, await start_far_end(tmp_path), account=account)
    email_id = await rounds.post("slow+700@x.test")
    rounds.start()
    await rounds.until(lambda now: now.row(email_id).dot_at is not None)
    await asyncio.to_thread(own_postgres.restart)
    await asyncio.sleep(0.5)
    ledger = await read_when_back(office, account)
    for _ in range(300):
        if ledger.row(email_id).state == "sent":
            break
        await asyncio.sleep(0.1)
        ledger = await read_when_back(office, account)
    await rounds.stop()
    await rounds.far_end.sink.stop()
    ledger.check()
    assert ledger.events[email_id, 0] == ["queued", "sent"]
    assert [one for one, _ in rounds.far_end.taken].count(f"<{email_id.hex}@acme.test>") == 1


async def read_when_back(office, account):
    for _ in range(300):
        try:
            return await read_ledger(office.database, account.id)
        except ServiceUnavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("PostgreSQL does not come back")


async def test_an_outcome_is_written_though_its_session_was_just_ended(world, own_postgres):
    """Between a session's last words and the end of its stream asyncpg raises an error of a family of its own."""
    office, account = world
    email_id = (await office.intake.accept(order(make_standing(account)))).placed[0].email_id
    with tempfile.TemporaryDirectory(prefix="hp-") as folder:  # of a short name, as a socket needs it
        async with HalfOpen(own_postgres.url, Path(folder)) as network:
            database = Database(network.url, pool_size=2, application="half-open")
            leases = Leases(database, office.clock, "test", 30)
            await leases.renew()
            async with database.hot_transaction() as connection:
                (email,) = await claim(connection, leases.worker, office.clock.now(), 10, [email_id])
            assert await leases.may_end(email)
            await network.end_sessions(office.database, "half-open")
            sent = [rehearsed(email, one, office.clock.now()) for one in email.recipients]
            assert await leases.settle(email, sent)
            await database.close()
    ledger = await read_ledger(office.database, account.id)
    assert ledger.events[email_id, 0] == ["queued", "sent"]


async def test_a_session_that_was_just_ended_is_an_outage_of_one_transaction(world, own_postgres):
    office, _ = world
    with tempfile.TemporaryDirectory(prefix="hp-") as folder:
        async with HalfOpen(own_postgres.url, Path(folder)) as network:
            database = Database(network.url, pool_size=1, application="half-open")
            for transaction in (database.hot_transaction, database.transaction):
                await ask(transaction)
                await network.end_sessions(office.database, "half-open")
                with pytest.raises(ServiceUnavailable):
                    await ask(transaction)
                await ask(transaction)
            await database.close()


async def ask(transaction):
    async with transaction() as connection:
        await connection.execute("SELECT 1" if isinstance(connection, Connection) else text("SELECT 1"))


async def test_a_pool_that_has_no_connection_left_is_an_outage(own_postgres):
    database = Database(own_postgres.url, pool_size=1)
    database.engine.pool._timeout = 0.05
    async with database.reading():
        for way in (database.reading, database.transaction):
            with pytest.raises(ServiceUnavailable):
                async with way():
                    pass
    await database.close()
