"""What is looked at again when an email that waited may leave."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.changes import set_plan
from hourpost.domains.changes import delete_domain
from hourpost.flow import release
from tests.cast import make_domain
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, letters, make_standing, order

_FAIL = text("UPDATE domains SET status = 'failed' WHERE id = :id")


async def own_domain(database, account):
    return await make_domain(database, account, f"{uuid4().hex[:12]}.test")


@pytest.mark.parametrize("fate", ["deleted", "failed", "taken"])
@pytest.mark.parametrize("gone", ["from", "envelope"])
async def test_nothing_leaves_from_a_domain_that_was_lost_while_it_waited(office, new_account, database, fate, gone):
    account = await new_account(10)
    lost, kept = await own_domain(database, account), await own_domain(database, account)
    senders = {"from_address": f"a@{kept.name}", "envelope_from": f'"x@y"@{kept.name}'}
    moment = office.clock.moment + timedelta(minutes=5)
    stays = letter(source="smtp", scheduled_at=moment, **senders)
    senders["from_address" if gone == "from" else "envelope_from"] = f"b@{lost.name}"
    ends = letter(source="smtp", scheduled_at=moment, **senders)
    notice = letter(source="smtp", scheduled_at=moment, from_address=f"c@{kept.name}", envelope_from="")
    for one in (ends, stays, notice):
        await office.intake.accept(order(make_standing(account), one))
    async with database.transaction() as connection:
        if fate == "failed":
            await connection.execute(_FAIL, {"id": lost.id})
        else:
            await delete_domain(connection, account.id, lost.id, office.clock.now())
    if fate == "taken":
        await make_domain(database, await new_account(), lost.name)
    office.clock.advance(300)
    await office.releaser.come_due()
    await office.releaser.release(account.id)
    ledger = await read_ledger(database, account.id)
    ledger.check()
    assert [ledger.row(one.email_id).state for one in (ends, stays, notice)] == ["failed", "queued", "queued"]
    assert (await office.releaser.look(account.id)).is_true
    async with database.reading() as connection:
        query = text("SELECT detail ->> 'reason' FROM events WHERE email_id = :id AND kind = 'failed'")
        assert "not verified" in (await connection.execute(query, {"id": ends.email_id})).scalar_one()


async def test_what_goes_on_from_a_mailbox_is_from_somebody_else(office, new_account, database):
    account = await new_account(10)
    moment = office.clock.moment + timedelta(minutes=5)
    mail = letter(source="forward", from_address="anybody@far.test", scheduled_at=moment)
    await office.intake.accept(order(make_standing(account), mail))
    office.clock.advance(300)
    await office.releaser.come_due()
    assert (await read_ledger(database, account.id)).states == {"queued": 1}


async def test_what_has_waited_longest_leaves_first_whatever_came_in_between(office, new_account, database):
    account = await new_account(2)
    mails = [letter() for _ in range(6)]
    for mail in mails:
        await office.intake.accept(order(make_standing(account), mail))
        office.clock.advance(1)
    for left in (4, 6):
        office.clock.advance(3600)
        assert (await office.releaser.release(account.id)).released == 2
        ledger = await read_ledger(database, account.id)
        assert [ledger.row(mail.email_id).state for mail in mails] == ["queued"] * left + ["held"] * (6 - left)


async def test_a_turn_has_an_end_however_much_room_there_is(office, new_account, database, monkeypatch):
    monkeypatch.setattr(release, "TURN", 2)
    account = await new_account(1)
    await office.intake.accept(order(make_standing(account), *letters(6)))
    async with database.transaction() as connection:
        await set_plan(connection, account.id, "path", 100)
    turns = [await office.releaser.release(account.id) for _ in range(4)]
    assert turns == [release.Turn(2, 0.0), release.Turn(2, 0.0), release.Turn(1, 0.0), release.Turn(0, None)]
