"""Leases: who may send, and what becomes of the work of those that went away."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
import structlog
from sqlalchemy import text

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow import leases as leases_module
from hourpost.flow import logbook
from hourpost.flow.claim import claim, enrol, load_contents, mark_dots
from hourpost.flow.deliver import Courier, Pace
from hourpost.flow.leases import Leases
from hourpost.flow.record import record
from hourpost.flow.sweep import return_orphans, return_strays
from hourpost.flow.verdict import Try, Verdict
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id, to_text
from hourpost.webhooks.changes import create_webhook
from tests.cast import CIPHER


async def lease(rounds, *, worker=None, most=100):
    """What a worker that takes everything has in hand."""
    if worker is None:
        worker = new_id()
        async with rounds.database.transaction() as connection:
            await enrol(connection, worker, "dead", 30)
    async with rounds.database.hot_transaction() as connection:
        return worker, await claim(connection, worker, rounds.clock.now(), most, None)


async def die(rounds, worker):
    await rounds.execute("UPDATE workers SET leased_until = now() - interval '1 second' WHERE id = :id", id=worker)


async def sweep(rounds, grace_seconds=0):
    async with rounds.database.transaction() as connection:
        return await return_orphans(connection, rounds.clock.now(), grace_seconds)


def verdict_of(email, state=State.SENT, reply="2.0.0 taken"):
    attempt = Try("relay", "dot", 250, "2.0.0", reply, None, 0.1)
    return Verdict(email.email_id, 0, state, email.created_at, state.value, attempt=attempt)


async def test_what_a_dead_worker_had_in_hand_is_sent_by_another(rounds):
    email_id = await rounds.post("a@x.test")
    worker, _ = await lease(rounds)
    rounds.start()
    await asyncio.sleep(0.2)
    assert rounds.far_end.taken == []
    await die(rounds, worker)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "sent")
    ledger.check()
    assert ledger.events[email_id, 0] == ["queued", "queued", "sent"]
    assert ledger.row(email_id).crashes == 1


async def test_a_worker_whose_lease_ended_can_change_nothing(rounds):
    email_id = await rounds.post("a@x.test")
    worker, (email,) = await lease(rounds)
    await die(rounds, worker)
    await sweep(rounds)
    async with rounds.database.hot_transaction() as connection:
        assert await mark_dots(connection, worker, email.keys, rounds.clock.now()) == set()
        await record(connection, worker, [verdict_of(email)], rounds.clock.now())
    ledger = await rounds.until(lambda _: True)
    assert (ledger.row(email_id).state, ledger.events[email_id, 0]) == ("queued", ["queued", "queued"])
    assert await rounds.attempts(email_id) == []


async def test_a_worker_that_lost_its_lease_closes_the_connection_instead_of_the_dot(rounds):
    email_id = await rounds.post("a@x.test")

    class Interrupted:
        """Leases that are taken away just before the dot."""

        def __init__(self, leases):
            self._leases = leases

        def __getattr__(self, name):
            return getattr(self._leases, name)

        async def may_end(self, email):
            await rounds.execute("UPDATE deliveries SET lease = NULL, state = 'canceled' WHERE lease IS NOT NULL")
            return await self._leases.may_end(email)

    courier = rounds.start(before=Interrupted)
    await rounds.until(lambda now: now.row(email_id).state == "canceled" and not courier.in_hand)
    assert (rounds.far_end.taken, await rounds.attempts(email_id)) == ([], [])


@pytest.mark.parametrize(("policy", "state"), [("retry", "deferred"), ("park", "unknown")])
async def test_what_may_have_been_sent_by_a_dead_worker_is_unknown(rounds, policy, state):
    email_id = await rounds.post("a@x.test")
    await rounds.execute("UPDATE accounts SET unknown_policy = :policy", policy=policy)
    worker, (email,) = await lease(rounds)
    async with rounds.database.hot_transaction() as connection:
        await mark_dots(connection, worker, email.keys, rounds.clock.now())
    await die(rounds, worker)
    assert await sweep(rounds) == 1
    ledger = await rounds.until(lambda _: True)
    assert ledger.events[email_id, 0] == ["queued", "unknown"]
    assert (ledger.row(email_id).state, ledger.row(email_id).dot_at) == (state, None)


async def test_what_stopped_three_workers_and_may_have_left_is_unknown_and_no_failure(rounds):
    email_id = await rounds.post("a@x.test")
    await rounds.execute("UPDATE deliveries SET crashes = 1")
    worker, (email,) = await lease(rounds)
    await rounds.execute("UPDATE deliveries SET crashes = 2")
    async with rounds.database.hot_transaction() as connection:
        await mark_dots(connection, worker, email.keys, rounds.clock.now())
    await die(rounds, worker)
    await sweep(rounds)
    assert (await rounds.until(lambda _: True)).row(email_id).state == "unknown"


@pytest.mark.parametrize("hours", [2, -2])
async def test_a_clock_that_is_set_takes_no_work_from_the_living(rounds, hours):
    """PostgreSQL's: seen from it, every lease ended long ago, or ends in hours. Who really died is found later."""
    email_id = await rounds.post("a@x.test")
    worker, (email,) = await lease(rounds)
    async with rounds.database.hot_transaction() as connection:
        await mark_dots(connection, worker, email.keys, rounds.clock.now())
    leases = Leases(rounds.database, rounds.clock, "alive", 30)
    courier = Courier(rounds.database, None, None, leases, Pace(1, 60, 60, 0))
    await leases.renew()
    await rounds.execute("UPDATE workers SET leased_until = leased_until - make_interval(hours => :hours)", hours=hours)
    await courier._sweep()
    ledger = await rounds.until(lambda _: True)
    assert (ledger.row(email_id).state, ledger.events[email_id, 0]) == ("sending", ["queued"])
    assert not leases.tell_the_living
    await leases.renew()
    leases._doubtful_until = 0.0
    await courier._sweep()
    assert (await rounds.until(lambda _: True)).row(email_id).state == "deferred"


