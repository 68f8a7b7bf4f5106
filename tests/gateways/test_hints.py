"""Hints: what rings while one is on its way goes into the next, all of it, in its order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from uuid import UUID

import pytest
import redis

from hourpost.gateways.hints import IDS_IN_A_HINT, QUEUE, TASK, CeleryHints, gather_seconds
from hourpost.rules.ids import new_id


def published(broker: redis.Redis) -> list[list[UUID]]:
    """The ids of each hint in the broker, the oldest first."""
    hints = [json.loads(one) for one in reversed(broker.lrange(QUEUE, 0, -1))]
    assert all(one["headers"]["task"] == TASK for one in hints)
    return [[UUID(hex=each) for each in json.loads(base64.b64decode(one["body"]))[0][0]] for one in hints]


async def ring(redis_url: str, *rings: Sequence[UUID]) -> list[list[UUID]]:
    """Ring one after the other within one turn of the loop; gives the hints."""
    with redis.Redis.from_url(redis_url) as broker:
        broker.delete(QUEUE)
        hints = CeleryHints(redis_url)
        await hints.start()
        for ids in rings:
            hints.ring(ids)
        await hints.stop()
        assert hints.failures == 0
        return published(broker)


@pytest.mark.parametrize("count", [1, 15, 16, IDS_IN_A_HINT])
async def test_what_rings_at_once_is_one_hint(redis_url: str, count: int) -> None:
    ids = [new_id() for _ in range(count)]
    assert await ring(redis_url, *([one] for one in ids)) == [ids]


async def test_more_than_fits_into_one_is_told_in_order_and_whole(redis_url: str) -> None:
    ids = [new_id() for _ in range(2 * IDS_IN_A_HINT + 7)]
    found = await ring(redis_url, ids)
    assert [len(one) for one in found] == [IDS_IN_A_HINT, IDS_IN_A_HINT, 7]
    assert [one for hint in found for one in hint] == ids


async def test_what_rings_after_a_large_hint_waits_for_the_next_one(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as broker:
        broker.delete(QUEUE)
        hints = CeleryHints(redis_url)
        first, later = [new_id() for _ in range(40)], [new_id() for _ in range(3)]
        hints.ring(first)
        async with asyncio.timeout(10):
            while not published(broker):  # noqa: ASYNC110  # it is in another process
                await asyncio.sleep(0.005)
        for one in later:
            hints.ring([one])
            await asyncio.sleep(0)
        await hints.stop()
        assert published(broker) == [first, later]


@pytest.mark.parametrize("few", [0, 1, 15])
@pytest.mark.parametrize("many", [16, IDS_IN_A_HINT - 1])
def test_it_waits_for_longer_after_many_but_not_where_more_are_there_already(few: int, many: int) -> None:
    assert gather_seconds(few) == gather_seconds(IDS_IN_A_HINT) < gather_seconds(many)
