"""The schedule, in real time: what is due leaves, whoever leads."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.changes import set_plan
from hourpost.emails.changes import cancel_email
from hourpost.emails.hour import give_back
from hourpost.flow import limit
from hourpost.flow.release import Turn
from hourpost.rules.hour_tokens import Take, Want
from hourpost.rules.ids import new_id
from tests.cast import make_account
from tests.flow.letters import letters, make_standing, order
from workers import lead
from workers import schedule as module
from workers.schedule import Schedule


class Ticking:
    """A schedule at work."""

    def __init__(self, office):
        self.schedule = Schedule(office.database, office.hour, office.releaser, office.clock)
        self.task = asyncio.create_task(self.schedule.run())

    async def stop(self):
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.schedule.close()


@pytest_asyncio.fixture
async def tick(rounds):
    """Starts schedules that are stopped at the end."""
    running = []

    def start():
        running.append(Ticking(rounds.office))
        return running[-1]

    rounds.account = await make_account(rounds.database)
    yield start
    for one in running:
        await one.stop()


async def give_limit(rounds, limit):
    async with rounds.database.transaction() as connection:
        rounds.account = await set_plan(connection, rounds.account.id, "path", limit)


async def hold(rounds, limit, held):
    """Use up the hour, and let so many wait."""
    await give_limit(rounds, limit)
    await rounds.office.intake.accept(order(make_standing(rounds.account, limit), *letters(limit + held)))


async def test_what_is_scheduled_comes_due_and_leaves_at_once(rounds, tick):
    tick()
    moment = rounds.clock.now() + timedelta(seconds=2)
    email_id = await rounds.post("a@x.test", scheduled_at=moment)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "queued")
    ledger.check()
    assert ledger.events[email_id, 0] == ["scheduled", "queued"]
    assert moment <= ledger.row(email_id).released_at < moment + timedelta(seconds=20)


async def test_a_new_plan_paces_what_waits_anew_at_once(rounds, tick, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 3600.0)
    await hold(rounds, 1, 5)
    tick()
    await asyncio.sleep(1)  # it has looked, and would come back in an hour
    await give_limit(rounds, 4)
    await rounds.until(lambda now: now.count("queued") == 4)


async def test_what_goes_on_from_a_mailbox_leaves_with_the_next_tick(rounds, tick):
    await give_limit(rounds, 10)
    schedule = tick().schedule
    schedule._due["look"] = math.inf  # it looks for nothing by itself
    await rounds.until(lambda _: schedule._lead.is_held)
    email_id = await rounds.post("a@x.test")
    async with rounds.database.transaction() as connection:
        await connection.execute(text("UPDATE deliveries SET state = 'held', released_at = NULL"))
    async with rounds.database.transaction() as connection:
        await connection.execute(text("SELECT pg_notify('held', :account)"), {"account": str(rounds.account.id)})
    await rounds.until(lambda now: now.row(email_id).state == "queued")


async def wait_for_the_next_hour(rounds, schedule):
    """Until the schedule has seen that there is no room, and would come back when the hour is over."""
    await rounds.until(lambda _: schedule._next.get(rounds.account.id, 0.0) > time.monotonic() + 60)


async def test_what_is_held_has_the_room_of_what_was_canceled_at_once(rounds, tick):
    await give_limit(rounds, 1)
    first, second = await rounds.post("a@x.test"), await rounds.post("b@x.test")
    schedule = tick().schedule
    schedule._due["compare"] = math.inf  # it finds nothing by itself
    await wait_for_the_next_hour(rounds, schedule)
    async with rounds.database.transaction() as connection:
        given = await cancel_email(connection, rounds.account.id, first, rounds.clock.now())
    await give_back(rounds.office.hour, rounds.database, given)
    ledger = await rounds.until(lambda now: now.row(second).state == "queued")
    ledger.check()


async def test_room_that_nobody_has_told_of_is_found_by_a_look(rounds, tick, monkeypatch):
    """A bucket that a door has filled anew may have room: tokens that nobody stored were in the one before."""
    await give_limit(rounds, 3)
    await limit.take(rounds.office.hour, rounds.database, [Take(rounds.account.id, 3, [Want(3)])])  # and is killed
    email_id = await rounds.post("a@x.test")
    schedule = tick().schedule
    await wait_for_the_next_hour(rounds, schedule)
    await limit.fill(rounds.office.hour, rounds.database, rounds.account.id)
    schedule._due["compare"] = 0.0
    await rounds.until(lambda now: now.row(email_id).state == "queued")


async def test_a_smaller_plan_holds_back_at_once(rounds, tick):
    await hold(rounds, 4, 3)
    await give_limit(rounds, 2)
    tick()
    await asyncio.sleep(1)
    ledger = await rounds.until(lambda _: True)
    assert ledger.states == {"queued": 4, "held": 3}


async def test_another_takes_over_when_the_first_ends(rounds, tick):
    first = tick()
    await asyncio.sleep(0.3)
    tick()
    await asyncio.sleep(0.3)
    await first.stop()
    email_id = await rounds.post("a@x.test", scheduled_at=rounds.clock.now() + timedelta(seconds=0.2))
    await rounds.until(lambda now: now.row(email_id).state == "queued")


async def test_one_that_waits_for_the_lead_ends_at_once_and_leaves_no_session_behind(rounds, tick):
    first = tick()
    await asyncio.sleep(0.3)
    second = tick()
    await asyncio.sleep(0.3)
    await asyncio.wait_for(second.stop(), 20)
    query = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%advisory%' AND pid <> pg_backend_pid()")
    for _ in range(1000):
        async with rounds.database.reading() as connection:
            if not (await connection.execute(query)).scalar_one():
                break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("somebody still asks for the lead")
    await first.stop()


async def test_the_leader_that_lost_its_session_leads_again(rounds, tick):
    tick()
    await asyncio.sleep(0.3)
    async with rounds.database.transaction() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        )
    email_id = await rounds.post_when_back("a@x.test", scheduled_at=rounds.clock.now() + timedelta(seconds=0.2))
    await rounds.until(lambda now: now.row(email_id).state == "queued")


async def test_a_leader_that_stands_still_is_relieved_and_knows_it_when_it_goes_on(rounds, tick, monkeypatch):
    for name, seconds in (("_SILENT_SECONDS", 2.0), ("_SIGN_SECONDS", 0.2), ("_STUCK_SECONDS", 0.5)):
        monkeypatch.setattr(lead, name, seconds)
    first, stands, goes_on, ticks = tick().schedule, asyncio.Event(), asyncio.Event(), []

    async def stand_still() -> None:
        stands.set()
        await goes_on.wait()

    monkeypatch.setattr(first, "_tick", stand_still)
    await asyncio.wait_for(stands.wait(), 30)
    second = tick().schedule
    await rounds.until(lambda _: second._lead.is_held)
    monkeypatch.setattr(lead, "_SILENT_SECONDS", 60.0)
    monkeypatch.setattr(lead, "_STUCK_SECONDS", 60.0)
    email_id = await rounds.post("a@x.test", scheduled_at=rounds.clock.now() + timedelta(seconds=0.5))
    await rounds.until(lambda now: now.row(email_id).state == "queued")

    monkeypatch.setattr(first, "_tick", lambda: asyncio.sleep(0, ticks.append(1)))
    goes_on.set()
    await asyncio.sleep(2)
    assert (first._lead.is_held, second._lead.is_held, ticks) == (False, True, [])


async def test_who_waits_leaves_a_leader_alone_that_is_at_a_long_piece_of_work(rounds, tick, monkeypatch):
    monkeypatch.setattr(lead, "_SILENT_SECONDS", 2.0)
    monkeypatch.setattr(lead, "_SIGN_SECONDS", 0.2)
    first = tick().schedule
    await rounds.until(lambda _: first._lead.is_held)
    session = first._lead._session
    monkeypatch.setattr(first, "_tick", asyncio.Event().wait)
    tick()
    await asyncio.sleep(5)
    assert first._lead._session is session
    assert first._lead.is_held


async def test_who_leads_no_longer_measures_nothing(rounds, tick):
    """What it measured last would stand in Prometheus for ever, beside what the new leader says."""
    leader = tick()
    await rounds.until(lambda _: leader.schedule._lead.is_held)
    module.OLDEST_WAITING_SECONDS.labels("worker").set(600)
    leader.schedule._lead._session.terminate()
    await rounds.until(
        lambda _: not any(one.value == 600 for one in module.OLDEST_WAITING_SECONDS.collect()[0].samples)
    )


async def test_an_error_of_our_own_does_not_end_it(rounds, tick, monkeypatch):
    stumbled = asyncio.Event()
    come_due = rounds.office.releaser.come_due

    async def stumble():
        if stumbled.is_set():
            return await come_due()
        stumbled.set()
        raise KeyError("ours")

    monkeypatch.setattr(rounds.office.releaser, "come_due", stumble)
    tick()
    email_id = await rounds.post("a@x.test", scheduled_at=rounds.clock.now() + timedelta(seconds=0.2))
    await rounds.until(lambda now: now.row(email_id).state == "queued")
    assert stumbled.is_set()


async def test_tokens_that_nobody_stored_are_found_by_two_looks(rounds, tick, monkeypatch):
    monkeypatch.setattr(module, "_COMPARE_SECONDS", 0.2)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.2)
    await give_limit(rounds, 3)
    await rounds.office.intake.accept(order(make_standing(rounds.account, 3)))
    await rounds.office.hour.take(Take(rounds.account.id, 3, [Want(2)]))  # and its process is killed
    await rounds.office.intake.accept(order(make_standing(rounds.account, 3)))
    assert (await rounds.until(lambda _: True)).states == {"queued": 1, "held": 1}
    tick()
    ledger = await rounds.until(lambda now: now.count("queued") == 2)
    ledger.check()


@pytest.mark.parametrize("state", ["held", "scheduled", "deferred"])
async def test_what_outlives_its_expiry_ends_by_itself(rounds, tick, monkeypatch, state):
    monkeypatch.setattr(module, "_EXPIRE_SECONDS", 0.2)
    await give_limit(rounds, 1)
    await rounds.post("first@x.test")
    email_id = await rounds.post("a@x.test", expires_at=rounds.clock.now() + timedelta(seconds=2))
    if state != "held":
        await rounds.execute(
            "UPDATE deliveries SET state = :state, due_at = now() + interval '1 hour' WHERE email_id = :id",
            state=state,
            id=email_id,
        )
        await rounds.office.releaser.refill(rounds.account.id)
    tick()
    await rounds.until(lambda now: now.row(email_id).state == "expired")
    assert (await rounds.office.hour.peek(rounds.account.id, 1)).waiting == 0


async def test_accounts_take_turns_however_much_waits_of_one():
    turns = {
        "busy": [Turn(250, 0.0), Turn(250, 0.0), Turn(100, 60.0)],
        "small": [Turn(3, None)],
        "late": [Turn(9, 9.0)],
    }
    taken = []

    class Releasing:
        async def release(self, account):
            taken.append(account)
            return turns[account].pop(0)

    schedule = Schedule(None, None, Releasing(), None)
    schedule._next = dict.fromkeys(turns, 0.0)
    await schedule._release()
    assert taken == ["busy", "small", "late", "busy", "busy"]
    assert list(schedule._next) == ["busy", "late"]  # each for its next time


def test_of_many_that_wait_a_few_are_compared_at_a_time_and_each_in_its_turn(monkeypatch):
    monkeypatch.setattr(module, "_COMPARED_AT_ONCE", 2)
    schedule = Schedule(None, None, None, None)
    accounts = sorted(new_id() for _ in range(5))
    schedule._next = dict.fromkeys(accounts, 0.0)
    schedule._differs = {accounts[1]}  # is compared anyway
    turns = [schedule._next_to_compare() for _ in range(3)]
    assert max(map(len, turns)) <= 2
    assert {one for turn in turns for one in turn} == set(accounts) - schedule._differs
