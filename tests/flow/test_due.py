"""What was scheduled takes its tokens when its moment has come, and is held only where it must be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hourpost.emails.changes import cancel_email, reschedule_email
from hourpost.emails.hour import give_back
from hourpost.errors import ServiceUnavailable
from hourpost.flow.due import ComingDue
from hourpost.flow.limit import fill
from hourpost.gateways.hour import HourUnavailable
from hourpost.suppressions.changes import add_suppressions
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, letters, make_standing, order

DIRECT, WAITED = ["scheduled", "queued"], ["scheduled", "held"]


class After:
    """An hour that lets something happen once, right after tokens were taken."""

    def __init__(self, hour, act):
        self._hour, self._act = hour, act

    def __getattr__(self, name):
        return getattr(self._hour, name)

    async def take_many(self, takes):
        found = await self._hour.take_many(takes)
        if self._act and all(found):
            act, self._act = self._act, None
            await act()
        return found


class Away:
    """An hour that nobody can ask."""

    def __getattr__(self, name):
        async def fail(*_, **__):
            raise HourUnavailable("Redis does not answer.")

        return fail


def coming_due(office, hour):
    return ComingDue(office.database, hour, office.bell, office.clock)


async def schedule(office, account, count=1, minutes=5, **changes):
    """So many emails, one a second from then on."""
    first = office.clock.now() + timedelta(minutes=minutes)
    mails = [letter(scheduled_at=first + timedelta(seconds=n), **changes) for n in range(count)]
    await office.intake.accept(order(make_standing(account), *mails))
    return mails


async def judge(office, account, mails):
    """The events of each, of which the ledger holds good."""
    ledger = await read_ledger(office.database, account.id)
    ledger.check()
    assert (await office.releaser.look(account.id)).is_true
    return [ledger.events[mail.email_id, 0] for mail in mails]


async def test_with_room_it_leaves_at_once_and_was_never_held(office, new_account):
    account = await new_account(5)
    mails = await schedule(office, account, 3)
    office.clock.advance(310)
    assert account.id not in await office.releaser.come_due()
    assert await judge(office, account, mails) == [DIRECT] * 3
    assert set(office.bell.rung) >= {mail.email_id for mail in mails}
    assert (await office.hour.peek(account.id, 5)).used == 3


@pytest.mark.parametrize("spent", [0, 1, 3])
async def test_the_oldest_get_what_room_there_is_and_the_others_are_held(office, new_account, spent):
    account = await new_account(3)
    if spent:
        await office.intake.accept(order(make_standing(account), *letters(spent)))
    mails = await schedule(office, account, 4)
    office.clock.advance(310)
    assert account.id in await office.releaser.come_due()
    assert await judge(office, account, mails) == [DIRECT] * (3 - spent) + [WAITED] * (1 + spent)
    assert (await office.hour.peek(account.id, 3)).waiting == 1 + spent


@pytest.mark.parametrize("bucket", ["knows", "has not heard"])
async def test_it_stands_behind_what_is_held_already(office, new_account, bucket):
    account = await new_account(2)
    older = letters(3)
    await office.intake.accept(order(make_standing(account), *older))
    mails = await schedule(office, account, 2, minutes=60)
    office.clock.advance(3601)
    if bucket == "has not heard":
        await office.hour.adjust_waiting(account.id, -1)
    await office.releaser.come_due()
    assert (await read_ledger(office.database, account.id)).count("held") == 3
    if bucket == "has not heard":
        await office.releaser.refill(account.id)
    assert (await office.releaser.release(account.id)).released == 2
    assert await judge(office, account, [older[2], *mails]) == [["held", "queued"], [*WAITED, "queued"], WAITED]


async def test_more_than_may_wait_at_a_door_is_held_all_the_same(office, new_account):
    account = await new_account(1)
    mails = await schedule(office, account, 30)
    office.clock.advance(360)
    await office.releaser.come_due()
    assert await judge(office, account, mails) == [DIRECT] + [WAITED] * 29
    assert (await office.hour.peek(account.id, 1)).waiting == 29


@pytest.mark.parametrize("why", ["plan = NULL, own_limit = NULL", "suspended_at = now()"])
async def test_who_may_not_send_holds_it(office, new_account, database, why):
    account = await new_account(5)
    mails = await schedule(office, account)
    async with database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE accounts SET {why} WHERE id = $1", (account.id,))
    office.clock.advance(310)
    assert account.id in await office.releaser.come_due()
    assert await judge(office, account, mails) == [WAITED]


async def test_what_ends_in_place_of_leaving_takes_no_token_and_is_not_held(office, new_account, database):
    account = await new_account(5)
    mails = await schedule(office, account)
    expiring = await schedule(office, account, expires_at=office.clock.now() + timedelta(minutes=6))
    gone = letter("gone@far.test", scheduled_at=office.clock.now() + timedelta(minutes=5))
    await office.intake.accept(order(make_standing(account), gone))
    async with database.transaction() as connection:
        await add_suppressions(connection, account.id, ["gone@far.test"], office.clock.now())
    office.clock.advance(360)
    await office.releaser.come_due()
    ends = [["scheduled", "expired"], ["scheduled", "suppressed"]]
    assert await judge(office, account, [*mails, *expiring, gone]) == [DIRECT, *ends]
    assert (await office.hour.peek(account.id, 5)).used == 1


async def test_while_the_hour_cannot_be_asked_all_of_it_is_held_and_then_released(office, new_account):
    account = await new_account(5)
    mails = await schedule(office, account, 2)
    office.clock.advance(310)
    assert account.id in await coming_due(office, Away()).come_due()
    await office.releaser.release(account.id)
    assert await judge(office, account, mails) == [[*WAITED, "queued"]] * 2


@pytest.mark.parametrize("room", [1, 2])
async def test_what_is_canceled_or_moved_while_tokens_are_taken_gives_them_back(office, new_account, database, room):
    account = await new_account(room)
    canceled, stays, moved = mails = await schedule(office, account, 3)
    office.clock.advance(310)

    async def change():
        now = office.clock.now()
        async with database.transaction() as connection:
            given = await cancel_email(connection, account.id, canceled.email_id, now)
        await give_back(office.hour, office.database, given)
        async with database.transaction() as connection:
            later = now + timedelta(hours=2)
            given = await reschedule_email(connection, account.id, moved.email_id, later, now)
        await give_back(office.hour, office.database, given)

    await coming_due(office, After(office.hour, change)).come_due()
    await office.releaser.release(account.id)
    stayed = DIRECT if room == 2 else [*WAITED, "queued"]
    assert await judge(office, account, mails) == [["scheduled", "canceled"], stayed, ["scheduled"] * 2]
    assert (await office.hour.peek(account.id, room))[3:5] == (1, 0)
    assert stays.email_id in office.bell.rung


async def test_a_bucket_that_is_filled_meanwhile_takes_no_token_for_it_and_loses_none(office, new_account, database):
    account = await new_account(5)
    mails = await schedule(office, account, 2)
    office.clock.advance(310)
    await coming_due(office, After(office.hour, lambda: fill(office.hour, database, account.id))).come_due()
    reading = await office.hour.peek(account.id, 5)
    assert (reading.used, reading.waiting) == (0, 2)
    await office.releaser.release(account.id)
    assert await judge(office, account, mails) == [[*WAITED, "queued"]] * 2


async def test_tokens_whose_rows_were_not_committed_come_back(office, new_account, monkeypatch):
    account = await new_account(2)
    mails = await schedule(office, account, 2)
    office.clock.advance(310)
    due = coming_due(office, office.hour)
    with monkeypatch.context() as patch:

        def stumble():
            raise ServiceUnavailable("PostgreSQL is away.", retry_after_seconds=1)

        patch.setattr(office.database, "transaction", stumble)
        with pytest.raises(ServiceUnavailable):
            await due.come_due()
    assert (await office.hour.peek(account.id, 2)).used == 2
    await due.come_due()
    assert await judge(office, account, mails) == [DIRECT] * 2
