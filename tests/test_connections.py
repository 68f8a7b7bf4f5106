"""Connections that are lent: few, used again while they are sound, and never after something was left on them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import text

from hourpost import connections
from hourpost.connections import Connections
from hourpost.database import Database, HotStatement
from hourpost.errors import ServiceUnavailable

_PID = HotStatement("SELECT pg_backend_pid() AS pid")
_SLEEP = HotStatement("SELECT pg_sleep(30)")


@pytest.fixture
async def database(database_url):
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def ask_pid(database):
    async with database.hot_statements() as connection:
        return (await _PID.run(connection, {}))[0].pid


async def test_the_connection_that_was_used_last_is_used_next(database):
    assert len({await ask_pid(database) for _ in range(5)}) == 1


async def test_those_who_come_together_have_a_connection_each_and_the_rest_wait(database):
    pids = set()

    async def work():
        async with database.hot_statements() as connection:
            pids.add((await _PID.run(connection, {}))[0].pid)
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(40)))
    assert 1 < len(pids) <= 4


async def test_who_waits_too_long_is_told_that_postgresql_is_away(database, monkeypatch):
    monkeypatch.setattr(connections, "_WAIT_SECONDS", 0.05)
    taken = [database.hot_statements() for _ in range(4)]
    for one in taken:
        await one.__aenter__()
    with pytest.raises(ServiceUnavailable):
        await ask_pid(database)
    await taken.pop().__aexit__(None, None, None)
    await ask_pid(database)
    for one in taken:
        await one.__aexit__(None, None, None)


async def until_somebody_sleeps(database):
    connection = await asyncpg.connect(database.url)
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(%'"
    for _ in range(6000):
        if await connection.fetchval(query):
            break
        await asyncio.sleep(0.01)
    await connection.close()


async def test_a_connection_whose_statement_nobody_waits_for_is_not_lent_again(database):
    before = await ask_pid(database)

    async def sleep():
        async with database.hot_statements() as connection:
            await _SLEEP.run(connection, {})

    task = asyncio.create_task(sleep())
    await until_somebody_sleeps(database)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await asyncio.wait_for(ask_pid(database), 20) != before


async def test_a_connection_that_was_lost_while_nobody_used_it_is_not_lent(database_url):
    database = Database(database_url, pool_size=2)
    try:
        async with database.reading() as one, database.reading() as other:
            lost = [(await each.execute(text("SELECT pg_backend_pid()"))).scalar_one() for each in (one, other)]
            raw = [(await each.get_raw_connection()).driver_connection for each in (one, other)]
        outside = await asyncpg.connect(database.url)
        await outside.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS ended(pid)", lost)
        await outside.close()
        for _ in range(2000):
            if all(connection.is_closed() for connection in raw):
                break
            await asyncio.sleep(0.01)
        async with database.reading() as one, database.transaction() as other:
            for each in (one, other):
                assert (await each.execute(text("SELECT pg_backend_pid()"))).scalar_one() not in lost
    finally:
        await database.close()


async def test_a_connection_goes_on_after_a_wrong_statement_and_has_no_transaction_left_open(database):
    before = await ask_pid(database)
    with pytest.raises(asyncpg.PostgresError):
        async with database.hot_transaction() as connection:
            await connection.execute("SELECT 1 / 0")
    assert await ask_pid(database) == before
    async with database.hot_statements() as connection:
        await connection.execute("BEGIN")
    assert await ask_pid(database) != before


async def test_a_connection_that_cannot_be_made_takes_no_place(database_url):
    answers = iter([OSError("refused"), OSError("refused"), None])

    async def connect():
        error = next(answers)
        if error is not None:
            raise error
        return await asyncpg.connect(database_url)

    lender = Connections(connect, 1)
    for _ in range(2):
        with pytest.raises(OSError, match="refused"):
            await lender.take()
    connection = await lender.take()
    lender.give_back(connection, is_sound=True)
    lender.terminate()
    assert connection.is_closed()


async def test_a_connection_that_was_long_unused_is_closed(database, monkeypatch):
    monkeypatch.setattr(connections, "_UNUSED_SECONDS", -1.0)
    before = await ask_pid(database)
    assert await ask_pid(database) != before


async def test_once_closed_nothing_is_lent(database):
    await ask_pid(database)
    await database.close()
    with pytest.raises(ServiceUnavailable):
        await ask_pid(database)


@pytest.mark.parametrize(("plans_once", "plans"), [(True, (0, 4)), (False, (4, 0))])
async def test_a_statement_is_planned_once_for_who_asks_for_it(database_url, plans_once, plans):
    """A short list would else be planned for each time: the plan for those few looks cheaper than one for any."""
    database = Database(database_url, pool_size=1, plans_once=plans_once)
    pick = HotStatement("SELECT oid FROM pg_class WHERE oid = ANY(CAST(:ids AS oid[]))")
    counts = HotStatement(
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT oid%'"
    )
    for number in range(4):
        async with database.hot_statements() as connection:
            await pick.run(connection, {"ids": [number]})
    async with database.hot_statements() as connection:
        (found,) = await counts.run(connection, {})
    await database.close()
    assert tuple(found) == plans


@pytest.mark.parametrize(("is_patient", "rest"), [(False, "120000"), (True, "0")])
async def test_postgres_soon_notices_that_a_machine_is_gone(database_url, is_patient, rest):
    """Until then it would keep its place, and the locks of a transaction that it was in the middle of."""
    names = ("idle_in_transaction_session_timeout", "tcp_keepalives_count", "tcp_keepalives_idle")
    query = f"SELECT string_agg(reset_val, ' ' ORDER BY name) AS said FROM pg_settings WHERE name IN {names}"
    database = Database(database_url, pool_size=1, is_patient=is_patient)
    async with database.reading() as connection:
        said = [(await connection.execute(text(query))).scalar_one()]
    async with database.hot_statements() as connection:
        said.append(await connection.fetchval(query))
    listening = await database.listen("a name")
    said.append(await listening.fetchval(query))
    listening.terminate()
    await database.close()
    assert said == [f"{rest} 3 30"] * 3
