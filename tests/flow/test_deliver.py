"""Deliver: what each recipient becomes by what the relay says, and what its rows then hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bench.sink_state import Fault
from hourpost.flow import deliver
from hourpost.flow.claim import claim, enrol
from hourpost.gateways.relays import Outcome, Postponed, Stage
from hourpost.gateways.relays.pool import RelayPool
from hourpost.rules.ids import new_id


class Relay:
    """Relays that say the same to everybody."""

    def __init__(self, answer):
        self._answer = answer

    async def send(self, *_):
        return self._answer


class Counting(Relay):
    """Relays that count how often they are asked."""

    asked = 0

    async def send(self, *arguments):
        self.asked += 1
        return await super().send(*arguments)


async def test_an_email_is_sent_and_every_fact_is_kept(rounds):
    email_id = await rounds.post("a@far.test")
    ledger = await rounds.round()
    ledger.check()
    assert ledger.events[email_id, 0] == ["queued", "sent"]
    row = ledger.row(email_id)
    assert (row.state, row.lease, row.dot_at, row.attempts, row.crashes) == ("sent", None, None, 1, 0)
    (attempt,) = await rounds.attempts(email_id)
    assert (attempt.number, attempt.outcome, attempt.stage, attempt.code) == (1, "sent", "dot", 250)
    assert rounds.far_end.taken == [(f"<{email_id.hex}@acme.test>", "a@far.test")]


async def test_each_recipient_of_one_email_has_its_own_fate(rounds):
    email_id = await rounds.post("a@x.test", "bounce+550@x.test", "defer+451@x.test", "b@x.test")
    ledger = await rounds.round()
    ledger.check()
    assert [ledger.row(email_id, n).state for n in range(4)] == ["sent", "bounced", "deferred", "sent"]
    assert ledger.row(email_id, 2).due_at == rounds.clock.now() + timedelta(minutes=1)
    assert [attempt.code for attempt in await rounds.attempts(email_id)] == [250, 550, 451, 250]
    assert [recipient for _, recipient in rounds.far_end.taken] == ["a@x.test", "b@x.test"]


async def test_what_its_sender_wants_to_hear_goes_to_the_relay(rounds, monkeypatch):
    heard, send = [], RelayPool.send

    async def listen(pool, envelope, *rest):
        heard.append(envelope)
        return await send(pool, envelope, *rest)

    monkeypatch.setattr(RelayPool, "send", listen)
    wishes = {"ret": "HDRS", "envid": "a", "recipients": {"a@far.test": {"notify": ["NEVER"], "orcpt": None}}}
    await rounds.post("a@far.test", "b@far.test", parts={"to": [], "dsn": wishes})
    await rounds.post("c@far.test")
    await rounds.round()
    assert sorted((one.wishes.ret, one.wishes.envid, dict(one.wishes.notify)) for one in heard) == [
        ("", "", {}),
        ("HDRS", "a", {"a@far.test": "NEVER"}),
    ]


@pytest.mark.parametrize(
    ("recipient", "state", "event"),
    [
        ("dot+554@x.test", "bounced", "bounced"),
        ("dot+451@x.test", "deferred", "deferred"),
        ("drop-at-rcpt@x.test", "deferred", "deferred"),
        ("drop-after-dot@x.test", "deferred", "unknown"),
        ("drop-after-data@x.test", "deferred", "unknown"),  # so short that its dot was in the same packet
        ("drop-before-answer@x.test", "deferred", "unknown"),
    ],
)
async def test_a_fault_of_the_relay_comes_out_as_what_it_is(rounds, recipient, state, event):
    email_id = await rounds.post(recipient)
    ledger = await rounds.round()
    assert ledger.row(email_id).state == state
    assert ledger.events[email_id, 0] == ["queued", event]
    assert len(await rounds.attempts(email_id)) == 1


async def test_a_relay_that_takes_nothing_at_all_is_what_is_waited_for_and_not_a_destination(rounds):
    rounds.far_end.sink.config.faults["mail"] = Fault("452 4.3.1 no space", 1)
    rounds.far_end.sink.config.faults["rcpt"] = Fault("452 4.2.2 mailbox full", 1)
    full = await rounds.post("a@x.test")
    await rounds.round()
    picky = await rounds.post("b@x.test")
    ledger = await rounds.round()
    assert (ledger.row(full).waits_for, ledger.row(picky).waits_for) == ("relay", "destination")


async def test_an_answer_that_does_not_come_is_a_lost_one(rounds):
    rounds.timeouts = replace(rounds.timeouts, dot=1)
    email_id = await rounds.post("hang-after-dot@x.test")
    ledger = await rounds.round()
    assert ledger.row(email_id).state == "deferred"
    assert ledger.events[email_id, 0] == ["queued", "unknown"]


async def test_a_lost_answer_is_sent_again_after_the_long_wait(rounds):
    email_id = await rounds.post("drop-after-dot@x.test")
    ledger = await rounds.round()
    assert ledger.row(email_id).due_at == rounds.clock.now() + timedelta(minutes=10)
    rounds.clock.advance(599)
    assert (await rounds.round()).row(email_id).attempts == 1
    rounds.clock.advance(1)
    assert (await rounds.until(lambda now: now.row(email_id).attempts == 2)).row(email_id).attempts == 2


async def test_a_lost_answer_is_parked_where_the_account_asks_for_at_most_once(rounds):
    await rounds.post("first@x.test")
    await rounds.execute("UPDATE accounts SET unknown_policy = 'park'")
    email_id = await rounds.post("drop-after-dot@x.test")
    ledger = await rounds.round()
    ledger.check()
    assert ledger.row(email_id).state == "unknown"


async def test_what_is_deferred_is_tried_again_when_it_is_due(rounds):
    rounds.far_end.sink.config.faults["mail"] = Fault("451", 2)
    email_id = await rounds.post("a@x.test")
    for wait in (60, 300):
        ledger = await rounds.round()
        assert ledger.row(email_id).due_at == rounds.clock.now() + timedelta(seconds=wait)
        rounds.clock.advance(wait)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "sent")
    ledger.check()
    assert ledger.events[email_id, 0] == ["queued", "deferred", "deferred", "sent"]
    assert [attempt.number for attempt in await rounds.attempts(email_id)] == [1, 2, 3]


async def test_a_failure_after_three_days_of_trying_expires_it(rounds):
    email_id = await rounds.post("defer+451@x.test")
    await rounds.round()
    rounds.clock.advance(72 * 3600 - 61)
    ledger = await rounds.round()
    assert ledger.row(email_id).due_at == ledger.row(email_id).released_at + timedelta(hours=72)  # the last one
    rounds.clock.advance(61)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "expired")
    assert ledger.events[email_id, 0] == ["queued", "deferred", "deferred", "expired"]


async def test_three_days_count_from_its_moment_not_from_its_acceptance(rounds):
    moment = rounds.clock.now() + timedelta(days=20)
    email_id = await rounds.post("defer+451@x.test", scheduled_at=moment)
    rounds.clock.advance(20 * 86_400)
    await rounds.office.releaser.come_due()
    ledger = await rounds.round()
    ledger.check()
    assert ledger.row(email_id).state == "deferred"


async def test_three_days_are_those_of_each_recipient_though_others_of_the_email_leave_later(rounds):
    email_id = await rounds.post("defer+451@x.test")
    await rounds.round()
    moment = rounds.clock.now() + timedelta(days=20)  # to which others, which were held, have been moved
    await rounds.execute("UPDATE emails SET scheduled_at = :moment", moment=moment)
    rounds.clock.advance(72 * 3600)
    assert (await rounds.round()).row(email_id).state == "expired"


async def test_what_outlived_its_expiry_is_not_sent(rounds):
    email_id = await rounds.post("a@x.test", expires_at=rounds.clock.now() + timedelta(minutes=5))
    rounds.clock.advance(300)
    ledger = await rounds.round()
    ledger.check()
    assert (ledger.row(email_id).state, rounds.far_end.taken) == ("expired", [])


async def test_an_email_whose_content_is_missing_is_parked(rounds):
    email_id = await rounds.post("a@x.test")
    await rounds.execute("DELETE FROM content_chunks")
    ledger = await rounds.round()
    ledger.check()
    assert (ledger.row(email_id).state, ledger.row(email_id).attempts) == ("failed", 0)


async def test_thirty_megabytes_arrive_whole(rounds):
    content = b"Subject: large\r\nMessage-ID: <large@acme.test>\r\n\r\n" + (b"x" * 76 + b"\r\n") * 400_000
    email_id = await rounds.post("a@x.test", content=content)
    small = await rounds.post("b@x.test")
    ledger = await rounds.round()
    assert ledger.row(email_id).state == ledger.row(small).state == "sent"
    assert rounds.far_end.sink.stats.bytes > 31_000_000


async def test_a_bad_address_is_suppressed_and_a_refusal_for_another_reason_is_not(rounds):
    rounds.far_end.sink.config.faults["rcpt"] = Fault("550 5.1.1 no such user", 1)
    email_id = await rounds.post("Gone@X.test")
    await rounds.round()
    await rounds.post("bounce+550@x.test")
    ledger = await rounds.round()
    assert ledger.states == {"bounced": 2}
    query = text("SELECT address, reason, email_id FROM suppressions")
    async with rounds.database.reading() as connection:
        rows = (await connection.execute(query)).all()
    assert rows == [("gone@x.test", "bounce", email_id)]


@pytest.mark.parametrize("stage", ["mail", "data", "dot"])
@pytest.mark.parametrize("words", ["550 5.1.1 no such user", "550 account disabled", "550 mailbox disabled"])
async def test_what_is_said_of_the_sender_or_of_all_recipients_suppresses_nobody(rounds, stage, words):
    rounds.far_end.sink.config.faults[stage] = Fault(words, 1)
    await rounds.post("a@x.test", "b@x.test")
    assert (await rounds.round()).states == {"bounced": 2}
    async with rounds.database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM suppressions"))).scalar_one() == 0


@pytest.mark.parametrize(("stage", "event", "minutes"), [("rcpt", "deferred", 1), ("dot", "unknown", 10)])
async def test_what_a_relay_leaves_open_when_a_worker_stops_is_no_crash(rounds, monkeypatch, stage, event, minutes):
    monkeypatch.setattr(deliver, "_LET_END_SECONDS", 0.1)
    monkeypatch.setattr(deliver, "_CUT_SECONDS", 0.1)
    rounds.far_end.sink.config.faults[stage] = Fault("hang", 1)
    email_id = await rounds.post("a@x.test")
    rounds.start()
    sink = rounds.far_end.sink
    await rounds.until(lambda ledger: ledger.row(email_id).state == "sending" and not sink.config.faults[stage].times)
    await rounds.stop()
    ledger = await rounds.until(lambda _: True)
    row = ledger.row(email_id)
    assert (row.state, row.crashes, row.lease) == ("deferred", 0, None)
    assert ledger.events[email_id, 0] == ["queued", event]
    assert row.due_at == rounds.clock.now() + timedelta(minutes=minutes)
    (attempt,) = await rounds.attempts(email_id)
    assert (attempt.stage, attempt.code) == (stage, None)


@pytest.mark.parametrize(
    ("content", "is_ascii"),
    [
        (b"X: a\r\n\r\n\xc3\xbc\r\n", True),
        (b"X: \xc3\xbc\r\n\r\na\r\n", False),
        (b"X: \xc3\xbc\r\n", False),
    ],
)
def test_a_header_is_ascii_with_or_without_a_body_behind_it(content, is_ascii):
    assert deliver._has_ascii_header(content) is is_ascii


async def test_a_test_email_goes_the_whole_way_but_the_last_step(rounds):
    email_id = await rounds.post("a@x.test", test=True)
    ledger = await rounds.round()
    ledger.check()
    assert (ledger.row(email_id).state, rounds.far_end.taken) == ("sent", [])
    assert (await rounds.attempts(email_id))[0].relay == "test"


async def test_a_test_email_comes_to_the_end_that_its_address_asks_for(rounds):
    names = ("delivered", "Bounced", "complained+7", "suppressed", "deferred", "anybody")
    email_id = await rounds.post(*[f"{name}@shop.test" for name in names], "bounced@far.net", test=True)
    ledger = await rounds.round()
    told = [ledger.events[email_id, position][1:] for position in range(7)]  # all began as queued
    assert told == [
        ["sent", "delivered"],
        ["bounced"],
        ["sent", "complained"],
        ["suppressed"],
        ["deferred"],
        ["sent"],
        ["sent"],
    ]
    rounds.clock.advance(60)
    ledger = await rounds.until(lambda now: now.row(email_id, 4).state == "sent")
    assert ledger.events[email_id, 4][1:] == ["deferred", "sent"]
    assert rounds.far_end.taken == []
    async with rounds.database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM suppressions"))).scalar_one() == 0


async def test_a_live_email_to_such_an_address_leaves_as_any_other(rounds):
    await rounds.post("bounced@shop.test")
    ledger = await rounds.round()
    assert (ledger.states, len(rounds.far_end.taken)) == ({"sent": 1}, 1)


async def test_a_suspended_account_waits(rounds):
    email_id = await rounds.post("a@x.test")
    await rounds.execute("UPDATE accounts SET suspended_at = now()")
    ledger = await rounds.round()
    assert (ledger.row(email_id).state, ledger.row(email_id).waits_for) == ("deferred", "account")
    await rounds.execute("UPDATE accounts SET suspended_at = NULL")
    rounds.clock.advance(600)
    await rounds.until(lambda now: now.row(email_id).state == "sent")


async def test_a_relay_that_is_away_costs_no_attempt(rounds):
    await rounds.far_end.sink.stop()
    email_id = await rounds.post("a@x.test")
    rounds.start()
    ledger = await rounds.until(lambda now: now.row(email_id).state == "deferred")
    row = ledger.row(email_id)
    assert (row.waits_for, row.attempts) == ("relay", 0)


@pytest.mark.parametrize(("emails", "is_away", "seconds"), [(3, True, 2.0), (60, True, 60.0), (60, False, 2.0)])
async def test_few_that_wait_for_a_relay_look_often_and_a_crowd_seldom(rounds, emails, is_away, seconds):
    """What is put off by relays that work, because they are busy or we stop, comes back when it was told to."""

    for number in range(emails):
        await rounds.post(f"a{number}@x.test")
    courier = rounds.start()
    courier._relays = Relay(Postponed("relay", 2.0, "away", is_away=is_away))
    ledger = await rounds.until(lambda now: now.count("deferred") == emails)
    pauses = [(row.due_at - rounds.clock.now()).total_seconds() for row in ledger.deliveries]
    assert max(pauses) == seconds


async def test_of_a_crowd_one_looks_often_whether_the_relay_is_back(rounds):
    for number in range(60):
        await rounds.post(f"a{number}@x.test")
    courier = rounds.start()
    courier._relays = Relay(Postponed("relay", 2.0, "away", is_away=True))
    ledger = await rounds.until(lambda now: now.count("deferred") == 60)
    pauses = Counter((row.due_at - rounds.clock.now()).total_seconds() for row in ledger.deliveries)
    assert pauses[2.0] >= 1
    assert pauses[60.0] >= 10


async def test_a_relay_that_answers_at_all_is_back(rounds):
    courier = rounds.start()
    courier._relays = Relay(Postponed("relay", 60.0, "gone", is_away=True))
    await rounds.post("a@x.test")
    await rounds.until(lambda now: now.count("deferred") == 1)
    assert courier._is_away
    courier._relays = Relay([Outcome("b@x.test", "r", Stage.MAIL, 450, "4.7.1", "not now", 0.0, 0.25)])
    await rounds.post("b@x.test")
    await rounds.until(lambda _: not courier._is_away)


@pytest.mark.parametrize("emails", [3, 130])
async def test_what_was_put_off_leaves_as_soon_as_a_relay_is_back(rounds, emails):
    """Also where it is more than the worker takes at once; nobody's clock is moved on."""
    ids = [await rounds.post(f"a{number}@x.test") for number in range(emails)]
    courier = rounds.start()
    pool, courier._relays = courier._relays, Relay(Postponed("relay", 900.0, "away", is_away=True))
    await rounds.until(lambda now: now.count("deferred") == emails)
    courier._relays = pool
    ids.append(await rounds.post("probe@x.test"))
    ledger = await rounds.until(lambda now: now.count("sent") == emails + 1)
    ledger.check()
    assert len(rounds.far_end.taken) == len(ids)