@pytest.mark.parametrize(
    ("readings", "pause"),
    [([0, 0, 1, 2, 102, 103, 104], "while it waits for the answer"), ([0, 0, 1, 101, 102, 103, 104], "in between")],
)
async def test_a_pause_of_the_process_is_no_clock_that_was_set(rounds, monkeypatch, readings, pause):
    monkeypatch.setattr(leases_module, "_seconds", iter(readings).__next__)
    leases = Leases(rounds.database, rounds.clock, "alive", 30)
    await leases.renew()
    if pause == "in between":
        await rounds.execute("UPDATE workers SET leased_until = leased_until - interval '100 seconds'")
    with structlog.testing.capture_logs() as said:
        await leases.renew()
        assert not leases.tell_the_living  # others may have stood still with it
        await leases.renew()
    assert said == []


async def test_an_outage_takes_no_work_from_those_who_could_not_renew(rounds, monkeypatch):
    """Its end is nobody's: the leases of all have ended, and the first who comes back would sweep away the others."""
    email_id = await rounds.post("a@x.test")
    other, _ = await lease(rounds)
    leases = Leases(rounds.database, rounds.clock, "alive", 30)
    courier = Courier(rounds.database, None, None, leases, Pace(1, 60, 60, 0))
    await leases.renew()
    with monkeypatch.context() as away:
        away.setattr(leases, "_database", Database("postgresql://127.0.0.1:1/nothing"))
        with pytest.raises(ServiceUnavailable):
            await leases.renew()
    await die(rounds, other)
    await courier._sweep()
    assert (await rounds.until(lambda _: True)).row(email_id).state == "sending"
    leases._doubtful_until = 0.0
    await courier._sweep()
    assert (await rounds.until(lambda _: True)).row(email_id).state == "queued"


