"""Folder feed: word by Redis that a folder has changed: its id and MODSEQ, nothing else.

Lost word costs seconds, never mail: whoever watches compares MODSEQs by itself too, and is told to look after every
silence. Within a process word goes round without Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from hourpost.gateways.metrics import FEED_UNTOLD

OnChange = Callable[[UUID], None]
"""Told the folder to look at; must not wait."""

_CHANNEL = "folder:"
_GATHER_SECONDS = 0.025
_AWAY_SECONDS = 1.0
_MOST_WAITING = 50_000

log = structlog.get_logger(__name__)


class FolderFeed(Protocol):
    """Tells who has a folder open that it has changed."""

    def publish(self, folder_id: UUID, modseq: int) -> None:
        """Tell everybody, soon; called after the commit."""
        ...

    def watch(self, folder_id: UUID, on_change: OnChange) -> Callable[[], None]:
        """Be told of changes until the answer is called."""
        ...

    async def start(self) -> None:
        """Begin to hear and to tell."""
        ...

    async def stop(self) -> None:
        """Tell what is left, and end."""
        ...


class RedisFolderFeed:
    """The feed over Redis. Gathers word for 25 ms, to send and to hear; what comes together is told once."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=1.0, health_check_interval=15)
        self._watchers: dict[UUID, set[_Watcher]] = {}
        self._outgoing: dict[UUID, int] = {}
        self._changed: dict[UUID, int] = {}
        self._seen: dict[UUID, int] = {}
        self._telling: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._is_deaf = False

    async def start(self) -> None:
        """Begin to hear; Redis may be away."""
        self._hearing = asyncio.create_task(self._hear(), name="folder feed")

    async def stop(self) -> None:
        """Send what is left, for a second at most, and end."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=1.0)
        for task in (self._hearing, self._telling, self._sending):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._redis.aclose()

    def publish(self, folder_id: UUID, modseq: int) -> None:
        """Tell everybody that the folder is at ``modseq`` now."""
        self._note(folder_id, modseq)
        if len(self._outgoing) < _MOST_WAITING:
            self._outgoing[folder_id] = max(modseq, self._outgoing.get(folder_id, 0))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    def watch(self, folder_id: UUID, on_change: OnChange) -> Callable[[], None]:
        """Be told of changes until the answer is called; then look once, for what came before the first word."""
        watcher = _Watcher(on_change)
        watchers = self._watchers.setdefault(folder_id, set())
        watchers.add(watcher)
        if len(watchers) == 1:
            self._wanted.set()
        return lambda: self._leave(folder_id, watcher)

    def _leave(self, folder_id: UUID, watcher: _Watcher) -> None:
        watchers = self._watchers.get(folder_id, set())
        watchers.discard(watcher)
        if not watchers and self._watchers.pop(folder_id, None) is not None:
            self._seen.pop(folder_id, None)
            self._wanted.set()

    def _note(self, folder_id: UUID, modseq: int) -> None:
        if folder_id not in self._watchers or modseq <= self._seen.get(folder_id, 0):
            return
        self._seen[folder_id] = modseq
        self._changed[folder_id] = modseq
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while self._changed:
            await asyncio.sleep(_GATHER_SECONDS)
            changed, self._changed = self._changed, {}
            for folder_id in changed:
                for watcher in tuple(self._watchers.get(folder_id, ())):
                    watcher.on_change(folder_id)

    def _tell_everybody(self) -> None:
        """After a silence each watched folder may have changed."""
        for folder_id, watchers in list(self._watchers.items()):
            for watcher in tuple(watchers):
                watcher.on_change(folder_id)

    async def _send(self) -> None:
        while self._outgoing:
            batch, self._outgoing = self._outgoing, {}
            try:
                async with asyncio.timeout(_AWAY_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                    for folder_id, modseq in batch.items():
                        pipeline.publish(_CHANNEL + folder_id.hex, str(modseq))
                    await pipeline.execute()
            except (RedisError, OSError) as error:
                FEED_UNTOLD.inc(len(batch))
                log.warning("changes of folders were not told", folders=len(batch), cause=repr(error))
                await asyncio.sleep(_AWAY_SECONDS)
            await asyncio.sleep(_GATHER_SECONDS)

    async def _hear(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if not self._is_deaf:  # said once: an outage is long, and we try each second
                    log.warning("changes of folders are not heard", cause=repr(error))
                self._is_deaf = True
            await asyncio.sleep(_AWAY_SECONDS)

    async def _listen(self) -> None:
        """Hear until Redis goes away; what is subscribed follows what is watched."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(_CHANNEL)  # a channel that nobody uses keeps the connection in its mode
            if self._is_deaf:
                log.info("changes of folders are heard again")
            self._is_deaf = False
            heard: set[UUID] = set()
            await self._follow(pubsub, heard)
            self._tell_everybody()
            following = asyncio.create_task(self._keep_following(pubsub, heard))
            try:
                await self._receive(pubsub)
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError, RedisError, OSError):
                    await following

    async def _keep_following(self, pubsub: PubSub, heard: set[UUID]) -> None:
        while True:
            await self._wanted.wait()
            await self._follow(pubsub, heard)

    async def _follow(self, pubsub: PubSub, heard: set[UUID]) -> None:
        self._wanted.clear()
        wanted = set(self._watchers)
        new, old = wanted - heard, heard - wanted
        if new:
            await pubsub.subscribe(*[_CHANNEL + one.hex for one in new])
        if old:
            await pubsub.unsubscribe(*[_CHANNEL + one.hex for one in old])
        heard.clear()
        heard.update(wanted)

    async def _receive(self, pubsub: PubSub) -> None:
        async for message in pubsub.listen():
            with suppress(ValueError):
                folder_id = UUID(hex=message["channel"].decode().removeprefix(_CHANNEL))
                self._note(folder_id, int(message["data"]))


class _Watcher:
    """One who is told; each watch is its own, also of the same function."""

    __slots__ = ("on_change",)

    def __init__(self, on_change: OnChange) -> None:
        self.on_change = on_change
