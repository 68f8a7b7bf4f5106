"""Word that a folder has changed: within a process, between two, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.rules.ids import new_id

Start = Callable[..., Awaitable[RedisFolderFeed]]


class Ear:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.heard: list[UUID] = []
        self.event = asyncio.Event()

    def __call__(self, folder_id: UUID) -> None:
        self.heard.append(folder_id)
        self.event.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.event.wait(), 10)
        self.event.clear()


@pytest_asyncio.fixture
async def start(redis_url: str) -> AsyncIterator[Start]:
    started: list[RedisFolderFeed] = []

    async def start_one(url: str = redis_url) -> RedisFolderFeed:
        feed = RedisFolderFeed(url)
        started.append(feed)
        await feed.start()
        return feed

    yield start_one
    for feed in started:
        await feed.stop()


async def subscribed(redis_url: str, folder_id: UUID, wanted: int = 1) -> None:
    """Wait until so many processes listen for this folder."""
    async with Redis.from_url(redis_url) as redis, asyncio.timeout(10):
        while (await redis.pubsub_numsub(f"folder:{folder_id.hex}"))[0][1] != wanted:  # noqa: ASYNC110  # Redis rings no bell
            await asyncio.sleep(0.01)


async def test_that_redis_is_away_is_said_once_and_when_it_is_there_again_too(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hourpost.gateways.folder_feed._AWAY_SECONDS", 0.01)
    feed, tries, listen = RedisFolderFeed(redis_url), 0, RedisFolderFeed._listen

    async def fail_thrice(self: RedisFolderFeed) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise OSError("no route to host")
        await listen(self)

    monkeypatch.setattr(RedisFolderFeed, "_listen", fail_thrice)
    with capture_logs() as log:
        await feed.start()
        async with asyncio.timeout(20):
            while not any("heard again" in line["event"] for line in log):  # noqa: ASYNC110  # a log rings no bell
                await asyncio.sleep(0.01)
    await feed.stop()
    assert [line["event"] for line in log] == ["changes of folders are not heard", "changes of folders are heard again"]


async def test_word_goes_from_process_to_process(start: Start, redis_url: str) -> None:
    one, other = await start(), await start()
    folder_id, ear = new_id(), Ear()
    other.watch(folder_id, ear)
    await subscribed(redis_url, folder_id)
    one.publish(folder_id, 5)
    await ear.wait()
    assert set(ear.heard) == {folder_id}


async def test_what_comes_together_is_told_once(start: Start, redis_url: str) -> None:
    one, other = await start(), await start()
    folder_id, ear, last_id, last = new_id(), Ear(), new_id(), Ear()
    other.watch(folder_id, ear)
    other.watch(last_id, last)
    for folder in (folder_id, last_id):
        await subscribed(redis_url, folder)
    last.heard.clear()
    for modseq in range(1, 50):
        one.publish(folder_id, modseq)
    while folder_id not in ear.heard:
        await ear.wait()
    one.publish(folder_id, 49)  # told before
    one.publish(last_id, 1)
    while last_id not in last.heard:
        await last.wait()
    assert len(ear.heard) <= 2  # once, and perhaps once because it began to listen


async def test_who_has_left_hears_nothing(start: Start, redis_url: str) -> None:
    feed, folder_id, gone, stays = await start(), new_id(), Ear(), Ear()
    leave = feed.watch(folder_id, gone)
    leave_too = feed.watch(folder_id, stays)
    await subscribed(redis_url, folder_id)
    gone.heard.clear()
    leave()
    leave()
    feed.publish(folder_id, 7)
    await stays.wait()
    assert gone.heard == []
    leave_too()
    await subscribed(redis_url, folder_id, 0)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0"])
async def test_without_redis_word_still_goes_round_in_the_process(start: Start, url: str) -> None:
    feed, folder_id, ear = await start(url), new_id(), Ear()
    feed.watch(folder_id, ear)
    feed.publish(folder_id, 3)
    await ear.wait()
    assert ear.heard == [folder_id]


async def test_after_a_lost_connection_everybody_looks(start: Start, redis_url: str) -> None:
    feed, folder_id, ear = await start(), new_id(), Ear()
    feed.watch(folder_id, ear)
    await subscribed(redis_url, folder_id)
    ear.event.clear()
    ear.heard.clear()
    async with Redis.from_url(redis_url) as redis:
        await redis.client_kill_filter(_type="pubsub")
    await ear.wait()
    await subscribed(redis_url, folder_id)