async def test_what_is_put_off_while_another_proves_the_relay_leaves_right_after_it(rounds):
    """Its verdict is written when the relay is back already."""

    class Probed:
        """Relays of which one is asked with the first message, and has the others put off meanwhile."""

        def __init__(self, pool):
            self._pool, self._asked, self._is_back = pool, 0, asyncio.Event()

        async def send(self, *arguments):
            self._asked += 1
            if self._asked == 1:
                await self._is_back.wait()
            elif not self._is_back.is_set():
                if self._asked == 5:
                    self._is_back.set()
                return Postponed("relay", 900.0, "away", is_away=True)
            return await self._pool.send(*arguments)

    for number in range(5):
        await rounds.post(f"a{number}@x.test")
    courier = rounds.start()
    courier._relays = Probed(courier._relays)
    (await rounds.until(lambda now: now.count("sent") == 5)).check()


async def test_what_a_relay_broke_off_at_keeps_its_own_pause(rounds):
    """What others learn of the relay does not bring it back; a worker that starts does, on settings that may be new."""
    broken = await rounds.post("a@x.test")
    courier = rounds.start()
    pool = courier._relays
    gone = Outcome("a@x.test", "r", Stage.RCPT, None, None, "connection closed", 0.0, 0.25)
    courier._relays = Relay([gone])
    await rounds.until(lambda now: now.row(broken).state == "deferred")
    courier._relays = Relay(Postponed("relay", 900.0, "away", is_away=True))
    put_off = await rounds.post("b@x.test")
    await rounds.until(lambda now: now.row(put_off).state == "deferred")
    courier._relays = pool
    await rounds.post("probe@x.test")
    ledger = await rounds.until(lambda now: now.count("sent") == 2 and not courier._wakes)
    row = ledger.row(broken)
    assert (row.state, row.waits_for, row.attempts) == ("deferred", "relay", 1)
    await rounds.stop()
    rounds.clock.advance(1)
    rounds.start()
    ledger = await rounds.until(lambda now: now.count("sent") == 3)
    assert ledger.row(broken).attempts == 2


