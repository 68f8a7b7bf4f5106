"""The request rate: one limit for all processes, which no request waits for."""

from __future__ import annotations

import pytest

from hourpost.errors import LimitExceeded
from hourpost.gateways.optional_redis import OptionalRedis
from hourpost.gateways.request_rate import RequestRate
from hourpost.rules.ids import new_id

LIMIT = 100


@pytest.fixture
def moment():
    return [1_800_000_000.0]


@pytest.fixture
async def processes(fragile_redis, moment):
    """Two, which settle when the test says so."""
    made = [RequestRate(LIMIT, lambda: moment[0]) for _ in range(2)]
    for one in made:
        one.share(OptionalRedis(fragile_redis.url))
        one._settling.cancel()
    yield made
    for one in made:
        await one.stop()


def admitted(rate, credential, requests):
    for number in range(requests):
        try:
            rate.count(credential)
        except LimitExceeded:
            return number
    return requests


async def test_one_process_admits_the_limit_and_the_next_second_again(processes, moment):
    rate, one, other = processes[0], new_id(), new_id()
    assert admitted(rate, one, 150) == LIMIT
    assert admitted(rate, other, 10) == 10
    moment[0] += 1
    assert admitted(rate, one, 150) == LIMIT


async def test_what_was_asked_elsewhere_counts_here(processes):
    here, there = processes
    credential = new_id()
    assert admitted(here, credential, 30) + admitted(there, credential, 40) == 70
    for rate in (here, there, here):
        await rate.settle()
    assert admitted(here, credential, 100) == 30
    await here.settle()
    await there.settle()
    assert admitted(there, credential, 1) == 0


async def test_a_new_second_leaves_the_others_what_they_had_of_the_last(processes, moment):
    here, there = processes
    credential = new_id()
    admitted(here, credential, 100)
    admitted(there, credential, 100)
    for rate in (here, there, here):
        await rate.settle()
    for _ in range(3):
        moment[0] += 1
        assert [admitted(rate, credential, LIMIT) for rate in processes] == [LIMIT // 2, LIMIT // 2]
        for rate in (here, there, here):
            await rate.settle()


async def test_who_has_it_alone_has_all_of_a_new_second(processes, moment):
    here, there = processes
    credential = new_id()
    admitted(here, credential, 60)
    admitted(there, credential, 30)
    for rate in (here, there, here):
        await rate.settle()
    moment[0] += 1
    assert admitted(here, credential, 65) == 65  # the other left so much room
    moment[0] += 2
    assert admitted(here, credential, 150) == LIMIT


async def test_who_asks_little_costs_redis_nothing(processes, fragile_redis):
    here, _ = processes
    for _ in range(1000):
        admitted(here, new_id(), 2)
    await here.settle()
    assert fragile_redis.client.dbsize() == 0


async def test_what_redis_holds_is_gone_in_seconds(processes, fragile_redis):
    here, _ = processes
    admitted(here, new_id(), 50)
    await here.settle()
    (name,) = fragile_redis.client.keys()
    assert 0 < fragile_redis.client.pttl(name) <= 3000


async def test_without_redis_each_process_counts_by_itself(processes, fragile_redis):
    here, there = processes
    credential = new_id()
    fragile_redis.kill()
    admitted(here, credential, 60)
    await here.settle()
    await there.settle()
    assert admitted(there, credential, 150) == LIMIT
    assert admitted(here, credential, 150) == LIMIT - 60
