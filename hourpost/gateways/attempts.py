"""Tries at secrets, counted in Redis by all processes together: after some free ones each further one must wait longer.

A try is counted before it is made, so that a hundred at once are a hundred; one that was right takes its count back.
Where somebody has been let in before, what others do from elsewhere locks nobody out. While Redis is away nothing is
counted: better a log-in without delay than none, and the few threads that hash are what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import monotonic, time
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hourpost.errors import LimitExceeded

MEMORY_SECONDS = 3600
LONGEST_WAIT_SECONDS = 900
_KNOWN_SECONDS = 90 * 86400
_MOST_KNOWN = 50
_TOLD_SECONDS = 600.0
_MOST_TOLD = 20_000
_REST_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counted:
    """What tries are counted by, such as an address; ``free`` of them in an hour need not wait.

    ``holds_at_home`` says whether one must wait for it also where one is known.
    """

    kind: str
    value: str
    free: int = 0
    longest_seconds: int = LONGEST_WAIT_SECONDS
    holds_at_home: bool = True

    @property
    def key(self) -> str:
        """Redis's key; what is counted by may be personal, so it is hashed. One tag: a script touches several."""
        return f"attempts:{{all}}:{self.kind}:{_hashed(self.value)}"


@dataclass(frozen=True, slots=True)
class Home:
    """Whom a try is made as, and from which place: known once they were let in from there."""

    kind: str
    value: str
    place: str

    @property
    def key(self) -> str:
        """Redis's key of all places of theirs."""
        return f"attempts:{{all}}:known:{self.kind}:{_hashed(self.value)}"


class Attempts(Protocol):
    """Counts tries."""

    async def take(self, counted: Sequence[Counted], home: Home | None = None) -> int:
        """Count a try before it is made; gives the seconds to wait where it may not be made now, else 0."""

    async def begin(self, counted: Sequence[Counted], home: Home | None = None) -> None:
        """Count a try before it is made. Raises: LimitExceeded while it must wait."""

    async def succeed(
        self, *, forget: Sequence[Counted] = (), uncount: Sequence[Counted] = (), home: Home | None = None
    ) -> None:
        """After one that was right: forget all tries of some, this one of others, and know the place."""

    async def aclose(self) -> None:
        """Close the connections."""


class RedisAttempts:
    """Tries in Redis; after it did not answer it is left alone for a second."""

    def __init__(self, url: str, *, timeout_seconds: float = 0.5) -> None:
        self._redis = Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)
        self._take = self._redis.register_script(Path(__file__).with_suffix(".lua").read_text())
        self._rests_until = 0.0
        self._told: dict[Home, float] = {}

    async def take(self, counted: Sequence[Counted], home: Home | None = None) -> int:
        """Count a try before it is made; gives the seconds to wait where it may not be made now, else 0."""
        if monotonic() < self._rests_until:
            return 0
        keys = [one.key for one in counted] + ([home.key] if home else [])
        arguments: list[str | int] = [len(counted), MEMORY_SECONDS, home.place if home else ""]
        for one in counted:
            arguments += [one.free, one.longest_seconds, int(one.holds_at_home)]
        try:
            wait_ms = await self._take(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            self._rest(error)
            return 0
        return ceil(int(wait_ms) / 1000)

    async def begin(self, counted: Sequence[Counted], home: Home | None = None) -> None:
        """Count a try before it is made. Raises: LimitExceeded while it must wait."""
        if seconds := await self.take(counted, home):
            message = f"Too many tries. Try again in {_words(seconds)}."
            raise LimitExceeded("attempts", message, retry_after_seconds=seconds)

    async def succeed(
        self, *, forget: Sequence[Counted] = (), uncount: Sequence[Counted] = (), home: Home | None = None
    ) -> None:
        """After one that was right: forget all tries of some, this one of others, and know the place."""
        if monotonic() < self._rests_until:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for one in forget:
                    pipeline.delete(one.key)
                for one in uncount:
                    pipeline.hincrby(one.key, "tries", -1)
                    pipeline.expire(one.key, MEMORY_SECONDS)
                if home is not None and self._is_news(home):
                    pipeline.zadd(home.key, {home.place: time()})
                    pipeline.zremrangebyrank(home.key, 0, -_MOST_KNOWN - 1)
                    pipeline.expire(home.key, _KNOWN_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _is_news(self, home: Home) -> bool:
        now = monotonic()
        if self._told.get(home, 0.0) > now:
            return False
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[home] = now + _TOLD_SECONDS
        return True

    def _rest(self, error: Exception) -> None:
        self._rests_until = monotonic() + _REST_SECONDS
        log.warning("tries are not counted", cause=repr(error))


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _words(seconds: int) -> str:
    if seconds < 90:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    return f"{-(-seconds // 60)} minutes"
