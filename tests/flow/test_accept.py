"""Accept: orders in, receipts out, rows behind them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.errors import (
    Conflict,
    Forbidden,
    IdempotencyInFlight,
    LimitExceeded,
    ServiceUnavailable,
    ValidationFailed,
)
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import OnLimit
from hourpost.suppressions.changes import add_suppressions
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, letters, make_standing, order


async def test_what_has_room_is_queued_and_the_bell_is_rung(office, new_account):
    account = await new_account(10)
    mail = letter("a@far.test", "b@far.test")
    receipt = await office.intake.accept(order(make_standing(account), mail))
    assert receipt.placed[0].recipients == (("a@far.test", State.QUEUED), ("b@far.test", State.QUEUED))
    assert (receipt.usage.used, receipt.usage.remaining, receipt.usage.held) == (2, 8, 0)
    assert office.bell.rung == [mail.email_id]


async def test_what_is_stored_is_what_was_submitted(office, new_account, database):
    account = await new_account()
    mail = letter(
        tags=[{"name": "kind", "value": "greeting"}], metadata={"n": 1}, content=b"A: b\r\n\r\n" + b"x" * 600_000
    )
    await office.intake.accept(order(make_standing(account), mail))
    async with database.reading() as connection:
        row = (await connection.execute(text("SELECT * FROM emails WHERE id = :id"), {"id": mail.email_id})).one()
        chunks = await connection.execute(
            text("SELECT bytes FROM content_chunks WHERE content_id = :id ORDER BY number"), {"id": row.content_id}
        )
    assert (row.subject, row.tags, row.metadata, row.size_bytes) == ("hello", mail.tags, {"n": 1}, len(mail.content))
    assert b"".join(chunks.scalars()) == mail.content


async def test_what_finds_no_room_is_held_behind_what_is_held(office, new_account, database):
    account = await new_account(3)
    await office.intake.accept(order(make_standing(account), letter("a@x.test", "b@x.test")))
    receipt = await office.intake.accept(order(make_standing(account), letter("c@x.test", "d@x.test")))
    late = await office.intake.accept(order(make_standing(account)))
    assert [state for _, state in receipt.placed[0].recipients] == [State.QUEUED, State.HELD]
    assert receipt.placed[0].held_by == late.placed[0].held_by == "plan"
    assert receipt.placed[0].estimated_send_at == office.clock.moment + timedelta(hours=1)
    ledger = await read_ledger(database, account.id)
    ledger.check()
    assert ledger.states == {"queued": 3, "held": 2}


async def test_a_batch_is_placed_in_its_order(office, new_account):
    account = await new_account(3)
    receipt = await office.intake.accept(order(make_standing(account), *letters(5)))
    states = [placed.recipients[0][1] for placed in receipt.placed]
    assert states == [State.QUEUED] * 3 + [State.HELD] * 2


async def test_suppressed_recipients_cost_nothing(office, new_account, database):
    account = await new_account(3)
    async with database.transaction() as connection:
        await add_suppressions(connection, account.id, ["gone@far.test"], office.clock.now())
    receipt = await office.intake.accept(order(make_standing(account), letter("a@x.test", "GONE@far.test", "b@x.test")))
    assert [state for _, state in receipt.placed[0].recipients] == [State.QUEUED, State.SUPPRESSED, State.QUEUED]
    assert receipt.usage.used == 2
    (await read_ledger(database, account.id)).check()


async def test_test_mode_costs_nothing_and_needs_no_plan(office, new_account, database):
    account = await new_account(1)
    standing = make_standing(account, 0, test=True, plan=None)
    receipt = await office.intake.accept(order(standing, *letters(5)))
    assert {placed.recipients[0][1] for placed in receipt.placed} == {State.QUEUED}
    assert receipt.usage is None
    assert (await read_ledger(database, account.id)).spends == {}


async def test_what_is_scheduled_costs_nothing_yet(office, new_account, database):
    account = await new_account(1)
    moment = office.clock.moment + timedelta(hours=5)
    receipt = await office.intake.accept(order(make_standing(account), *letters(3, scheduled_at=moment)))
    assert {(one.held_by, one.estimated_send_at) for one in receipt.placed} == {("schedule", moment)}
    assert (await read_ledger(database, account.id)).states == {"scheduled": 3}
    assert office.bell.rung == []


async def test_what_is_scheduled_for_the_past_leaves_now(office, new_account):
    account = await new_account(1)
    past = office.clock.moment - timedelta(seconds=1)
    receipt = await office.intake.accept(order(make_standing(account), letter(scheduled_at=past)))
    assert receipt.placed[0].recipients[0][1] is State.QUEUED


@pytest.mark.parametrize("changes", [{"plan": None}, {"suspended": True}])
async def test_an_account_that_may_not_send_is_refused(office, new_account, changes):
    account = await new_account()
    with pytest.raises(Forbidden) as caught:
        await office.intake.accept(order(make_standing(account, **changes)))
    assert caught.value.name == "restricted_api_key"


async def test_an_account_whose_plan_has_ended_unpaid_is_asked_to_come_again(office, new_account):
    """Who keeps mail and tries again (429, 452) loses nothing; a refusal for good would throw it away."""
    account = await new_account()
    with pytest.raises(LimitExceeded, match="ended unpaid") as caught:
        await office.intake.accept(order(make_standing(account, plan=None, lapsed=True)))
    assert (caught.value.limit, caught.value.permanent) == ("plan", False)


async def test_more_recipients_than_the_whole_hour_are_never_a_wait(office, new_account, database):
    account = await new_account(2)
    with pytest.raises(ValidationFailed) as caught:
        await office.intake.accept(
            order(make_standing(account), letter(), letter("a@x.test", "b@x.test", "c@x.test", place="/1"))
        )
    assert caught.value.faults[0].pointer == "/1/to"
    assert (await read_ledger(database, account.id)).deliveries == []


async def test_a_batch_that_must_leave_at_once_and_never_can_is_refused_for_good(office, new_account):
    standing = make_standing(await new_account(2))
    with pytest.raises(ValidationFailed):
        await office.intake.accept(order(standing, *letters(3, on_limit=OnLimit.REJECT)))


async def test_reject_is_told_to_the_second_when_to_come_back(office, new_account, database):
    account = await new_account(2)
    standing = make_standing(account)
    await office.intake.accept(order(standing))
    office.clock.advance(1000)
    await office.intake.accept(order(standing))
    office.clock.advance(500)
    with pytest.raises(LimitExceeded) as caught:
        await office.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT)))
    assert (caught.value.limit, caught.value.retry_after_seconds) == ("plan", 2100)
    assert len((await read_ledger(database, account.id)).deliveries) == 2
    office.clock.advance(2100)
    receipt = await office.intake.accept(order(standing, letter(on_limit=OnLimit.REJECT)))
    assert receipt.placed[0].recipients[0][1] is State.QUEUED


async def test_who_is_told_to_come_back_is_told_what_is_in_the_way(office, new_account):
    standing = make_standing(await new_account(3))

    async def refusal_of(*addresses: str) -> str:
        with pytest.raises(LimitExceeded) as caught:
            await office.intake.accept(order(standing, letter(*addresses, on_limit=OnLimit.REJECT)))
        return caught.value.message

    await office.intake.accept(order(standing, *letters(2)))
    words = "The plan's 3 emails an hour are used up but for 1, and more were asked for"
    assert await refusal_of("a@x.test", "b@x.test") == f"{words}; there is room again in 3600 seconds."
    await office.intake.accept(order(standing, *letters(2)))
    words = "The plan's 3 emails an hour are used up"
    assert await refusal_of("a@x.test") == f"{words}; there is room again in 3600 seconds."
    office.clock.advance(3600)
    words = "Other emails of this account wait for its hour (1), and go first"
    assert await refusal_of("a@x.test") == f"{words}; there is room again in 1 second."


async def test_a_rejected_order_takes_nothing_of_its_batch(office, new_account):
    account = await new_account(3)
    standing = make_standing(account)
    mixed = (*letters(2), *letters(2, on_limit=OnLimit.REJECT))
    await office.intake.accept(order(standing, letter(), letter()))
    with pytest.raises(LimitExceeded):
        await office.intake.accept(order(standing, *mixed))
    await office.intake.stop()  # the tokens are given back behind the answer
    receipt = await office.intake.accept(order(standing))
    assert (receipt.usage.used, receipt.usage.held) == (3, 0)


async def test_the_waiting_room_holds_a_day_of_the_plan(office, new_account):
    account = await new_account(1)
    standing = make_standing(account)
    await office.intake.accept(order(standing, *letters(25)))
    with pytest.raises(LimitExceeded) as caught:
        await office.intake.accept(order(standing))
    assert (caught.value.limit, caught.value.retry_after_seconds) == ("backlog", 3600)


async def test_the_same_key_and_body_get_the_same_ids_and_cost_nothing(office, second_office, new_account, database):
    account = await new_account(5)
    standing, mails = make_standing(account), letters(2)
    first = await office.intake.accept(order(standing, *mails, key="k"))
    for door in (office, second_office):
        again = await door.intake.accept(order(standing, *letters(2), key="k"))
        assert [one.email_id for one in again.placed] == [one.email_id for one in first.placed]
        assert again.replayed
    ledger = await read_ledger(database, account.id)
    assert (len(ledger.deliveries), sum(ledger.spends.values())) == (2, 2)


async def test_another_body_with_the_same_key_is_a_conflict(office, new_account):
    account = await new_account()
    standing = make_standing(account)
    await office.intake.accept(order(standing, key="k", body="one"))
    with pytest.raises(Conflict) as caught:
        await office.intake.accept(order(standing, key="k", body="two"))
    assert caught.value.name == "invalid_idempotent_request"


async def test_the_same_key_of_another_account_is_another_key(office, new_account):
    one, two = make_standing(await new_account()), make_standing(await new_account())
    receipts = await asyncio.gather(*(office.intake.accept(order(who, key="k")) for who in (one, two)))
    assert receipts[0].placed[0].email_id != receipts[1].placed[0].email_id


async def test_the_same_key_at_once_in_one_process_is_in_flight(office, new_account):
    standing = make_standing(await new_account())
    answers = await asyncio.gather(
        *(office.intake.accept(order(standing, key="k")) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(answer, IdempotencyInFlight) for answer in answers) == 2


async def test_the_same_key_at_once_in_two_processes_is_stored_once(office, second_office, new_account, database):
    account = await new_account(100)
    standing = make_standing(account)
    for _ in range(10):
        key = uuid4().hex
        receipts = await asyncio.gather(
            *(door.intake.accept(order(standing, *letters(2), key=key)) for door in (office, second_office))
        )
        assert len({one.placed[0].email_id for one in receipts}) == 1
        assert sorted(one.replayed for one in receipts) == [False, True]
    ledger = await read_ledger(database, account.id)
    ledger.check()
    assert len(ledger.deliveries) == 20
    assert (await office.releaser.look(account.id)).is_true


async def test_a_crowd_in_two_processes_gets_the_plan_and_no_more(office, second_office, new_account, database):
    account = await new_account(50)
    standing = make_standing(account)
    doors = (office, second_office)
    receipts = await asyncio.gather(*(doors[n % 2].intake.accept(order(standing)) for n in range(120)))
    assert sum(one.placed[0].held_by is None for one in receipts) == 50
    ledger = await read_ledger(database, account.id)
    ledger.check()
    assert ledger.busiest_hour() == 50
    assert (await office.releaser.look(account.id)).is_true


async def test_what_a_deadlock_has_rolled_back_may_come_again(rounds):
    await rounds.post("a@x.test")
    body = "BEGIN RAISE deadlock_detected; END"
    await rounds.execute(f"CREATE FUNCTION lock_out() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    await rounds.execute("CREATE TRIGGER locked_out BEFORE INSERT ON emails EXECUTE FUNCTION lock_out()")
    with pytest.raises(ServiceUnavailable):
        await rounds.post("b@x.test")
    await rounds.execute("DROP TRIGGER locked_out ON emails")
    receipt = await rounds.office.intake.accept(order(make_standing(rounds.account), letter("b@x.test")))
    assert receipt.usage.used == 2