async def test_a_claim_that_was_made_long_after_it_was_given_up_goes_back(rounds):
    """As PostgreSQL makes it that stood still: its worker has heard nothing of it, and no error either since."""
    email_id = await rounds.post("a@x.test")
    leases = Leases(rounds.database, rounds.clock, "alive", 30)
    courier = Courier(rounds.database, None, None, leases, Pace(1, 60, 60, 0))
    await leases.renew()
    await lease(rounds, worker=leases.worker)
    await courier._sweep()
    row = (await rounds.until(lambda _: True)).row(email_id)
    assert (row.state, row.attempts, row.crashes) == ("queued", 0, 0)


async def test_poison_is_parked_after_three_workers_and_its_neighbours_are_sent(rounds):
    poison, *others = [await rounds.post(f"a{n}@x.test") for n in range(8)]
    for _ in range(2):
        worker, emails = await lease(rounds)
        assert len(emails) == 8
        await die(rounds, worker)
        await sweep(rounds)
    _, emails = await lease(rounds)
    assert emails == []  # suspects, which nobody takes together
    await rounds.execute(
        "UPDATE deliveries SET state = 'sending', lease = :gone WHERE email_id = :id", gone=new_id(), id=poison
    )
    ledger = await rounds.round()
    ledger = await rounds.until(lambda now: now.states == {"failed": 1, "sent": 7})
    ledger.check()
    assert ledger.row(poison).crashes == 3
    assert {ledger.row(one).state for one in others} == {"sent"}


async def test_a_hundred_suspects_do_not_wait_for_a_sweep_each(rounds):
    for number in range(100):
        await rounds.post(f"a{number}@x.test")
    await rounds.execute("UPDATE deliveries SET crashes = 2")
    await rounds.round()
    assert len(rounds.far_end.taken) == 100


async def test_what_is_leased_and_in_nobodys_hand_goes_back(rounds):
    """A claim whose commit was not answered: its worker lives, so no lease ends."""
    kept, lost = await rounds.post("a@x.test"), await rounds.post("b@x.test")
    worker, _ = await lease(rounds)
    async with rounds.database.transaction() as connection:
        assert await return_strays(connection, worker, {(kept, 0)}, rounds.clock.now()) == 1
    ledger = await rounds.until(lambda _: True)
    assert (ledger.row(kept).state, ledger.row(lost).state, ledger.row(lost).attempts) == ("sending", "queued", 0)
    assert ledger.row(lost).crashes == 0


async def test_what_was_dropped_after_its_dot_is_unknown(rounds):
    email_id = await rounds.post("a@x.test")
    worker, (email,) = await lease(rounds)
    async with rounds.database.hot_transaction() as connection:
        await mark_dots(connection, worker, email.keys, rounds.clock.now())
    async with rounds.database.transaction() as connection:
        assert await return_strays(connection, worker, set(), rounds.clock.now()) == 1
    ledger = await rounds.until(lambda _: True)
    assert (ledger.row(email_id).state, ledger.events[email_id, 0]) == ("deferred", ["queued", "unknown"])


async def test_a_delivery_that_stumbles_over_its_verdict_does_not_stay_leased(rounds):
    email_id = await rounds.post("a@x.test")

    class Stumbling:
        """Leases that raise at the first verdict what nobody expects."""

        def __init__(self, leases):
            self._leases = leases
            self._has_stumbled = False

        def __getattr__(self, name):
            return getattr(self._leases, name)

        async def settle(self, email, verdicts):
            if not self._has_stumbled:
                self._has_stumbled = True
                raise RuntimeError("as never before")
            return await self._leases.settle(email, verdicts)

    rounds.start(before=Stumbling)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "deferred")
    assert ledger.events[email_id, 0] == ["queued", "unknown"]


async def test_a_worker_that_a_sweep_took_for_dead_cannot_end_what_it_has_twice(rounds):
    """It claims the same delivery again; what it began under its old lease must not send the dot."""
    await rounds.post("a@x.test")
    leases = Leases(rounds.database, rounds.clock, "stalled", 30)
    await leases.renew()
    _, (before,) = await lease(rounds, worker=leases.worker)
    await die(rounds, leases.worker)
    await sweep(rounds)
    await leases.renew()
    _, (again,) = await lease(rounds, worker=leases.worker)
    assert again.keys == before.keys
    answers = await asyncio.gather(leases.may_end(before), leases.may_end(again))
    assert answers == [False, True]
    await leases.settle(before, [verdict_of(before, State.BOUNCED)])
    await leases.settle(again, [verdict_of(again)])
    assert (await rounds.until(lambda _: True)).states == {"sent": 1}


