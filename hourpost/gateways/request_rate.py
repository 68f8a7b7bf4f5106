"""The request rate: how many requests a second one credential may make, over all processes together.

A request is counted in the process that has it, without waiting for anybody. Several times a second each process tells
Redis what the busy credentials had there, and learns what they had elsewhere; while Redis is away it counts alone.
Until it has heard of a new second, it leaves the others their share of the last one; only what begins in many processes
at the same moment may be more than the limit, in its first tenth of a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from hourpost.errors import LimitExceeded, Quota
from hourpost.gateways.optional_redis import OptionalRedis

_SETTLE_SECONDS = 0.1
_KEPT_MS = 3000
_BUSY_SHARE = 0.02  # of the limit; below it nothing is told, so what is missed is little


class RequestRate:
    """Counts requests of each credential within the running second; ``seconds`` is the same on all processes."""

    def __init__(self, per_second: int, seconds: Callable[[], float] = time.time) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._second = 0
        self._own: dict[UUID | None, int] = {}
        self._told: dict[UUID, int] = {}
        self._elsewhere: dict[UUID | None, int] = {}
        self._redis: OptionalRedis | None = None
        self._settling: asyncio.Task[None] | None = None

    def count(self, credential: UUID | None) -> None:
        """Count one request. Raises: LimitExceeded."""
        if (second := int(self._seconds())) != self._second:
            self._begin(second)
        self._own[credential] = own = self._own.get(credential, 0) + 1
        if own + self._elsewhere.get(credential, 0) > self._per_second:
            message = f"More than {self._per_second} requests in one second."
            quota = Quota("requests", self._per_second, 1, 0, 1)
            raise LimitExceeded("requests", message, retry_after_seconds=1, quota=quota)

    def share(self, redis: OptionalRedis) -> None:
        """Begin to count together with the other processes on ``redis``, which is closed at the end."""
        self._redis = redis
        self._settling = asyncio.create_task(self._settle_for_ever())

    async def stop(self) -> None:
        """Count alone again."""
        if self._settling is not None and self._redis is not None:
            self._settling.cancel()
            with suppress(asyncio.CancelledError):
                await self._settling
            await self._redis.aclose()

    async def settle(self) -> None:
        """Tell what the busy credentials had here, learn what they had elsewhere."""
        second, least = self._second, self._per_second * _BUSY_SHARE
        busy = {one: own for one, own in self._own.items() if one is not None and own > least}
        if not busy or self._redis is None:
            return
        names = [f"requests:{second}:{one.hex}" for one in busy]
        news = [own - self._told.get(one, 0) for one, own in busy.items()]
        additions = [("INCRBY", name, new) for name, new in zip(names, news, strict=True)]
        self._told.update(busy)
        replies = await self._redis.run([*additions, *[("PEXPIRE", name, _KEPT_MS) for name in names]])
        if replies is not None and self._second == second:
            for (one, own), total in zip(busy.items(), replies, strict=False):
                self._elsewhere[one] = total - own

    def _begin(self, second: int) -> None:
        """Begin a second. Until others have told of it, they are taken to want of it what they wanted of the last."""
        expected: dict[UUID | None, int] = {}
        if second == self._second + 1:
            for one, elsewhere in self._elsewhere.items():
                wanted = max(self._per_second, self._own.get(one, 0) + elsewhere)
                expected[one] = elsewhere * self._per_second // wanted
        self._second, self._elsewhere = second, expected
        self._own.clear()
        self._told.clear()

    async def _settle_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            await self.settle()
