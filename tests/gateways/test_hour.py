import asyncio
import random
import time
from uuid import uuid4

import pytest

from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour import HOUR_US, SECOND_US
from hourpost.rules.hour_tokens import Answer, Mode, Refusal, Take, Want


@pytest.fixture
async def account(hour):
    fresh = uuid4()
    await hour.seed(fresh, 1, [], 0)
    return fresh


async def ask(hour, account, limit, *wants):
    """The take of ``wants``, each a number or (number, mode)."""
    return await hour.take(
        Take(account, limit, [Want(*want) if isinstance(want, tuple) else Want(want) for want in wants])
    )


class TestTaking:
    async def test_takes_what_there_is(self, hour, account, clock):
        taken = await ask(hour, account, 10, 3)
        assert taken.answers == (Answer(3),)
        assert taken.taken_at_us == clock.now_us
        assert (taken.reading.used, taken.reading.remaining, taken.reading.waiting) == (3, 7, 0)

    async def test_takes_as_many_as_there_are_and_the_rest_waits(self, hour, account):
        taken = await ask(hour, account, 10, 8, 5)
        assert taken.answers == (Answer(8), Answer(2, held=3, position=1))
        assert taken.reading.waiting == 3

    async def test_who_asks_anew_stands_behind_those_who_wait(self, hour, account, clock):
        await ask(hour, account, 10, 12)
        clock.advance(3600)
        taken = await ask(hour, account, 10, 1)
        assert taken.answers == (Answer(0, held=1, position=3),)
        assert taken.reading.remaining == 10

    async def test_a_release_goes_before_all_and_shortens_the_queue(self, hour, account, clock):
        await ask(hour, account, 10, 15)
        clock.advance(3600)
        taken = await ask(hour, account, 10, (4, Mode.RELEASE), (9, Mode.RELEASE))
        assert taken.answers == (Answer(4), Answer(6))
        assert taken.reading.waiting == 0

    async def test_all_or_nothing_takes_nothing_and_says_when_there_is_room(self, hour, account, clock):
        await ask(hour, account, 10, 7)
        clock.advance(100)
        taken = await ask(hour, account, 10, (4, Mode.ALL), (3, Mode.ALL))
        assert taken.answers == (Answer(0, 0, 4, Refusal.PLAN), Answer(3))
        assert taken.retry_seconds(taken.answers[0]) == 3500
        assert taken.reading.waiting == 0

    async def test_all_or_nothing_stands_behind_those_who_wait(self, hour, account, clock):
        await ask(hour, account, 10, 12)
        clock.advance(3600)
        taken = await ask(hour, account, 10, (9, Mode.ALL), (8, Mode.ALL))
        assert [answer.position for answer in taken.answers] == [11, 10]
        assert [taken.retry_seconds(answer) for answer in taken.answers] == [3600, 1]

    async def test_the_waiting_room_holds_a_day_of_the_plan_and_no_more(self, hour, account):
        taken = await ask(hour, account, 10, 250, 1, (1, Mode.ALL))
        assert taken.answers == (
            Answer(10, held=240, position=1),
            Answer(0, 0, 1, Refusal.BACKLOG),
            Answer(0, 0, 241, Refusal.PLAN),
        )
        assert taken.reading.waiting == 240
        assert taken.retry_seconds(taken.answers[1]) == 3600

    async def test_wanting_nothing_is_granted(self, hour, account):
        assert (await ask(hour, account, 10, 12, 0)).answers[1] == Answer(0)

    async def test_a_thousand_emails_of_an_account_are_one_call(self, hour, account):
        taken = await ask(hour, account, 600, *[1] * 1000)
        assert [answer.taken for answer in taken.answers] == [1] * 600 + [0] * 400
        assert [answer.position for answer in taken.answers[600:]] == list(range(1, 401))

    async def test_many_accounts_share_a_round_trip_and_nothing_else(self, hour):
        accounts = [uuid4() for _ in range(50)]
        for account in accounts[:-1]:
            await hour.seed(account, 1, [], 0)
        takes = [Take(account, 10, [Want(index)]) for index, account in enumerate(accounts)]
        *taken, cold = await hour.take_many(takes)
        assert [(t.account, t.answers[0].taken) for t in taken] == [
            (account, min(10, index)) for index, account in enumerate(accounts[:-1])
        ]
        assert cold is None

    async def test_the_same_take_twice_counts_once_and_is_answered_as_before(self, hour, account, clock):
        take = Take(account, 10, [Want(8), Want(4), Want(1, Mode.ALL)])
        first = await hour.take(take)
        clock.advance(30)
        await ask(hour, account, 10, 5)
        again = await hour.take(take)
        assert (again.answers, again.taken_at_us) == (first.answers, first.taken_at_us)
        assert (again.reading.used, again.reading.waiting) == (10, 7)