async def test_after_postgresql_has_started_nobody_is_taken_for_dead_for_a_lease(rounds):
    await rounds.post("a@x.test")
    worker, _ = await lease(rounds)
    await die(rounds, worker)
    assert await sweep(rounds, grace_seconds=1_000_000) == 0
    assert await sweep(rounds) == 1


class Unanswered:
    """A database whose second hot statement, the first claim of a courier, happens and is not answered."""

    def __init__(self, database):
        self._database = database
        self._statements = 0

    def __getattr__(self, name):
        return getattr(self._database, name)

    @asynccontextmanager
    async def hot_statements(self):
        async with self._database.hot_statements() as connection:
            yield connection
        self._statements += 1
        if self._statements == 2:
            raise ServiceUnavailable("no answer")


async def test_a_claim_that_was_not_answered_is_made_again(rounds):
    email_id = await rounds.post("a@x.test")
    rounds.start(database=Unanswered(rounds.database))
    ledger = await rounds.until(lambda now: now.row(email_id).state == "sent")
    ledger.check()
    assert ledger.events[email_id, 0] == ["queued", "queued", "sent"]
    assert (ledger.row(email_id).attempts, ledger.row(email_id).crashes) == (1, 0)


async def in_hand(rounds, count):
    """So many emails that the leases of a worker have in hand; the rest of it has stopped."""
    ids = [await rounds.post(f"a{n}@x.test") for n in range(count)]
    courier = rounds.start()
    await rounds.round()
    await rounds.stop()
    await rounds.execute("UPDATE deliveries SET state = 'queued'")
    _, emails = await lease(rounds, worker=courier._leases.worker)
    return ids, courier._leases, emails


async def refuse(rounds, table, when="true"):
    """Have PostgreSQL refuse rows."""
    body = "BEGIN RAISE foreign_key_violation; END"
    await rounds.execute(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    await rounds.execute(
        f"CREATE TRIGGER refused BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"
    )


async def test_a_verdict_that_cannot_be_written_leaves_its_neighbours_alone(rounds):
    ids, leases, emails = await in_hand(rounds, 3)
    replies = ["ok", "\x00", "ok"]  # no relay can say a NUL any more
    written = await asyncio.gather(
        *(leases.settle(email, [verdict_of(email, reply=reply)]) for email, reply in zip(emails, replies, strict=True))
    )
    assert written == [True, True, True]
    ledger = await rounds.until(lambda _: True)
    assert [ledger.row(one).state for one in ids] == ["sent", "sent", "sent"]
    assert [(await rounds.attempts(one))[-1].reply for one in ids] == ["ok", "", "ok"]
    assert {ledger.events[one, 0][-1] for one in ids} == {"sent"}


async def test_what_cannot_be_written_at_all_is_unknown_and_no_failure(rounds):
    (email_id, other), leases, emails = await in_hand(rounds, 2)
    await refuse(rounds, "attempts", f"NEW.email_id = '{email_id}'")
    async with rounds.database.hot_transaction() as connection:
        await mark_dots(connection, leases.worker, [key for one in emails for key in one.keys], rounds.clock.now())
    assert await asyncio.gather(*(leases.settle(one, [verdict_of(one)]) for one in emails)) == [False, True]
    async with rounds.database.transaction() as connection:
        assert await return_strays(connection, leases.worker, set(), rounds.clock.now()) == 1
    ledger = await rounds.until(lambda _: True)
    assert (ledger.row(email_id).state, ledger.events[email_id, 0][-1]) == ("deferred", "unknown")
    assert ledger.row(other).state == "sent"


async def test_what_a_relay_took_is_sent_even_if_nobody_can_be_told(rounds):
    email_id = await rounds.post("a@x.test")
    async with rounds.database.transaction() as connection:
        account = rounds.account.id
        await create_webhook(connection, account, "https://a.example/", ["email.sent"], CIPHER, rounds.clock.now())
    await refuse(rounds, "webhook_calls")
    ledger = await rounds.round()
    ledger.check()
    assert (ledger.row(email_id).state, ledger.events[email_id, 0]) == ("sent", ["queued", "sent"])
    assert len(rounds.far_end.taken) == 1


async def test_what_is_refused_for_a_moment_only_is_written_whole(rounds, monkeypatch):
    (email_id,), leases, (email,) = await in_hand(rounds, 1)
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 1.0)
    await refuse(rounds, "attempts")
    settled = asyncio.create_task(leases.settle(email, [verdict_of(email, reply="said")]))
    await asyncio.sleep(0.3)
    await rounds.execute("DROP TRIGGER refused ON attempts")
    assert await settled
    assert (await rounds.attempts(email_id))[-1].reply == "said"


