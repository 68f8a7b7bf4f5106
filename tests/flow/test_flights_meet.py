"""Flights of two processes: orders at one moment, with suppressed recipients, used keys and poison, in a small hour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import asyncpg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hourpost.errors import Conflict, IdempotencyInFlight, LimitExceeded, ServiceUnavailable, ValidationFailed
from hourpost.rules.submission import OnLimit
from hourpost.suppressions.changes import add_suppressions
from tests.flow.ledger import read_ledger
from tests.flow.letters import letter, make_standing, order

GONE = "gone@far.test"
MAILS = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(OnLimit)).filter(lambda mail: mail[0] or mail[1]),
    min_size=1,
    max_size=3,
)
ORDER = st.tuples(
    st.integers(0, 1),  # the door
    st.booleans(),  # the account
    MAILS,
    st.sampled_from([None, None, "k", "l"]),
    st.sampled_from(["body", "body", "other"]),
    st.sampled_from(["whole", "whole", "partial", "large", "poison"]),
)
STEPS = st.lists(
    st.tuples(st.lists(ORDER, min_size=1, max_size=8), st.sampled_from([0, 1, 3601])), min_size=2, max_size=5
)


@dataclass
class Meeting:
    """Two accounts at two doors; after each step everybody has an answer, and the rows are judged."""

    offices: list
    accounts: list
    limit: int
    answers: dict = field(default_factory=dict)  # the emails that each key stands for

    async def step(self, orders, seconds):
        await asyncio.gather(*(self.post(*one) for one in orders))
        for office in self.offices:
            await office.intake.stop()
        for account in self.accounts:
            await self.judge(account)
        self.offices[0].clock.advance(seconds)
        for account in self.accounts:  # what waited leaves first, as ever
            await self.offices[0].releaser.release(account.id)

    async def post(self, door, which, mails, key, body, kind):
        account, before = self.accounts[which], set(self.answers)
        made = [self.letter(*mail, kind) for mail in mails]
        if kind == "large":
            made += [letter(GONE, on_limit=mails[0][2]) for _ in range(20)]
        ordered = order(make_standing(account, self.limit), *made, key=key and f"{key}{kind}", body=body)
        if kind == "partial":
            places = {mail.email_id: place for place, mail in enumerate(made)}
            ordered = replace(
                ordered, tell=lambda mail, error: {"index": places[mail.email_id], "code": type(error).__name__}
            )
        try:
            receipt = await asyncio.wait_for(self.offices[door].intake.accept(ordered), 30)
        except (ValidationFailed, Conflict, IdempotencyInFlight, LimitExceeded) as error:
            if isinstance(error, LimitExceeded) and key:
                assert (account.id, ordered.idempotency_key) not in before
            return
        except ServiceUnavailable:  # the other process has filled the bucket anew at each try: come again
            assert any(mode is OnLimit.REJECT for _, _, mode in mails)
            return
        except asyncpg.PostgresError:
            assert kind == "poison"
            return
        self.judge_receipt(account, ordered, receipt)

    def letter(self, count, is_gone, mode, kind):
        to = [f"{n}@far.test" for n in range(count)] + ["Gone@far.test"] * is_gone
        return letter(*to, on_limit=mode, subject="\x00" if kind == "poison" else "hello")

    def judge_receipt(self, account, ordered, receipt):
        for placed in receipt.placed:
            for address, state in placed.recipients:
                assert (state == "suppressed") == (address.lower() == GONE), (address, state)
        if ordered.idempotency_key:
            ids = [one.email_id for one in receipt.placed]
            known = self.answers.setdefault((account.id, ordered.idempotency_key), ids)
            assert known == ids

    async def judge(self, account):
        database, releaser = self.offices[0].database, self.offices[1].releaser
        ledger = await read_ledger(database, account.id)
        ledger.check()
        assert ledger.busiest_hour() <= self.limit
        look = await releaser.look(account.id)
        assert look.is_true
        if look.has_room:  # they met where it was full: one gave back what another had not found
            await releaser.release(account.id)
            look = await releaser.look(account.id)
            assert look.is_true
            assert not look.has_room


@settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(limit=st.integers(4, 12), steps=STEPS)
async def test_flights_of_two_processes_keep_the_hour(office, second_office, new_account, limit, steps):
    accounts = [await new_account(limit) for _ in range(2)]
    async with office.database.transaction() as connection:
        for account in accounts:
            await add_suppressions(connection, account.id, [GONE], office.clock.now())
    meeting = Meeting([office, second_office], accounts, limit)
    for orders, seconds in steps:
        await meeting.step(orders, seconds)