async def test_a_worker_that_starts_asks_once_more_about_all_that_was_broken_off(rounds, monkeypatch):
    monkeypatch.setattr(deliver, "_CLAIM_AT_ONCE", 2)
    ids = [await rounds.post(f"a{number}@x.test") for number in range(5)]
    gone = Relay([Outcome("a@x.test", "r", Stage.RCPT, None, None, "connection closed", 0.0, 0.25)])
    rounds.start()._relays = gone
    await rounds.until(lambda now: now.count("deferred") == 5)
    await rounds.stop()
    rounds.clock.advance(1)
    courier = rounds.start()
    courier._relays = gone
    await rounds.until(lambda now: not courier._wakes and [row.attempts for row in now.deliveries] == [2] * 5)
    await rounds.until(lambda now: now.count("deferred") == len(ids))


async def test_what_a_busy_relay_put_off_is_not_woken(rounds):
    await rounds.post("a@x.test")
    courier = rounds.start()
    pool, courier._relays = courier._relays, Relay(Postponed("relay", 900.0, "busy"))
    await rounds.until(lambda now: now.count("deferred") == 1)
    courier._relays = pool
    await rounds.post("b@x.test")
    ledger = await rounds.until(lambda now: now.count("sent") == 1)
    assert ledger.count("deferred") == 1
    assert not courier._wakes


