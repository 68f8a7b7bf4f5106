"""A flight that asks nothing before it stores: whom it finds suppressed or known then is as if it had asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from hourpost.errors import Conflict, LimitExceeded, ServiceUnavailable
from hourpost.flow import flight, server_time
from hourpost.flow.server_time import ServerTime
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import OnLimit
from hourpost.suppressions.changes import add_suppressions
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, letters, make_standing, order


@pytest_asyncio.fixture
async def warm(office, new_account, monkeypatch):
    """An office that knows PostgreSQL's time, and the questions that it asks from now on, by their orders."""
    await office.intake.accept(order(make_standing(await new_account())))
    asked, ask = [], flight.find_earlier

    async def find_earlier(connection, orders):
        asked.append(len(orders))
        return await ask(connection, orders)

    monkeypatch.setattr(flight, "find_earlier", find_earlier)
    office.asked = asked
    return office


async def suppress(database, account, *addresses):
    async with database.transaction() as connection:
        await add_suppressions(connection, account.id, addresses, datetime.now(UTC))


async def test_nothing_is_asked_of_an_order_of_which_nothing_is_known(warm, new_account):
    account = await new_account()
    await warm.intake.accept(order(make_standing(account), key="k"))
    await warm.intake.accept(order(make_standing(account), *letters(2)))
    assert warm.asked == []


async def test_who_is_suppressed_is_found_when_it_is_stored_and_costs_nothing(warm, new_account, database):
    account, other = await new_account(3), await new_account(3)
    await suppress(database, account, "gone@far.test")
    mine = order(make_standing(account), letter("a@x.test", "GONE@far.test", "b@x.test"), key="k")
    both = (mine, order(make_standing(account)), order(make_standing(other), letter("gone@far.test")))
    receipts = await asyncio.gather(*map(warm.intake.accept, both))
    assert [state for _, state in receipts[0].placed[0].recipients] == [State.QUEUED, State.SUPPRESSED, State.QUEUED]
    assert [one.placed[0].recipients[0][1] for one in receipts[1:]] == [State.QUEUED] * 2
    assert warm.asked  # of those alone that are suppressed, or found no room beside them
    for one in (account, other):
        (await read_ledger(database, one.id)).check()
        assert (await warm.releaser.look(one.id)).is_true
    assert (await read_ledger(database, account.id)).states == {"queued": 3, "suppressed": 1}


async def test_nobody_is_held_for_the_tokens_of_the_suppressed(warm, new_account, database):
    account = await new_account(2)
    await suppress(database, account, "gone@far.test")
    first = order(make_standing(account), letter("gone@far.test", "a@x.test"))
    second = order(make_standing(account), letter("b@x.test"))
    for one in (first, second):
        receipt = await warm.intake.accept(one)
        assert State.HELD not in dict(receipt.placed[0].recipients).values()
    assert (receipt.usage.used, receipt.usage.held) == (2, 0)


async def test_of_an_order_of_many_it_is_asked_first(warm, new_account, database):
    account = await new_account(100)
    await suppress(database, account, "you7@far.test")
    receipt = await warm.intake.accept(order(make_standing(account), *letters(30)))
    assert [n for n, one in enumerate(receipt.placed) if one.recipients[0][1] is State.SUPPRESSED] == [7]
    assert receipt.usage.used == 29
    assert warm.asked == [1]


async def test_a_key_that_was_used_gets_its_receipt_and_costs_nothing(warm, new_account, database):
    standing = make_standing(await new_account(2))
    first = await warm.intake.accept(order(standing, letter(), key="k"))
    await suppress(database, await new_account(), "you@far.test")
    again = await warm.intake.accept(order(standing, letter(), key="k"))
    assert again.replayed
    assert again.placed[0].email_id == first.placed[0].email_id
    with pytest.raises(Conflict):
        await warm.intake.accept(order(standing, letter(), key="k", body="another"))
    left = await warm.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT)))
    assert left.usage.used == 2


async def test_whose_key_was_used_is_not_refused_when_the_hour_is_full(warm, new_account):
    standing = make_standing(await new_account(1))
    first = await warm.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT), key="k"))
    again = await warm.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT), key="k"))
    assert [one.email_id for one in again.placed] == [one.email_id for one in first.placed]
    with pytest.raises(Conflict):
        await warm.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT), key="k", body="another"))
    with pytest.raises(LimitExceeded):
        await warm.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT), key="new"))


