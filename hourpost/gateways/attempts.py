"""Tries at secrets, counted in Redis: after some free ones each further one must wait longer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hourpost.errors import LimitExceeded

MEMORY_SECONDS = 3600
LONGEST_WAIT_SECONDS = 900

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counted:
    """What tries are counted by, such as an address; ``free`` of them in an hour need not wait."""

    kind: str
    value: str
    free: int

    @property
    def key(self) -> str:
        """Redis's key; what is counted by may be personal, so it is hashed."""
        return f"attempts:{self.kind}:{hashlib.sha256(self.value.encode()).hexdigest()[:32]}"


def wait_after(count: int, free: int) -> int:
    """Seconds until the try after ``count`` of them: none while they are free, then twice as long each time."""
    if count < free:
        return 0
    return int(min(LONGEST_WAIT_SECONDS, 2 ** min(count - free + 1, 16)))


class Attempts(Protocol):
    """Counts tries."""

    async def begin(self, counted: Sequence[Counted]) -> None:
        """Count a try before it is made. Raises: LimitExceeded while it must wait."""

    async def forget(self, counted: Counted) -> None:
        """Forget the tries after one that was right."""

    async def uncount(self, counted: Counted) -> None:
        """Forget one try, which was right."""

    async def aclose(self) -> None:
        """Close the connections."""


class RedisAttempts:
    """Tries in Redis. While it is away nothing is counted: better a log-in without delay than none."""

    def __init__(self, url: str, *, timeout_seconds: float = 1.0) -> None:
        self._redis = Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)

    async def begin(self, counted: Sequence[Counted]) -> None:
        """Count a try before it is made. Raises: LimitExceeded while it must wait."""
        try:
            waits = [await self._redis.ttl(f"{one.key}:wait") for one in counted]
            longest = max([0, *waits])
            if not longest:
                longest = max([0, *[await self._count(one) for one in counted]])
        except (RedisError, OSError) as error:
            log.warning("attempts are not counted", cause=repr(error))
            return
        if longest:
            message = f"Too many tries. Try again in {_words(longest)}."
            raise LimitExceeded("attempts", message, retry_after_seconds=longest)

    async def forget(self, counted: Counted) -> None:
        """Forget the tries after one that was right."""
        try:
            await self._redis.delete(counted.key, f"{counted.key}:wait")
        except (RedisError, OSError) as error:
            log.warning("attempts are not forgotten", cause=repr(error))

    async def uncount(self, counted: Counted) -> None:
        """Forget one try, which was right."""
        try:
            await self._redis.decr(counted.key)
            await self._redis.expire(counted.key, MEMORY_SECONDS)
        except (RedisError, OSError) as error:
            log.warning("attempts are not forgotten", cause=repr(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _count(self, one: Counted) -> int:
        """Seconds that this try must wait after all: of many at the same moment only the first goes on."""
        count = await self._redis.incr(one.key)
        await self._redis.expire(one.key, MEMORY_SECONDS)
        wait = wait_after(count, one.free)
        if not wait or await self._redis.set(f"{one.key}:wait", b"1", ex=wait, nx=True):
            return 0
        return wait


def _words(seconds: int) -> str:
    if seconds < 90:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    return f"{-(-seconds // 60)} minutes"