class TestCommingBack:
    async def test_a_token_comes_back_exactly_an_hour_later(self, hour, account, clock):
        await ask(hour, account, 10, 10)
        clock.advance(3599.999999)
        assert (await ask(hour, account, 10, (1, Mode.ALL))).answers[0].refusal is Refusal.PLAN
        clock.advance(0.000001)
        assert (await ask(hour, account, 10, (10, Mode.ALL))).answers[0].taken == 10

    async def test_a_slot_waits_for_its_youngest_spend(self, hour, account, clock):
        await ask(hour, account, 10, 4)
        clock.advance(9)
        await ask(hour, account, 10, 4)
        clock.advance(3599)
        assert (await hour.peek(account, 10)).used == 8
        clock.advance(1)
        assert (await hour.peek(account, 10)).used == 0

    async def test_a_border_of_the_hour_does_not_admit_the_plan_twice(self, hour, account, clock):
        clock.advance(3599 - clock.now_us // SECOND_US % 3600)
        assert (await ask(hour, account, 10, 10)).answers[0].taken == 10
        for _ in range(36):
            clock.advance(99)
            assert (await ask(hour, account, 10, (1, Mode.ALL))).answers[0].taken == 0

    async def test_says_when_a_token_is_free_and_when_all_are(self, hour, account, clock):
        start = clock.now_us
        await ask(hour, account, 10, 4)
        clock.advance(1000)
        reading = (await ask(hour, account, 10, 6)).reading
        assert (reading.next_free_at_us, reading.resets_at_us) == (start + HOUR_US, clock.now_us + HOUR_US)
        assert reading.seconds_until(reading.next_free_at_us) == 2600

    async def test_an_unused_hour_is_free_now(self, hour, account, clock):
        reading = await hour.peek(account, 10)
        assert (reading.next_free_at_us, reading.resets_at_us) == (clock.now_us, clock.now_us)

    async def test_a_clock_that_goes_back_gives_nothing_back(self, hour, account, clock):
        await ask(hour, account, 10, 5)
        moment = clock.now_us
        clock.advance(-7200)
        taken = await ask(hour, account, 10, 3)
        assert (taken.taken_at_us, taken.reading.used) == (moment, 8)
        clock.advance(7200 + 3599)
        assert (await hour.peek(account, 10)).used == 8


class TestPlanChange:
    async def test_a_larger_plan_gives_room_at_once(self, hour, account):
        await ask(hour, account, 10, 10)
        assert (await ask(hour, account, 15, (5, Mode.ALL))).answers[0].taken == 5

    async def test_a_smaller_plan_waits_until_less_is_used(self, hour, account, clock):
        start = clock.now_us
        await ask(hour, account, 10, 6)
        clock.advance(100)
        await ask(hour, account, 10, 4)
        reading = await hour.peek(account, 5)
        assert (reading.used, reading.remaining, reading.next_free_at_us) == (10, 0, start + HOUR_US)
        clock.advance(3500)
        assert (await hour.peek(account, 5)).remaining == 1


class TestGivingBack:
    async def test_a_refund_frees_tokens_of_its_slot(self, hour, account, clock):
        spent_at = (await ask(hour, account, 10, 6)).taken_at_us
        clock.advance(25)
        await ask(hour, account, 10, 4)
        clock.advance(25)
        await ask(hour, account, 12, 2)
        assert await hour.refund(account, 1, 5, spent_at) == 5
        reading = await hour.peek(account, 10)
        assert (reading.used, [slot.tokens for slot in reading.schedule.slots]) == (7, [1, 4, 2])
        clock.advance(3600 - 50)
        assert (await hour.peek(account, 10)).used == 6

    async def test_a_refund_gives_no_more_than_was_spent(self, hour, account, clock):
        spent_at = (await ask(hour, account, 10, 2)).taken_at_us
        clock.advance(60)
        await ask(hour, account, 10, 2)
        assert await hour.refund(account, 1, 5, spent_at) == 2
        assert await hour.refund(account, 1, 5, spent_at) == 0

    async def test_a_refund_of_tokens_that_are_back_changes_nothing(self, hour, account, clock):
        spent_at = (await ask(hour, account, 10, 2)).taken_at_us
        clock.advance(3600)
        await ask(hour, account, 10, 3)
        assert await hour.refund(account, 1, 2, spent_at) == 0
        assert (await hour.peek(account, 10)).used == 3

    async def test_a_refund_of_another_generation_changes_nothing(self, hour, account):
        spent_at = (await ask(hour, account, 10, 2)).taken_at_us
        assert await hour.refund(account, 2, 2, spent_at) == 0

    async def test_an_undone_take_leaves_no_trace(self, hour, account, clock):
        await ask(hour, account, 10, 4)
        clock.advance(15)
        take = Take(account, 10, [Want(5), Want(3), Want(2)])
        await hour.take(take)
        clock.advance(15)
        await hour.undo([take, take])
        reading = await hour.peek(account, 10)
        assert (reading.used, reading.waiting) == (4, 0)

    async def test_an_undone_release_waits_again(self, hour, account, clock):
        await ask(hour, account, 10, 15)
        clock.advance(3600)
        take = Take(account, 10, [Want(5, Mode.RELEASE)])
        await hour.take(take)
        await hour.undo([take])
        reading = await hour.peek(account, 10)
        assert (reading.used, reading.waiting) == (0, 5)

    async def test_a_take_that_comes_after_its_undoing_takes_nothing(self, hour, account):
        take = Take(account, 10, [Want(5)])
        await hour.undo([take])
        assert (await hour.take(take)).answers[0].refusal is Refusal.UNDONE
        assert (await hour.peek(account, 10)).used == 0

    async def test_the_number_that_waits_is_adjusted_and_never_negative(self, hour, account):
        await hour.adjust_waiting(account, 5)
        await hour.adjust_waiting(account, -2, generation=1)
        await hour.adjust_waiting(account, -1, generation=2)
        assert (await hour.peek(account, 10)).waiting == 3
        await hour.adjust_waiting(account, -9)
        assert (await hour.peek(account, 10)).waiting == 0


class TestReading:
    async def test_a_peek_changes_nothing(self, hour, account, clock, hour_redis):
        await ask(hour, account, 10, 4)
        key = f"hour:{{{account.hex}}}"
        before = hour_redis.client.get(key)
        clock.advance(5000)
        await hour.peek(account, 10)
        assert hour_redis.client.get(key) == before

    async def test_shows_the_last_hour_by_the_minute(self, hour, account, clock):
        for spent in (1, 2, 3):
            await ask(hour, account, 10, spent)
            clock.advance(60)
        assert (await hour.peek(account, 10)).schedule.per_minute()[-4:] == (1, 2, 3, 0)

    async def test_the_schedule_is_in_order_after_the_ring_has_turned(self, hour, account, clock):
        for _ in range(900):
            await ask(hour, account, 400, 1)
            clock.advance(10)
        slots = (await hour.peek(account, 400)).schedule.slots
        assert len(slots) == 359
        assert [slot.youngest_at_us for slot in slots] == [
            clock.now_us - age * 10 * SECOND_US for age in range(359, 0, -1)
        ]

    async def test_a_busy_account_needs_at_most_12_kilobytes(self, hour, account, clock, hour_redis):
        for _ in range(800):
            await ask(hour, account, 5000, 7)
            clock.advance(10)
        assert hour_redis.client.memory_usage(f"hour:{{{account.hex}}}") <= 12_000

    async def test_a_quiet_account_needs_little_and_is_forgotten_after_a_day(self, hour, account, hour_redis):
        await ask(hour, account, 10, 1)
        key = f"hour:{{{account.hex}}}"
        assert hour_redis.client.memory_usage(key) <= 500
        assert 24 * 3600 < hour_redis.client.ttl(key) <= 25 * 3600

    async def test_every_key_of_an_account_has_its_hash_tag(self, hour, account, hour_redis):
        await ask(hour, account, 10, 1)
        keys = hour_redis.client.keys(f"*{account.hex}*")
        assert len(keys) == 2
        assert all(f"{{{account.hex}}}".encode() in key for key in keys)


class TestEstimates:
    @pytest.mark.parametrize("seed", range(3))
    async def test_each_held_delivery_leaves_when_it_was_told(self, hour, account, clock, seed):
        chance = random.Random(seed)
        for _ in range(30):
            await ask(hour, account, 40, chance.randint(0, 2))
            clock.advance(chance.uniform(1, 100))
        taken = await ask(hour, account, 40, 30, 1, 55, 20)
        told = [at for answer in taken.answers if answer.held for at in self.told(taken, answer)]
        left: list[int] = []
        while len(left) < len(told):
            clock.advance(3)
            released = await ask(hour, account, 40, (len(told) - len(left), Mode.RELEASE))
            left += [released.taken_at_us] * released.answers[0].taken
        late = [(was - said) / SECOND_US for said, was in zip(told, left, strict=True)]
        assert min(late) >= 0
        assert max(late) <= 3 + 13 * (len(told) // 40 + 1)

    @staticmethod
    def told(taken, answer):
        first, last = taken.leaves_at_us(answer)
        moments = [taken.reading.schedule.when(answer.position + index) for index in range(answer.held)]
        assert (first, last) == (moments[0], moments[-1])
        return moments


class TestConcurrentTakers:
    async def test_together_get_exactly_the_plan(self, hour_redis, hour, account, clock, new_hour):
        takers = [new_hour(hour_redis.url, timeout_seconds=5, clock=clock) for _ in range(4)]

        async def greedy(taker: RedisHour, chance: random.Random) -> int:
            took = 0
            for _ in range(25):
                mode = chance.choice([Mode.ALL, Mode.RELEASE])
                taken = await ask(taker, account, 500, (chance.randint(1, 9), mode))
                took += taken.answers[0].taken
            return took

        took = await asyncio.gather(*[greedy(takers[index % 4], random.Random(index)) for index in range(24)])
        assert sum(took) == 500
        assert (await hour.peek(account, 500)).used == 500


async def test_the_clock_is_that_of_redis(hour_redis, new_hour):
    hour, account = new_hour(hour_redis.url), uuid4()
    await hour.seed(account, 1, [], 0)
    taken = await ask(hour, account, 10, 1)
    assert abs(taken.taken_at_us - time.time_ns() // 1000) < 5 * SECOND_US


async def test_a_steady_sender_gets_nearly_the_whole_plan(hour, account, clock):
    spends = []
    for _ in range(3 * 720):
        taken = await ask(hour, account, 1000, (2, Mode.RELEASE))
        spends.append((clock.now_us, taken.answers[0].taken))
        clock.advance(5)
    last = sum(count for moment, count in spends if moment >= clock.now_us - HOUR_US)
    assert 995 <= last <= 1000