async def test_who_was_found_suppressed_stays_so_when_another_spoils_the_flight(warm, new_account, database):
    account, other = await new_account(3), await new_account(3)
    await suppress(database, account, "gone@far.test")
    await warm.intake.accept(order(make_standing(account), *letters(2)))
    full = order(make_standing(account), letter("gone@far.test", "a@x.test"))
    poison = order(make_standing(other), letter(subject="\x00"))
    receipt, error = await asyncio.gather(*map(warm.intake.accept, (full, poison)), return_exceptions=True)
    assert isinstance(error, Exception)
    assert [state for _, state in receipt.placed[0].recipients] == [State.SUPPRESSED, State.QUEUED]
    assert (await warm.releaser.look(account.id)).is_true


async def test_who_is_known_already_has_what_the_others_of_its_flight_give_back(warm, new_account, database):
    account = await new_account(30)
    await suppress(database, account, "gone@far.test")
    standing = make_standing(account)
    first = order(standing, letter("gone@far.test", "a@x.test"))
    second = order(standing, *letters(29, on_limit=OnLimit.REJECT))  # of so many it is asked first
    receipts = await asyncio.gather(*map(warm.intake.accept, (first, second)))
    assert [state for one in receipts[1].placed for _, state in one.recipients] == [State.QUEUED] * 29
    assert (await warm.releaser.look(account.id)).is_true


async def test_of_an_account_without_room_it_is_asked_first(warm, new_account, monkeypatch):
    standing = make_standing(await new_account(1))
    takes, take = [], warm.intake._teller.take

    async def note(wanted):
        takes.append(wanted)
        return await take(wanted)

    for _ in range(2):
        await warm.intake.accept(order(standing))
    monkeypatch.setattr(warm.intake._teller, "take", note)
    await warm.intake.accept(order(standing, key="k"))
    assert len(takes) == 1
    assert (await warm.intake.accept(order(standing, key="k"))).replayed
    assert len(takes) == 1


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_clock_of_postgresql_that_is_set_refuses_nobody(warm, new_account, database, hours):
    account = await new_account(3)
    time = warm.intake._ground.time
    time.tell(datetime.now(UTC) + timedelta(hours=hours))
    receipt = await warm.intake.accept(order(make_standing(account), letter(), key="k"))
    assert (receipt.usage.used, receipt.replayed) == (1, False)
    assert abs(time.in_seconds(0) - datetime.now(UTC)) < timedelta(minutes=5)
    ledger = await read_ledger(database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 1}
    assert (await warm.releaser.look(account.id)).is_true


async def test_what_changes_under_every_try_is_an_outage_and_costs_nothing(warm, new_account, database, monkeypatch):
    """Nobody waits for ever for an answer."""
    account = await new_account(3)
    await suppress(database, account, "gone@far.test")
    find, see = flight.find_earlier, flight.Flight._go_back

    async def find_nobody(connection, orders):
        earlier = await find(connection, orders)
        earlier.suppressed.clear()
        return earlier

    async def go_back(self, passengers):
        going = await see(self, passengers)
        self._seen.difference_update(going)
        return going

    monkeypatch.setattr(flight, "find_earlier", find_nobody)
    monkeypatch.setattr(flight.Flight, "_go_back", go_back)
    with pytest.raises(ServiceUnavailable):
        await warm.intake.accept(order(make_standing(account), letter("gone@far.test")))
    assert (await read_ledger(database, account.id)).deliveries == []
    assert (await warm.intake.accept(order(make_standing(account)))).usage.used == 1


def test_the_time_is_unknown_until_it_was_told_and_after_a_while(monkeypatch):
    ours = 1000.0
    monkeypatch.setattr(server_time, "monotonic", lambda: ours)
    time, noon = ServerTime(), datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert not time.is_known
    time.tell(noon)
    ours += 30
    assert time.is_known
    assert time.in_seconds(2.5) == noon + timedelta(seconds=32.5)
    ours += 31
    assert not time.is_known
