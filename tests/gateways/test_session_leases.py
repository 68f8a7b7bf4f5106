"""Leases of sessions: so many in a mailbox, over all processes, and none for longer than it is renewed."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from redis.asyncio import Redis

from hourpost.gateways.session_leases import LEASE_SECONDS, RedisSessionLeases


async def test_a_mailbox_has_so_many_and_a_place_that_is_left_is_free(redis_url: str) -> None:
    one, other = RedisSessionLeases(redis_url), RedisSessionLeases(redis_url)
    mailbox_id = uuid4()
    assert await one.take(mailbox_id, "a", 2)
    assert await other.take(mailbox_id, "b", 2)
    assert not await other.take(mailbox_id, "c", 2)
    assert await one.take(mailbox_id, "a", 2)
    assert await other.take(uuid4(), "c", 2)
    one.release(mailbox_id, "a")
    await one.aclose()
    assert await other.take(mailbox_id, "c", 2)
    await other.aclose()


async def test_a_lease_that_is_not_renewed_ends_and_one_that_is_does_not(redis_url: str) -> None:
    leases = RedisSessionLeases(redis_url)
    mailbox_id = uuid4()
    key = f"imap:sessions:{{{mailbox_id.hex}}}"
    assert await leases.take(mailbox_id, "kept", 2)
    assert await leases.take(mailbox_id, "lost", 2)
    async with Redis.from_url(redis_url) as redis:
        seconds, _ = await redis.time()
        assert 0 < await redis.zscore(key, "lost") - seconds * 1000 <= LEASE_SECONDS * 1000 + 1000
        assert 0 < await redis.pttl(key) <= LEASE_SECONDS * 1000
        await redis.zincrby(key, -LEASE_SECONDS * 500, "kept")  # as if half of it, and all of it, were over
        await redis.zincrby(key, -LEASE_SECONDS * 1000, "lost")
        before = await redis.zscore(key, "kept")
        await leases.renew([(mailbox_id, "kept")], 2)
        assert await redis.zscore(key, "kept") > before
    assert await leases.take(mailbox_id, "new", 2)
    assert not await leases.take(mailbox_id, "another", 2)
    await leases.aclose()


async def test_without_redis_nobody_is_locked_out() -> None:
    leases = RedisSessionLeases("redis://127.0.0.1:1/0")
    assert await leases.take(uuid4(), "a", 1)
    await leases.renew([(uuid4(), "a")], 1)
    leases.release(uuid4(), "a")
    await leases.aclose()


async def test_many_at_once_are_each_answered_for_themselves(redis_url: str) -> None:
    leases = RedisSessionLeases(redis_url)
    mailboxes = [uuid4() for _ in range(20)]
    asked = [leases.take(mailbox_id, str(number), 3) for mailbox_id in mailboxes for number in range(5)]
    answers = await asyncio.gather(*asked)
    assert [answers[at : at + 5] for at in range(0, 100, 5)] == [[True, True, True, False, False]] * 20
    await leases.aclose()