async def test_two_couriers_never_claim_the_same(rounds):
    for number in range(60):
        await rounds.post(f"a{number}@x.test", f"b{number}@x.test")
    couriers = [rounds.start(), rounds.start()]
    for courier in couriers:
        courier.hint([])
    ledger = await rounds.round()
    ledger.check()
    assert len(rounds.far_end.taken) == len(set(rounds.far_end.taken)) == 120
    assert {row.attempts for row in ledger.deliveries} == {1}


async def test_hints_for_emails_with_many_recipients_are_all_followed(rounds):
    ids = [await rounds.post(*(f"r{n}@x.test" for n in range(30))) for _ in range(5)]
    worker = new_id()
    async with rounds.database.transaction() as connection:
        await enrol(connection, worker, "test", 30)
    async with rounds.database.hot_transaction() as connection:
        first = await claim(connection, worker, rounds.clock.now(), 40, ids)
        second = await claim(connection, new_id(), rounds.clock.now(), 40, None)
    assert sum(len(email.recipients) for email in first) == 40
    assert second == []  # nobody who is not among the workers leases anything


async def test_a_worker_that_starts_asks_the_relay_at_once_for_what_waits_for_it(rounds):
    """Its settings may have been corrected."""
    await rounds.post("a@x.test")
    courier = rounds.start()
    courier._relays = Relay(Postponed("relay", 300.0, "auth: 535 no", is_away=True))
    await rounds.until(lambda now: now.count("deferred") == 1)
    await rounds.stop()
    rounds.start()
    (await rounds.until(lambda now: now.count("sent") == 1)).check()


async def test_what_a_relay_refuses_to_be_asked_is_not_woken_over_and_over(rounds):
    for number in range(3):
        await rounds.post(f"a{number}@x.test")
    rounds.start()._relays = relay = Counting(Postponed("relay", 300.0, "auth: 535 no", is_away=True))
    await rounds.until(lambda now: now.count("deferred") == 3)
    await rounds.stop()
    courier = rounds.start()
    courier._relays = relay
    await rounds.until(lambda _: relay.asked >= 6)
    await rounds.until(lambda now: now.count("deferred") == 3)
    assert not courier._wakes
