"""What is queued or deferred when its sender's domain is lost, on whatever way: nothing of it leaves any more."""

from __future__ import annotations

import pytest

from hourpost.domains.changes import MISSING_FOR, Findings, delete_domain, record_findings
from hourpost.flow.verdict import NOT_VERIFIED
from tests.cast import make_account, make_domain
from tests.flow.letters import letters, make_standing, order


@pytest.fixture
async def domain(rounds):
    rounds.account = await make_account(rounds.database)
    return await make_domain(rounds.database, rounds.account)


def senders(domain, source="api"):
    return {"source": source, "from_address": f"a@{domain.name}", "envelope_from": f"b@{domain.name}"}


async def lose(rounds, domain):
    async with rounds.database.transaction() as connection:
        await delete_domain(connection, rounds.account.id, domain.id, rounds.clock.now())


async def lose_proof(rounds, domain):
    """As the last of three days' checks does it."""
    for at in (rounds.clock.now() - MISSING_FOR, rounds.clock.now()):
        async with rounds.database.transaction() as connection:
            findings = Findings(owned=False, signs=False)
            await record_findings(connection, rounds.account.id, domain.id, findings, at)


async def test_a_thousand_queued_emails_of_a_domain_that_is_lost_all_end_and_their_tokens_come_back(rounds, domain):
    kept = await make_domain(rounds.database, rounds.account)
    for chunk in (letters(900, **senders(domain)), letters(50, **senders(kept))):
        await rounds.office.intake.accept(order(make_standing(rounds.account), *chunk))
    await lose(rounds, domain)
    forwarded = await rounds.post("f@far.test", **senders(domain, "forward"))
    ledger = await rounds.round()
    ledger.check()
    assert ledger.states == {"failed": 900, "sent": 51}
    assert ledger.row(forwarded).state == "sent"
    assert (len(rounds.far_end.taken), sum(ledger.spends.values())) == (51, 51)


@pytest.mark.parametrize("way", [lose, lose_proof])
async def test_what_was_deferred_ends_at_once_and_not_at_its_next_moment(rounds, domain, way):
    email_id = await rounds.post("defer+451@x.test", **senders(domain))
    other = await rounds.post("defer+451@x.test")
    await rounds.round()
    await way(rounds, domain)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "failed")
    ledger.check()
    assert ledger.row(other).state == "deferred"
    assert len(await rounds.attempts(email_id)) == 1  # what was not tried is no attempt


async def test_an_order_that_was_under_way_while_its_domain_was_lost_ends_too_and_says_why(rounds, domain):
    await lose(rounds, domain)
    email_id = await rounds.post("a@far.test", **senders(domain, "smtp"))
    ledger = await rounds.round()
    assert ledger.events[email_id, 0] == ["queued", "failed"]
    async with rounds.database.reading() as connection:
        said = await connection.exec_driver_sql("SELECT detail ->> 'reason' FROM events WHERE kind = 'failed'")
        assert said.scalar_one() == NOT_VERIFIED
    assert rounds.far_end.taken == []
