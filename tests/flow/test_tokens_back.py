"""Which tokens come back: those of what has surely not left, on whatever way it came there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hourpost.emails.changes import cancel_email
from hourpost.emails.hour import give_back
from hourpost.flow import verdict as verdicts
from hourpost.flow.claim import mark_dots
from hourpost.flow.record import record
from hourpost.gateways.relays import Outcome, Postponed
from hourpost.gateways.relays.outcome import Stage
from hourpost.suppressions.changes import add_suppressions
from tests.cast import make_account
from tests.flow.letters import letter, make_standing, order
from tests.flow.test_leases import die, lease, sweep

LOST = {"lost", "crash after the dot"}
STEP = st.sampled_from(["answered", "lost", "withdrawn", "no relay", "crash before the dot", "crash after the dot"])
SCRIPT = st.tuples(
    st.lists(STEP, max_size=4).filter(lambda steps: sum(step.startswith("crash") for step in steps) < 2),
    st.sampled_from(["cancel", "suppress", "send"]),
)


class Story:
    """Some deliveries, each with what its tries come to, and how it ends."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.scripts = {}

    async def tell(self, scripts):
        self.rounds.account = await make_account(self.rounds.database)
        for number, (steps, end) in enumerate(scripts):
            email_id = await self.rounds.post(f"a{number}@x.test")
            self.scripts[email_id] = (list(steps), end, f"a{number}@x.test")
        for number in range(6):
            await self.end(number)
            await self.tries(number)
            self.rounds.clock.advance(7 * 3600)

    async def end(self, number):
        over = [
            (email_id, end, address) for email_id, (steps, end, address) in self.scripts.items() if len(steps) == number
        ]
        now = self.rounds.clock.now()
        async with self.rounds.database.transaction() as connection:
            addresses = [address for _, end, address in over if end == "suppress"]
            await add_suppressions(connection, self.rounds.account.id, addresses, now)
        for email_id, end, _ in over:
            if end == "cancel":
                async with self.rounds.database.transaction() as connection:
                    given = await cancel_email(connection, self.rounds.account.id, email_id, now)
                await give_back(self.rounds.office.hour, self.rounds.database, given)

    async def tries(self, number):
        worker, emails = await lease(self.rounds)
        steps = {email: (*self.scripts[email.email_id][0], "send")[number] for email in emails}
        dotted = [email.keys[0] for email, step in steps.items() if step in LOST]
        now = self.rounds.clock.now()
        found = [self.verdict(email, step, now) for email, step in steps.items() if not step.startswith("crash")]
        async with self.rounds.database.hot_transaction() as connection:
            await mark_dots(connection, worker, dotted, now)
            await record(connection, worker, found, now)
        await die(self.rounds, worker)
        await sweep(self.rounds)

    def verdict(self, email, step, now):
        (recipient,) = email.recipients
        if recipient.is_suppressed:
            return verdicts.suppressed(email, recipient, now)
        if step == "no relay":
            return verdicts.of_postponed(email, recipient, Postponed("relay", 1.0, "away"), now, 0.0)
        code = {"answered": 451, "send": 250}.get(step)
        words = (Stage.DOT, code, None, "words", 0.0, 0.0)
        outcome = Outcome(recipient.address, "r", *words, answer_lost=step == "lost", withdrawn=step == "withdrawn")
        return verdicts.of_outcome(email, recipient, outcome, now, 0.0)

    def judge(self, ledger):
        ledger.check()
        ends = {"cancel": "canceled", "suppress": "suppressed", "send": "sent"}
        for email_id, (steps, end, _) in self.scripts.items():
            row = ledger.row(email_id)
            assert row.state == ends[end]
            may_have_left = end == "send" or LOST.intersection(steps)
            assert (row.released_at is not None) == bool(may_have_left), (steps, end)


