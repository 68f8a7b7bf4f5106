import asyncio
from uuid import uuid4

import pytest

from hourpost.gateways.hour import HourRefused, HourUnavailable
from hourpost.rules.hour_tokens import Answer, Refusal, Take, Want


async def seeded(hour, generation=1, spends=(), waiting=0):
    account = uuid4()
    assert await hour.seed(account, generation, spends, waiting) == generation
    return account


async def reading_after(hour, take, seconds=20.0):
    """The answer to ``take``, asked until Redis is back."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await hour.take(take)
        except HourUnavailable:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)


async def unanswered(server, hour, take):
    """``take`` reaches a frozen Redis, which goes on only when nobody waits for it any more."""
    server.freeze()
    try:
        with pytest.raises(HourUnavailable):
            await hour.take(take)
    finally:
        server.thaw()


class TestColdBuckets:
    async def test_an_unknown_account_is_cold_to_every_question(self, hour):
        account = uuid4()
        assert await hour.take(Take(account, 10, [Want(1)])) is None
        assert await hour.peek(account, 10) is None
        assert await hour.refund(account, 1, 1, 0) == 0
        await hour.adjust_waiting(account, 1)
        assert await hour.peek(account, 10) is None

    async def test_a_flushed_bucket_is_cold_until_it_is_seeded(self, fragile_redis, new_hour, clock):
        hour = new_hour(fragile_redis.url, clock=clock)
        account = await seeded(hour)
        taken = await hour.take(Take(account, 10, [Want(7)]))
        fragile_redis.client.flushall()
        assert await hour.take(Take(account, 10, [Want(1)])) is None
        await hour.seed(account, 2, [(taken.taken_at_us, 7)], 0)
        again = await hour.take(Take(account, 10, [Want(5)]))
        assert again.answers == (Answer(3, held=2, position=1),)
        assert again.reading.generation == 2

    async def test_a_restarted_server_is_cold_whatever_it_restored(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=10)
        account = await seeded(hour)
        await hour.take(Take(account, 10, [Want(7)]))
        fragile_redis.kill()
        fragile_redis.start()
        assert fragile_redis.client.exists(f"hour:{{{account.hex}}}")
        assert await reading_after(hour, Take(account, 10, [Want(1)])) is None

    async def test_a_restarted_server_is_seeded_even_with_the_same_generation(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=10)
        account = await seeded(hour, generation=4)
        fragile_redis.kill()
        fragile_redis.start()
        await asyncio.sleep(0.05)
        await hour.seed(account, 4, [], 3)
        assert (await hour.peek(account, 10)).waiting == 3

    async def test_a_lost_script_is_brought_again(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url)
        accounts = [await seeded(hour) for _ in range(3)]
        fragile_redis.client.script_flush()
        taken = await hour.take_many([Take(account, 10, [Want(1)]) for account in accounts])
        assert [t.reading.used for t in taken] == [1, 1, 1]

    async def test_a_cluster_is_asked_account_by_account(self, cluster_redis, new_hour):
        assert await new_hour(cluster_redis.url, timeout_seconds=10).take_many(
            [Take(uuid4(), 10, [Want(1)]) for _ in range(3)]
        ) == [None, None, None]
        hour = new_hour(cluster_redis.url, timeout_seconds=10)
        accounts = [await seeded(hour) for _ in range(40)]
        taken = await hour.take_many([Take(account, 10, [Want(1)]) for account in accounts])
        assert [one.reading.used for one in taken] == [1] * 40


class TestSeeding:
    async def test_a_bucket_stays_when_it_is_seeded_again_with_the_same_generation(self, hour):
        account = await seeded(hour, generation=3)
        await hour.take(Take(account, 10, [Want(4)]))
        assert await hour.seed(account, 2, [], 0) == 3
        assert await hour.seed(account, 3, [], 0) == 3
        assert (await hour.peek(account, 10)).used == 4

    async def test_a_later_generation_replaces_it_with_all_that_was_asked_of_it(self, hour, clock):
        account = await seeded(hour, generation=3)
        take = Take(account, 10, [Want(4)])
        await hour.take(take)
        assert await hour.seed(account, 4, [(clock.now_us, 9)], 2) == 4
        await hour.undo([take])
        reading = await hour.peek(account, 10)
        assert (reading.generation, reading.used, reading.waiting) == (4, 9, 2)

    async def test_a_take_of_an_earlier_generation_is_counted_anew(self, hour):
        account = await seeded(hour)
        take = Take(account, 10, [Want(4)])
        await hour.take(take)
        await hour.seed(account, 2, [], 0)
        again = await hour.take(take)
        assert (again.reading.generation, again.reading.used) == (2, 4)

    async def test_a_seeded_bucket_is_the_one_that_was_lost(self, hour, clock):
        account, spends = await seeded(hour), []
        for index in range(500):
            spends.append(((await hour.take(Take(account, 5000, [Want(index % 7)]))).taken_at_us, index % 7))
            clock.advance(13)
        before = await hour.peek(account, 5000)
        await hour.seed(account, 2, spends, 0)
        after = await hour.peek(account, 5000)
        assert after.schedule.slots == before.schedule.slots
        assert (after.used, after.resets_at_us) == (before.used, before.resets_at_us)

    async def test_spends_after_now_stop_the_clock_until_it_is_there(self, hour, clock):
        account = await seeded(hour, spends=[(clock.now_us + 5_000_000, 10)])
        taken = await hour.take(Take(account, 12, [Want(1)]))
        assert taken.taken_at_us == clock.now_us + 5_000_000


class TestRedisAway:
    async def test_a_dead_redis_is_said_to_be_unavailable(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url)
        account = await seeded(hour)
        fragile_redis.kill()
        with pytest.raises(HourUnavailable):
            await hour.take(Take(account, 10, [Want(1)]))
        with pytest.raises(HourUnavailable):
            await hour.peek(account, 10)

    async def test_a_frozen_redis_costs_a_bounded_wait_and_then_none(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=1)
        account = await seeded(hour)
        fragile_redis.freeze()
        try:
            start = asyncio.get_running_loop().time()
            for _ in range(20):
                with pytest.raises(HourUnavailable):
                    await hour.take(Take(account, 10, [Want(1)]))
            assert asyncio.get_running_loop().time() - start < 15
        finally:
            fragile_redis.thaw()

    async def test_what_a_frozen_redis_counts_when_nobody_waits_any_more_is_given_back(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=1)
        account = await seeded(hour)
        await hour.take(Take(account, 10, [Want(2)]))
        lost = Take(account, 10, [Want(6), Want(7)])
        await unanswered(fragile_redis, hour, lost)
        taken = await reading_after(hour, Take(account, 10, [Want(1)]))
        assert (taken.reading.used, taken.reading.waiting) == (3, 0)
        assert (await hour.take(lost)).answers[0].refusal is Refusal.UNDONE

    async def test_a_take_that_is_asked_again_after_a_freeze_counts_once(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=1)
        account = await seeded(hour)
        take = Take(account, 10, [Want(6), Want(7)])
        await unanswered(fragile_redis, hour, take)
        taken = await reading_after(hour, take)
        assert taken.answers == (Answer(6), Answer(4, held=3, position=1))
        assert (taken.reading.used, taken.reading.waiting) == (10, 3)

    async def test_a_caller_that_goes_away_takes_nothing(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=10)
        account = await seeded(hour)
        fragile_redis.freeze()
        try:
            asking = asyncio.create_task(hour.take(Take(account, 10, [Want(6)])))
            await asyncio.sleep(0.1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        finally:
            fragile_redis.thaw()
        taken = await reading_after(hour, Take(account, 10, [Want(1)]))
        assert taken.reading.used == 1

    async def test_a_redis_that_refuses_to_write_is_unavailable_and_then_good_again(self, fragile_redis, new_hour):
        hour = new_hour(fragile_redis.url, timeout_seconds=10)
        account = await seeded(hour)
        fragile_redis.client.config_set("maxmemory", 1)
        take = Take(account, 10, [Want(1)])
        for _ in range(2):  # the second is not asked
            with pytest.raises(HourRefused) as caught:
                await hour.take(take)
            assert str(caught.value) == "Redis takes nothing"  # a client may be told; the rest is for us
            assert caught.value.cause is not None
            assert caught.value.cause.startswith("OOM command not allowed")
        fragile_redis.client.config_set("maxmemory", 0)
        assert (await reading_after(hour, take)).reading.used == 1
