"""The bucket against a ledger: what PostgreSQL would know is the judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour import HOUR_US, SLOT_US
from hourpost.rules.hour_tokens import Mode, Take, Taken, Want

SECONDS = st.sampled_from([1, 9, 10, 11, 40, 130, 900, 1800, 3590, 3600, 3600, 3611, -1, -10, -300])
WANTS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 8), st.just(Mode.SOME)),
        st.tuples(st.integers(1, 16), st.just(Mode.ALL)),
        st.tuples(st.integers(1, 60), st.just(Mode.RELEASE)),
    ),
    min_size=1,
    max_size=3,
)
ADVANCE, TAKE, RECENT = st.tuples(st.just("advance"), SECONDS), st.tuples(st.just("take"), WANTS), st.integers(0, 3)
STEPS = st.one_of(
    *[ADVANCE] * 5,
    *[TAKE] * 7,
    st.tuples(st.sampled_from(["again", "undo", "refund"]), RECENT),
    st.tuples(st.just("plan"), st.integers(1, 30)),
    st.tuples(st.just("flush"), st.none()),
)


@dataclass
class Ledger:
    """The gateway and, beside it, all that was spent."""

    hour: RedisHour
    clock: object
    server: object
    account: UUID = field(default_factory=uuid4)
    limit: int = 20
    generation: int = 0
    waiting: int = 0
    spends: list[tuple[int, int]] = field(default_factory=list)
    takes: list[tuple[Take, Taken, int]] = field(default_factory=list)

    async def seed(self):
        self.generation += 1
        self.takes.clear()
        await self.hour.seed(self.account, self.generation, self.spends, self.waiting)

    async def advance(self, seconds):
        self.clock.advance(seconds)

    async def plan(self, limit):
        self.limit = limit

    async def flush(self, _):
        self.server.client.delete(f"hour:{{{self.account.hex}}}")
        assert await self.hour.peek(self.account, self.limit) is None
        await self.seed()

    async def take(self, wants):
        take = Take(self.account, self.limit, [Want(*want) for want in wants])
        taken = await self.hour.take(take)
        before = self.waiting
        for want, answer in zip(take.wants, taken.answers, strict=True):
            self.judge(want, answer, taken.taken_at_us)
            if want.mode is Mode.RELEASE:
                self.waiting = max(0, self.waiting - answer.taken)
            self.waiting += answer.held
            self.spends.append((taken.taken_at_us, answer.taken))
        self.takes.append((take, taken, self.waiting - before))
        assert (taken.reading.waiting, taken.reading.generation) == (self.waiting, self.generation)

    def judge(self, want, answer, now):
        """Never more than the plan in 60 minutes, and never less than there is room for, a slot aside."""
        assert answer.taken == 0 or want.mode is Mode.RELEASE or not self.waiting
        assert answer.taken == 0 or self.spent_since(now - HOUR_US) + answer.taken <= self.limit
        room = (
            0
            if self.waiting and want.mode is not Mode.RELEASE
            else self.limit - self.spent_since(now - HOUR_US - SLOT_US)
        )
        if want.mode is Mode.ALL:
            assert answer.held == 0
            assert answer.taken == want.tokens or (answer.taken == 0 and want.tokens > room)
        else:
            assert answer.taken >= min(want.tokens, room)
            assert answer.taken + answer.held == want.tokens or want.mode is Mode.RELEASE or answer.refusal

    def spent_since(self, moment):
        return sum(count for at, count in self.spends if at > moment)

    def recent(self, back):
        return self.takes[-1 - back] if back < len(self.takes) else None

    async def again(self, back):
        if chosen := self.recent(back):
            take, taken, _ = chosen
            repeated = await self.hour.take(take)
            assert (repeated.answers, repeated.taken_at_us) == (taken.answers, taken.taken_at_us)

    async def undo(self, back):
        if chosen := self.recent(back):
            take, taken, held = chosen
            await self.hour.undo([take])
            self.takes.remove(chosen)
            self.spends.append((taken.taken_at_us, -sum(answer.taken for answer in taken.answers)))
            self.waiting = max(0, self.waiting - held)

    async def refund(self, back):
        if chosen := self.recent(back):
            _, taken, _ = chosen
            spent = sum(answer.taken for answer in taken.answers)
            given = await self.hour.refund(self.account, self.generation, spent, taken.taken_at_us)
            reading = await self.hour.peek(self.account, self.limit)
            assert given == spent or taken.taken_at_us <= reading.now_us - HOUR_US
            assert reading.used == reading.schedule.used
            self.takes.remove(chosen)
            self.spends.append((taken.taken_at_us, -given))


@settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=50, max_size=120))
async def test_no_hour_exceeds_the_plan_and_no_room_is_left(hour, clock, hour_redis, steps):
    ledger = Ledger(hour, clock, hour_redis)
    await ledger.seed()
    for name, argument in steps:
        await getattr(ledger, name)(argument)
