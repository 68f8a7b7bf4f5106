"""Limit: a bucket is filled from PostgreSQL, and what is under way meanwhile is neither lost nor counted twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hourpost.flow import limit
from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour_tokens import Take, Want
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, letters, make_standing, order


async def test_a_filling_waits_for_debits_that_are_being_committed(office, new_account, database):
    """Under the share lock a debit is stored; the filling must see it, although it began before the commit."""
    account = await new_account(10)
    take = Take(account.id, 10, [Want(3)])
    (taken,) = await limit.take(office.hour, database, [take])
    async with database.transaction() as connection:
        assert await limit.confirm(connection, [taken]) == set()
        filling = asyncio.create_task(limit.fill(office.hour, database, account.id))
        await asyncio.sleep(0.1)
        assert not filling.done()
        await connection.exec_driver_sql(
            "INSERT INTO spends (account_id, spent_at, count) VALUES ($1, $2, 3)",
            (account.id, limit.to_moment(taken.taken_at_us)),
        )
    await filling
    assert (await office.hour.peek(account.id, 10)).used == 3


async def test_a_filling_counts_what_was_spent_up_to_an_hour_ago_and_nothing_older(database, redis_url, new_account):
    account = await new_account(10)
    hour, now = RedisHour(redis_url, timeout_seconds=5), datetime.now(UTC)  # PostgreSQL's own time is asked
    async with database.transaction() as connection:
        for minutes, count in ((61, 4), (59, 2), (30, 1)):
            await connection.exec_driver_sql(
                "INSERT INTO spends (account_id, spent_at, count) VALUES ($1, $2, $3)",
                (account.id, now - timedelta(minutes=minutes), count),
            )
    await limit.fill(hour, database, account.id)
    assert (await hour.peek(account.id, 10)).used == 3
    await hour.aclose()


async def test_a_debit_from_before_a_filling_is_void(office, new_account, database):
    account = await new_account(10)
    (taken,) = await limit.take(office.hour, database, [Take(account.id, 10, [Want(3)])])
    await limit.fill(office.hour, database, account.id)
    async with database.transaction() as connection:
        assert await limit.confirm(connection, [taken]) == {account.id}
    assert (await office.hour.peek(account.id, 10)).used == 0


async def test_a_debit_waits_for_a_filling_under_way_and_is_void_then(office, new_account, database):
    account = await new_account(10)
    (taken,) = await limit.take(office.hour, database, [Take(account.id, 10, [Want(1)])])

    async def confirm():
        async with database.transaction() as connection:
            return await limit.confirm(connection, [taken])

    async with database.transaction() as connection:
        await connection.exec_driver_sql(
            "UPDATE hours SET generation = generation + 1 WHERE account_id = $1", (account.id,)
        )
        confirming = asyncio.create_task(confirm())
        await asyncio.sleep(0.1)
        assert not confirming.done()
    assert await confirming == {account.id}


async def test_a_filling_gets_its_turn_among_debits_without_end(office, new_account, database):
    account = await new_account(100_000)
    (taken,) = await limit.take(office.hour, database, [Take(account.id, 100_000, [Want(1)])])
    done = asyncio.Event()

    async def hold(delay):
        await asyncio.sleep(delay)
        while not done.is_set():
            async with database.transaction() as connection:
                await limit.confirm(connection, [taken])
                await asyncio.sleep(0.02)

    holders = [asyncio.create_task(hold(0.007 * n)) for n in range(3)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(30):
        await limit.fill(office.hour, database, account.id)
    done.set()
    await asyncio.gather(*holders)


async def test_a_bucket_that_a_failed_filling_left_behind_is_filled_at_the_next_turn(office, new_account, database):
    """PostgreSQL has the new generation, Redis never heard of it."""
    account = await new_account(2)
    await office.intake.accept(order(make_standing(account), *letters(3)))
    await _raise_generation(database, account)
    office.clock.advance(3600)
    assert (await office.releaser.release(account.id)).released == 0
    assert (await office.releaser.release(account.id)).released == 1
    assert (await office.releaser.look(account.id)).is_true


async def test_a_door_holds_nothing_back_for_a_bucket_that_was_left_behind(office, new_account, database):
    account = await new_account(5)
    await office.intake.accept(order(make_standing(account)))
    await _raise_generation(database, account)
    receipt = await office.intake.accept(order(make_standing(account)))
    assert receipt.placed[0].held_by is None
    assert (await read_ledger(database, account.id)).count("queued") == 2


async def test_tokens_that_nobody_stored_come_back_by_the_comparison(office, new_account, database):
    account = await new_account(3)
    await limit.take(office.hour, database, [Take(account.id, 3, [Want(3)])])  # and its process dies
    receipt = await office.intake.accept(order(make_standing(account)))
    assert receipt.placed[0].held_by == "plan"
    assert not (await office.releaser.look(account.id)).is_true
    await office.releaser.refill(account.id)
    assert (await office.releaser.release(account.id)).released == 1
    assert (await office.releaser.look(account.id)).is_true


async def test_a_bucket_that_knows_too_few_spends_differs_from_the_rows(office, new_account):
    account = await new_account(3)
    await office.intake.accept(order(make_standing(account), *letters(2)))
    reading = await office.hour.peek(account.id, 3)
    await office.hour.refund(account.id, reading.generation, 2, reading.now_us)
    assert not (await office.releaser.look(account.id)).is_true


async def test_a_queue_of_nobody_keeps_nobody_waiting(office, new_account):
    account = await new_account(3)
    await office.intake.accept(order(make_standing(account)))
    await office.hour.adjust_waiting(account.id, 5)
    await office.releaser.release(account.id)
    receipt = await office.intake.accept(order(make_standing(account)))
    assert receipt.placed[0].held_by is None


@pytest.mark.parametrize("waits", [0, 1, 30])
async def test_estimates_come_true(office, new_account, database, waits):
    """Within a slot, when nothing else happens."""
    account = await new_account(4)
    standing = make_standing(account)
    for seconds in (0, 700, 1500, 100):
        office.clock.advance(seconds)
        await office.intake.accept(order(standing))
    told = {}
    for _ in range(waits):
        mail = letter()
        told[mail.email_id] = (await office.intake.accept(order(standing, mail))).placed[0].estimated_send_at
    turn = await office.releaser.release(account.id)
    while turn.wait_seconds is not None:
        office.clock.advance(turn.wait_seconds)
        turn = await office.releaser.release(account.id)
    ledger = await read_ledger(database, account.id)
    ledger.check()
    for email_id, moment in told.items():
        assert abs(ledger.row(email_id).released_at - moment) <= timedelta(seconds=10)
    assert ledger.busiest_hour() == 4


async def _raise_generation(database, account):
    async with database.transaction() as connection:
        await connection.exec_driver_sql(
            "UPDATE hours SET generation = generation + 1 WHERE account_id = $1", (account.id,)
        )


async def test_buckets_filled_together_are_each_their_own(office, new_account, database):
    accounts = [await new_account(10) for _ in range(40)]
    for number, account in enumerate(accounts):
        await office.intake.accept(order(make_standing(account), *letters(1 + number % 12)))
    generations = await limit.fill_many(office.hour, database, [account.id for account in accounts])
    assert set(generations) == {account.id for account in accounts}
    for number, account in enumerate(accounts):
        reading = await office.hour.peek(account.id, 10)
        wanted = 1 + number % 12
        assert (reading.used, reading.waiting) == (min(wanted, 10), max(0, wanted - 10))
        assert reading.generation == generations[account.id]
        (await read_ledger(database, account.id)).check()
