"""Charts are drawn from tallies: every event once, test mode not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest_asyncio
from sqlalchemy import text

from hourpost.emails import tallies
from hourpost.emails.tallies import LAG, SLICE, count_events, read_tallies, read_waiting
from hourpost.gateways.clock import SystemClock
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from tests.api.web.dashboard.mail import make_email
from tests.cast import make_account


@pytest_asyncio.fixture
async def account(fresh_database):
    return await make_account(fresh_database)


async def write(database, account_id, kind, at, count=1, detail=None):
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO events (email_id, id, position, account_id, kind, at, detail)"
                " VALUES (:email, :id, 0, :account, :kind, :at, CAST(:detail AS jsonb))"
            ),
            [
                {"email": new_id(), "id": new_id(), "account": account_id, "kind": kind, "at": at, "detail": detail}
                for _ in range(count)
            ],
        )


async def count(database, now):
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE tally_marks SET counted_until = least(counted_until, :at)"), {"at": now})
    async with database.transaction() as connection:
        while await count_events(connection, now):
            pass


async def read(database, account_id, since, steps):
    async with database.reading() as connection:
        return await read_tallies(connection, account_id, since, since + steps * SLICE, SLICE)


async def test_every_event_is_counted_once_in_its_ten_minutes(fresh_database, account, clock):
    since = clock.now().replace(minute=0, second=0, microsecond=0)
    await count(fresh_database, since)
    await write(fresh_database, account.id, "sent", since + timedelta(minutes=1), 3)
    await write(fresh_database, account.id, "sent", since + timedelta(minutes=11), 2)
    await write(fresh_database, account.id, "bounced", since + timedelta(minutes=11))
    async with fresh_database.transaction() as connection:
        await count_events(connection, since + timedelta(minutes=12))
    async with fresh_database.transaction() as connection:
        await count_events(connection, since + timedelta(minutes=13))
    assert await read(fresh_database, account.id, since, 3) == {"sent": [3, 2, 0], "bounced": [0, 1, 0]}


async def test_what_may_not_be_written_yet_is_counted_the_next_time(fresh_database, account, clock):
    since = clock.now().replace(minute=0, second=0, microsecond=0)
    await count(fresh_database, since)
    await write(fresh_database, account.id, "sent", since + timedelta(seconds=50))
    async with fresh_database.transaction() as connection:
        assert not await count_events(connection, since + timedelta(seconds=60))
    assert await read(fresh_database, account.id, since, 1) == {}
    async with fresh_database.transaction() as connection:
        await count_events(connection, since + timedelta(seconds=51) + LAG)
    assert await read(fresh_database, account.id, since, 1) == {"sent": [1]}


async def test_test_mode_and_waiting_are_no_outcomes(fresh_database, account, clock):
    since = clock.now().replace(minute=0, second=0, microsecond=0)
    await count(fresh_database, since)
    await write(fresh_database, account.id, "sent", since + timedelta(seconds=5), detail='{"test": true}')
    await write(fresh_database, account.id, "held", since + timedelta(seconds=5))
    async with fresh_database.transaction() as connection:
        await count_events(connection, since + timedelta(minutes=2))
    assert await read(fresh_database, account.id, since, 1) == {}


async def test_what_is_accepted_is_counted_by_its_recipients_and_once(fresh_database, account):
    """Also where it waits first, or is suppressed; what waits comes by the same events again and counts no more."""
    await count(fresh_database, SystemClock().now() - timedelta(minutes=1))
    for state in (State.QUEUED, State.HELD, State.SCHEDULED, State.SUPPRESSED):
        await make_email(fresh_database, account, "ada@far.test", "bob@far.test", state=state)
    again = text(
        "INSERT INTO events (email_id, id, position, account_id, kind, at)"
        " SELECT id, uuidv7(), 0, account_id, 'queued', created_at + interval '1 second' FROM emails"
    )
    async with fresh_database.transaction() as connection:
        await connection.execute(again)
    now = SystemClock().now() + timedelta(minutes=1)
    async with fresh_database.transaction() as connection:
        while await count_events(connection, now):
            pass
    async with fresh_database.reading() as connection:
        counts = await read_tallies(connection, account.id, now - timedelta(days=1), now, timedelta(days=2))
    assert counts == {"accepted": [8], "suppressed": [2]}


async def test_what_waits_is_told_by_its_cause(fresh_database, account, clock):
    rows = [
        ("held", None),
        ("held", None),
        ("scheduled", None),
        ("deferred", "relay"),
        ("deferred", None),
        ("queued", None),
        ("queued", None),
        ("sending", None),
        ("sent", None),
    ]
    async with fresh_database.transaction() as connection:
        for state, waits_for in rows:
            await connection.execute(
                text(
                    "INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, waits_for,"
                    " attempts, crashes, changed_at) VALUES (:id, 0, :account, 'a@b.test', 'b.test', :state, :at,"
                    " :waits, 0, 0, :at)"
                ),
                {"id": new_id(), "account": account.id, "state": state, "at": clock.now(), "waits": waits_for},
            )
    async with fresh_database.reading() as connection:
        waiting = await read_waiting(connection, account.id)
        counts = {one.cause: one.count for one in waiting}
        assert counts == {"plan": 2, "schedule": 1, "worker": 2, "relay": 1, "retry": 1}
        assert not any(one.is_least for one in waiting)
        assert await read_waiting(connection, new_id()) == []


async def test_what_is_queued_is_told_in_whatever_flood_it_stands(fresh_database, account, monkeypatch):
    """A flood of its own is at least so many; behind one of others it is found among its newest emails."""
    monkeypatch.setattr(tallies, "_LINE", 3)
    flood = await make_account(fresh_database)
    await make_email(fresh_database, flood, *(f"{number}@far.test" for number in range(5)), state=State.QUEUED)
    async with fresh_database.transaction() as connection:
        await connection.execute(text("UPDATE deliveries SET due_at = due_at - interval '1 minute'"))
    await make_email(fresh_database, account, "ada@far.test", "bob@far.test", state=State.QUEUED)
    monkeypatch.setattr(tallies, "_NEWEST", 1)
    async with fresh_database.reading() as connection:
        told = {one.id: await read_waiting(connection, one.id) for one in (flood, account)}
    assert [(one.cause, one.count, one.is_least) for one in told[account.id]] == [("worker", 2, True)]
    assert [(one.cause, one.count, one.is_least) for one in told[flood.id]] == [("worker", 5, True)]
    monkeypatch.setattr(tallies, "_NEWEST", 0)
    async with fresh_database.reading() as connection:
        assert [one.count for one in await read_waiting(connection, flood.id)] == [3]