async def test_what_lost_its_hint_is_found_by_the_sweep(rounds):
    first = await rounds.post("a@x.test")
    await rounds.round()
    second = await rounds.post("b@x.test")
    await rounds.until(lambda now: now.row(second).state == "sent")
    assert first != second


async def test_content_comes_back_in_its_chunks(rounds):
    content = b"Subject: x\r\n\r\n" + bytes(range(97, 122)) * 30_000 + b"\r\n"
    await rounds.post("a@x.test", content=content)
    _, (email,) = await lease(rounds)
    async with rounds.database.hot_transaction() as connection:
        found = await load_contents(connection, [email.content_id])
    assert b"".join(found[email.content_id]) == content


async def test_nobody_leases_without_being_among_the_workers(rounds):
    await rounds.post("a@x.test")
    async with rounds.database.hot_transaction() as connection:
        assert await claim(connection, new_id(), rounds.clock.now(), 10, None) == []


async def test_a_row_that_somebody_locks_is_passed_by(rounds):
    locked, free = await rounds.post("a@x.test"), await rounds.post("b@x.test")
    connection: asyncpg.Connection = await rounds.database.listen()
    async with connection.transaction():
        await connection.execute("SELECT FROM deliveries WHERE email_id = $1 FOR UPDATE", locked)
        _, emails = await lease(rounds)
        assert [email.email_id for email in emails] == [free]
    await connection.close()


async def test_a_sweep_leaves_the_living_alone(rounds):
    await rounds.post("a@x.test")
    await lease(rounds)
    assert await sweep(rounds) == 0
    async with rounds.database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM workers"))).scalar_one() == 1


async def test_what_became_of_an_email_is_in_the_log_by_its_public_id(rounds):
    sent, bounced = await rounds.post("a@x.test"), await rounds.post("bounce+550@x.test")
    with structlog.testing.capture_logs() as logs:
        await rounds.round()
    lines = {one["email"]: one for one in logs if one["event"] == "delivery"}
    assert (lines[to_text("em", sent)]["state"], lines[to_text("em", sent)]["log_level"]) == ("sent", "info")
    line = lines[to_text("em", bounced)]
    assert (line["state"], line["code"], line["log_level"]) == ("bounced", 550, "info")


async def test_of_many_deliveries_the_log_has_a_sum_and_each_that_went_wrong(monkeypatch):
    monkeypatch.setattr(logbook.log, "is_enabled_for", lambda _: False, raising=False)
    now = datetime.now(UTC)
    many = [Verdict(new_id(), 0, State.SENT, now, "sent") for _ in range(1000)]
    bad = [Verdict(new_id(), 0, State.BOUNCED, now, "bounced") for _ in range(30)]
    book = logbook.Logbook()
    with structlog.testing.capture_logs() as logs:
        book.note(many + bad)
        book._lines.sum_up()
        book.note(many[:1])
        book._lines.sum_up()
    own = Counter(one["state"] for one in logs if one["event"] == "delivery")
    sums = [one["sent"] for one in logs if one["event"] == "more deliveries"]
    assert (own, sums) == ({"sent": 21, "bounced": 30}, [980])
