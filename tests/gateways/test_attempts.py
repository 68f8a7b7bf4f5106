"""Tries at secrets: some are free, each further one waits longer, and Redis's absence locks nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from hourpost.errors import LimitExceeded
from hourpost.gateways.attempts import LONGEST_WAIT_SECONDS, Counted, Home, RedisAttempts


@pytest_asyncio.fixture
async def attempts(redis_url: str) -> AsyncIterator[RedisAttempts]:
    opened = RedisAttempts(redis_url)
    yield opened
    await opened.aclose()


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as opened:
        yield opened


def counted(free: int = 3) -> Counted:
    return Counted("test", uuid4().hex, free)


async def test_the_wait_doubles_after_the_free_tries_and_has_an_end(attempts: RedisAttempts, redis: Redis) -> None:
    one, waits = counted(3), []
    for _ in range(14):
        await attempts.begin([one])
        waits.append(await attempts.take([one]) if len(waits) > 1 else 0)
        await redis.hdel(one.key, "till")  # as if it had passed
    assert waits == [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[LONGEST_WAIT_SECONDS] * 3]


async def test_free_tries_are_let_through_and_the_next_is_told_how_long_to_wait(attempts: RedisAttempts) -> None:
    one = counted()
    for _ in range(3):
        await attempts.begin([one])
    with pytest.raises(LimitExceeded) as told:
        await attempts.begin([one])
    assert told.value.retry_after_seconds in (1, 2)
    assert "second" in told.value.message


async def test_one_of_several_that_must_wait_is_enough_and_counts_for_none(attempts: RedisAttempts) -> None:
    full, other = counted(1), counted(2)
    await attempts.begin([full])
    for _ in range(5):
        with pytest.raises(LimitExceeded):
            await attempts.begin([other, full])
    await attempts.begin([other])


async def test_what_was_right_is_forgotten(attempts: RedisAttempts) -> None:
    one = counted(2)
    for _ in range(6):
        await attempts.begin([one])
        await attempts.succeed(forget=[one])
    for _ in range(6):
        await attempts.begin([one])
        await attempts.succeed(uncount=[one])


async def test_without_redis_nobody_is_locked_out() -> None:
    away = RedisAttempts("redis://127.0.0.1:1/0", timeout_seconds=0.2)
    for _ in range(5):
        await away.begin([counted(1)])
    await away.succeed(forget=[counted()], uncount=[counted()], home=Home("test", "who", "where"))
    await away.aclose()


async def test_many_at_the_same_moment_are_no_way_around(attempts: RedisAttempts) -> None:
    one = counted(3)
    tries = await asyncio.gather(*(attempts.begin([one]) for _ in range(40)), return_exceptions=True)
    assert sum(error is None for error in tries) == 3
    assert all(error is None or isinstance(error, LimitExceeded) for error in tries)


async def test_who_was_let_in_from_a_place_waits_there_only_for_their_own_failures(attempts: RedisAttempts) -> None:
    who, place = uuid4().hex, uuid4().hex
    everywhere = Counted("test", who, 1, holds_at_home=False)
    here = Counted("test-pair", f"{place} {who}", 2)
    home = Home("test", who, place)
    await attempts.begin([everywhere])  # by somebody elsewhere
    assert await attempts.take([everywhere, here], home)
    await attempts.succeed(home=home)
    for _ in range(2):
        await attempts.begin([everywhere, here], home)
    assert await attempts.take([everywhere, here], home)
    assert await attempts.take([everywhere], Home("test", who, "elsewhere"))


async def test_what_is_counted_is_hashed(attempts: RedisAttempts, redis: Redis) -> None:
    await attempts.begin([Counted("test", "ada@secret.test", 1)])
    await attempts.succeed(home=Home("test", "ada@secret.test", "192.0.2.1"))
    assert not [key async for key in redis.scan_iter("*secret*")]
