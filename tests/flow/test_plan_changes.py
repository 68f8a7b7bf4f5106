"""What a plan that ends, comes back or changes makes of mail: nothing is lost, and the hour is never reset."""

from __future__ import annotations

from hourpost.billing.changes import write_entitlement
from hourpost.rules.subscriptions import Entitlement
from tests.flow.ledger import read_ledger
from tests.flow.letters import letters, make_standing, order

PAID = Entitlement("path", "active", None, "sub_1")
ENDED = Entitlement(None, "unpaid", None, "sub_1")


async def become(database, account_id, before, after, now):
    async with database.transaction() as connection:
        await write_entitlement(connection, account_id, before, after, now)


async def test_what_is_on_its_way_when_the_plan_ends_waits_and_leaves_when_it_is_paid(rounds):
    email_id = await rounds.post("a@x.test")
    account_id = rounds.account.id
    await become(rounds.database, account_id, PAID, ENDED, rounds.clock.now())
    row = (await rounds.round()).row(email_id)
    assert (row.state, row.waits_for, rounds.far_end.taken) == ("deferred", "account", [])
    await become(rounds.database, account_id, ENDED, PAID, rounds.clock.now())
    await rounds.until(lambda now: now.row(email_id).state == "sent")  # at once, without waiting for its next look


async def test_what_is_held_when_the_plan_ends_stays_held_and_is_released_by_the_next_one(
    office, new_account, database
):
    account = await new_account(2)
    await office.intake.accept(order(make_standing(account), *letters(5)))
    await become(database, account.id, PAID, ENDED, office.clock.now())
    office.clock.advance(3700)
    assert (await office.releaser.release(account.id)).released == 0
    assert (await read_ledger(database, account.id)).count("held") == 3
    await become(database, account.id, ENDED, PAID, office.clock.now())
    await office.releaser.release(account.id)
    assert (await read_ledger(database, account.id)).count("held") == 1  # two an hour, as before: its limit is its own


async def test_a_larger_plan_re_paces_what_waits_at_once_and_counts_what_was_used(office, new_account, database):
    account = await new_account(2)
    async with database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE accounts SET own_limit = NULL WHERE id = $1", (account.id,))
    await office.intake.accept(order(make_standing(account, limit=1000), *letters(1000)))
    await office.intake.accept(order(make_standing(account, limit=1000), *letters(600)))
    assert (await read_ledger(database, account.id)).count("held") == 600
    await become(database, account.id, PAID, Entitlement("normal", "active", None, "sub_1"), office.clock.now())
    while (turn := await office.releaser.release(account.id)).wait_seconds == 0.0:
        pass
    ledger = await read_ledger(database, account.id)
    assert (ledger.count("held"), ledger.busiest_hour()) == (100, 1500)
    assert turn.wait_seconds is not None
    assert 3590 < turn.wait_seconds <= 3610


async def test_a_smaller_plan_gives_nothing_back_and_waits_until_there_is_room(office, new_account, database):
    account = await new_account(2)
    async with database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE accounts SET own_limit = NULL WHERE id = $1", (account.id,))
    await office.intake.accept(order(make_standing(account, limit=1500), *letters(1200)))
    await become(database, account.id, Entitlement("normal", "active", None, "sub_1"), PAID, office.clock.now())
    receipt = await office.intake.accept(order(make_standing(account, limit=1000), *letters(1)))
    assert receipt.placed[0].held_by == "plan"
    assert (await office.releaser.release(account.id)).released == 0
    assert (await read_ledger(database, account.id)).busiest_hour() == 1200
