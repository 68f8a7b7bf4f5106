"""Tries at secrets: some are free, each further one waits longer, and Redis's absence locks nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from hourpost.errors import LimitExceeded
from hourpost.gateways.attempts import LONGEST_WAIT_SECONDS, MEMORY_SECONDS, Counted, Home, OwnAttempts, RedisAttempts
from tests.gateways.conftest import RedisServer


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


async def test_while_redis_is_stopped_guessing_is_still_slow(fragile_redis: RedisServer) -> None:
    """What was counted before it stopped goes on to count."""
    own, one, other = OwnAttempts(lambda: 1000.0), counted(3), counted(3)
    attempts = RedisAttempts(fragile_redis.url, timeout_seconds=5, own=own)
    for _ in range(2):
        await attempts.begin([one])
    await asyncio.to_thread(fragile_redis.kill)
    await attempts.begin([one])
    tries = await asyncio.gather(*(attempts.begin([one, other]) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(error, LimitExceeded) for error in tries)
    await attempts.begin([other])  # nothing was counted for it
    await attempts.aclose()


def test_one_process_counts_as_redis_does() -> None:
    now = [1000.0]
    own, one, waits = OwnAttempts(lambda: now[0]), counted(3), []
    for _ in range(14):
        now[0] += own.wait([one], None)
        own.count([one])
        waits.append(own.wait([one], None))
    assert waits == [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[LONGEST_WAIT_SECONDS] * 3]
    now[0] += MEMORY_SECONDS
    own.count([one])
    assert own.wait([one], None) == 0


def test_one_process_forgets_what_was_right_and_knows_the_place() -> None:
    own, who = OwnAttempts(lambda: 1000.0), uuid4().hex
    everywhere, here = Counted("test", who, 1, holds_at_home=False), Counted("test-pair", who, 3)
    home = Home("test", who, "here")
    own.count([everywhere, here])
    assert own.wait([everywhere], home)
    own.succeed([], [everywhere, here], home)
    assert not own.wait([everywhere], home)
    assert own.wait([everywhere], Home("test", who, "elsewhere"))
    for _ in range(3):
        own.count([here])
    assert own.wait([here], home)  # what fails here counts here
    own.succeed([here], [], home)
    assert not own.wait([here], home)


def test_what_one_process_counts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hourpost.gateways.attempts._MOST_COUNTED", 3)
    own, some = OwnAttempts(), [counted(1) for _ in range(4)]
    for one in some:
        own.count([one])
    assert [bool(own.wait([one], None)) for one in some] == [False, True, True, True]


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
