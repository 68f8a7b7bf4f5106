"""A Redis that its callers can do without: what it does not answer soon, it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hourpost.seldom import Seldom

Command = tuple[bytes | str | int, ...]

_say_away = Seldom("counting without Redis", level="info")


class OptionalRedis:
    """Commands, sent together and once; for ``rest_seconds`` after a failure nothing is asked at all."""

    def __init__(self, url: str, *, timeout_seconds: float = 0.2, rest_seconds: float = 1.0) -> None:
        self._client = redis.Redis.from_url(
            url, socket_connect_timeout=timeout_seconds, socket_timeout=timeout_seconds, retry=Retry(NoBackoff(), 0)
        )
        self._timeout_seconds = timeout_seconds
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0

    async def run(self, commands: Sequence[Command]) -> list[Any] | None:
        """What each command gives; ``None`` while Redis is away, when each of them may have run."""
        if not commands:
            return []
        if monotonic() < self._rests_until:
            return None
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            async with asyncio.timeout(2 * self._timeout_seconds):
                return list(await pipeline.execute())
        except (RedisError, OSError) as fault:
            self._rests_until = monotonic() + self._rest_seconds
            _say_away(cause=repr(fault))
            return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
