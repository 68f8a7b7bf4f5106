"""The hour of an account over everything that touches it at once; PostgreSQL is the judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hourpost.accounts.changes import set_plan
from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.emails.changes import cancel_email, reschedule_email
from hourpost.emails.hour import give_back
from hourpost.errors import Conflict, LimitExceeded, NotFound, ServiceUnavailable
from hourpost.flow.forward import Forward, Forwarding
from hourpost.gateways.hour import RedisHour
from hourpost.mailboxes.queries import Recipient
from hourpost.rules.ids import new_id
from hourpost.rules.incoming import read_incoming
from hourpost.rules.submission import OnLimit
from tests.flow.ledger import HOUR, SLOT, Ledger, read_ledger
from tests.flow.letters import letter, make_standing, order
from tests.flow.office import Moment, Office
from tests.flow.servers import OwnRedis

HEADER = read_incoming(b"Subject: hello\r\n\r\n")
DOOR = st.integers(0, 1)
ACCEPT = st.tuples(
    st.just("accept"), DOOR, st.lists(st.integers(1, 3), min_size=1, max_size=4), st.sampled_from(OnLimit)
)
QUEUE = st.tuples(st.just("accept"), DOOR, st.lists(st.integers(1, 3), min_size=1, max_size=4), st.just(OnLimit.QUEUE))
OPERATIONS = st.one_of(
    ACCEPT,
    *[QUEUE] * 4,
    st.tuples(st.just("forward"), DOOR, st.integers(1, 3), st.booleans()),
    st.tuples(st.just("fail"), DOOR, st.integers(1, 3)),
    *[st.tuples(st.just("postpone"), DOOR, st.integers(1, 90), st.integers(1, 3))] * 2,
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("move"), st.integers(0, 5), st.integers(1, 90)),
    *[st.tuples(st.just("release"), DOOR)] * 2,
    st.tuples(st.just("come_due"), DOOR),
    st.tuples(st.just("refill"), DOOR),
    st.tuples(st.just("flush")),
)
PLAN = st.tuples(st.just("plan"), st.integers(3, 12))
RESTART = st.tuples(st.just("restart"))
SECONDS = st.sampled_from([1, 5, 9, 10, 11, 60, 600, 1700, 3590, 3600, 3601])
STEPS = st.lists(
    st.tuples(
        SECONDS, st.one_of(*[st.lists(OPERATIONS, min_size=1, max_size=6)] * 9, st.tuples(st.one_of(PLAN, RESTART)))
    ),
    min_size=8,
    max_size=20,
)


@pytest_asyncio.fixture
async def offices(database_url: str, own_redis: OwnRedis, clock: Moment) -> AsyncIterator[list[Office]]:
    """Two processes."""
    made = []
    for _ in range(2):
        hour = RedisHour(own_redis.url, timeout_seconds=5, clock=clock)
        made.append(Office(Database(database_url, pool_size=5), hour, clock))
    yield made
    for office in made:
        await office.intake.stop()
        await office.hour.aclose()
        await office.database.close()


def to(size: int) -> tuple[str, ...]:
    """So many recipients."""
    return tuple(f"{n}@far.test" for n in range(size))


@dataclass
class Life:
    """An account's, step by step; after each step nothing is under way, and the rows are judged."""

    offices: list[Office]
    redis: OwnRedis
    account: Account
    limit: int = 8
    emails: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forwardings = [Forwarding(one.database, one.hour, one.bell.ring, one.clock) for one in self.offices]

    @property
    def database(self) -> Database:
        return self.offices[0].database

    @property
    def clock(self) -> Moment:
        return self.offices[0].clock

    async def step(self, seconds, operations):
        self.clock.advance(seconds)
        before = await read_ledger(self.database, self.account.id)
        await asyncio.gather(*(getattr(self, name)(*arguments) for name, *arguments in operations))
        for office in self.offices:
            await office.intake.stop()
        await self.settle()
        self.judge(before, await read_ledger(self.database, self.account.id))
        assert (await self.offices[0].releaser.look(self.account.id)).is_true

    async def settle(self):
        """What the schedule does until nobody has room."""
        releaser = self.offices[0].releaser
        before = await read_ledger(self.database, self.account.id)
        await releaser.come_due()
        if (await releaser.look(self.account.id)).is_true:
            self.judge_due(before, await read_ledger(self.database, self.account.id))
        else:  # what a filling has overtaken, or nobody stored
            await releaser.refill(self.account.id)
        for _ in range(20):
            turn = await releaser.release(self.account.id)
            if turn.wait_seconds is None or turn.wait_seconds > 0:
                return
        raise AssertionError("turns without end")

    def judge(self, before: Ledger, after: Ledger) -> None:
        after.check()
        now = self.clock.now()
        if after.released != before.released and any(at not in before.released for at in after.released):
            assert after.released_since(now - HOUR) <= self.limit
        if after.held:
            assert after.released_since(now - HOUR - SLOT) >= self.limit
        self.judge_order(before, after)

    def judge_due(self, before: Ledger, after: Ledger) -> None:
        """What comes due while nothing else happens is held only behind what is held, or where there is no room."""
        if after.held and not before.held:
            assert after.released_since(self.clock.now() - HOUR - SLOT) >= self.limit

    def judge_order(self, before: Ledger, after: Ledger) -> None:
        """Of those that were held, the oldest have left; and before all that has come due since."""
        states = {(row.email_id, row.position): row.state for row in after.deliveries}
        fates = [states[key] for key in before.held + before.scheduled if states[key] in ("queued", "held")]
        assert fates == sorted(fates, reverse=True)

    # what may happen at once

    async def accept(self, door, sizes, on_limit):
        mails = [letter(*to(size), on_limit=on_limit) for size in sizes]
        while sum(len(mail.recipients) for mail in mails) > self.limit:
            mails.pop()
        if not mails:
            return
        try:
            await self.offices[door].intake.accept(order(make_standing(self.account, self.limit), *mails))
        except LimitExceeded:
            return
        except ServiceUnavailable:  # the bucket was lost again and again; only who does not wait is told so
            assert on_limit is OnLimit.REJECT
            return
        self.emails += [mail.email_id for mail in mails]

    async def fail(self, door, size):
        """An order that PostgreSQL refuses: its flight is rolled back, its neighbours are not harmed."""
        mail = letter(*to(size), subject="\x00")
        with pytest.raises(Exception, match="0x00|UTF"):
            await self.offices[door].intake.accept(order(make_standing(self.account, self.limit), mail))

    async def forward(self, door, size, is_refused):
        """Mail goes on from a mailbox, or would if something that is written with it were not refused."""
        office = self.offices[door]
        mailbox = Recipient(
            "info@acme.test",
            new_id(),
            self.account.id,
            new_id(),
            None,
            1,
            0,
            forward_to=to(size),
            keeps_forwarded=False,
        )
        forward = Forward(mailbox, "ada@far.test", HEADER, b"Subject: hello\r\n\r\n")
        with suppress(NotFound):
            async with (
                self.forwardings[door].onward([forward.leaving]) as onward,
                office.database.hot_transaction() as connection,
            ):
                await onward.store(connection)
                if is_refused:
                    raise NotFound("There is no such folder.")
        self.emails += [] if is_refused else [forward.id]

    async def postpone(self, door, minutes, size):
        mail = letter(*to(size), scheduled_at=self.clock.now() + timedelta(minutes=minutes))
        await self.offices[door].intake.accept(order(make_standing(self.account, self.limit), mail))
        self.emails.append(mail.email_id)

    async def cancel(self, back):
        await self.change(back, cancel_email)

    async def move(self, back, minutes):
        await self.change(back, reschedule_email, self.clock.now() + timedelta(minutes=minutes))

    async def change(self, back, how, *arguments):
        if back >= len(self.emails):
            return
        try:
            async with self.database.transaction() as connection:
                email_id = self.emails[-1 - back]
                given = await how(connection, self.account.id, email_id, *arguments, self.clock.now())
        except Conflict:
            return
        await give_back(self.offices[0].hour, self.database, given)

    async def release(self, door):
        with suppress(ServiceUnavailable):  # the bucket was lost again and again while it was asked
            await self.offices[door].releaser.release(self.account.id)

    async def come_due(self, door):
        await self.offices[door].releaser.come_due()

    async def refill(self, door):
        await self.offices[door].releaser.refill(self.account.id)

    async def flush(self):
        await asyncio.to_thread(self.redis.client.flushall)

    async def restart(self):
        await asyncio.to_thread(self.redis.restart)

    async def plan(self, limit):
        async with self.database.transaction() as connection:
            await set_plan(connection, self.account.id, "path", limit)
        self.limit = limit


@settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_never_more_than_the_plan_and_never_held_with_room(offices, own_redis, new_account, steps):
    life = Life(offices, own_redis, await new_account(8))
    for seconds, operations in steps:
        await life.step(seconds, operations)