@settings(
    max_examples=6,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(scripts=st.lists(SCRIPT, min_size=20, max_size=30))
async def test_a_token_comes_back_of_what_has_surely_not_left_and_of_nothing_else(rounds, scripts):
    story = Story(rounds)
    await story.tell(scripts)
    story.judge(await rounds.until(lambda _: True))


async def test_what_may_have_left_still_counts_when_it_is_canceled(rounds):
    email_id = await rounds.post("drop-after-dot@x.test", "b@x.test")
    await rounds.round()
    async with rounds.database.transaction() as connection:
        given = await cancel_email(connection, rounds.account.id, email_id, rounds.clock.now())
    ledger = await rounds.until(lambda _: True)
    ledger.check()
    assert (ledger.states, given.tokens, sum(ledger.spends.values())) == ({"canceled": 2}, (), 2)


@pytest.mark.parametrize("test", [False, True])
async def test_an_address_that_is_suppressed_while_it_was_scheduled_is_not_sent_to(rounds, test):
    moment = rounds.clock.now() + timedelta(hours=1)
    email_id = await rounds.post("a@x.test", "B@x.test", scheduled_at=moment, test=test)
    await suppress(rounds, "b@x.test")
    rounds.clock.advance(3600)
    await rounds.office.releaser.come_due()
    ledger = await rounds.round()
    ledger.check()
    assert [ledger.row(email_id, position).state for position in (0, 1)] == ["sent", "suppressed"]


async def test_an_address_that_is_suppressed_between_two_tries_is_not_sent_to_again(rounds):
    email_id = await rounds.post("defer+451@x.test", "b@x.test")
    assert (await rounds.round()).row(email_id).state == "deferred"
    await suppress(rounds, "defer+451@x.test")
    rounds.clock.advance(3600)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "suppressed")
    ledger.check()
    assert ledger.events[email_id, 0] == ["queued", "deferred", "suppressed"]
    assert (sum(ledger.spends.values()), len(await rounds.attempts(email_id))) == (1, 2)


async def test_a_token_that_came_back_is_there_for_the_next_one_at_once(rounds):
    email_id = await rounds.post("defer+451@x.test", "b@x.test")
    assert (await rounds.round()).row(email_id).state == "deferred"
    await suppress(rounds, "defer+451@x.test")
    rounds.clock.advance(600)
    await rounds.until(lambda now: now.row(email_id).state == "suppressed")
    receipt = await rounds.office.intake.accept(order(make_standing(rounds.account), letter("c@x.test")))
    assert receipt.usage.used == 2


async def suppress(rounds, address):
    async with rounds.database.transaction() as connection:
        await add_suppressions(connection, rounds.account.id, [address], rounds.clock.now())


async def test_a_delivery_that_stumbles_after_its_dot_may_have_left(rounds):
    class Stumbling:
        """Relays that hand over, and raise what nobody expects."""

        def __init__(self, relays):
            self._relays = relays

        async def send(self, *arguments):
            await self._relays.send(*arguments)
            raise RuntimeError("as never before")

    email_id = await rounds.post("a@x.test")
    courier = rounds.start()
    courier._relays = Stumbling(courier._relays)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "deferred")
    assert ledger.events[email_id, 0] == ["queued", "unknown"]


async def test_another_delivery_of_the_email_that_is_done_says_nothing_of_its_dot(rounds):
    class Stumbling:
        """Relays that hand over to the first recipient, and raise when the second has been handed over to."""

        def __init__(self, relays):
            self._relays = relays

        async def send(self, envelope, *arguments):
            found = await self._relays.send(envelope, *arguments)
            if envelope.recipients == ("b@x.test",):
                return found
            await rounds.execute("UPDATE deliveries SET due_at = :now WHERE position = 1", now=rounds.clock.now())
            courier.hint([email_id])
            await rounds.until(lambda now: now.row(email_id, 1).state == "sent")
            raise RuntimeError("as never before")

    email_id = await rounds.post("a@x.test", "b@x.test")
    await rounds.execute("UPDATE deliveries SET due_at = 'infinity' WHERE position = 1")
    courier = rounds.start()
    courier._relays = Stumbling(courier._relays)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "deferred")
    assert ledger.events[email_id, 0] == ["queued", "unknown"]
