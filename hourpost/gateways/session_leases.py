"""Sessions in a mailbox over all processes: each has a lease in Redis, and a mailbox has only so many.

A lease that is not renewed ends after a minute and a half, so that the sessions of a process that was killed do not
keep the owner out for longer. While Redis is away every process counts for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from hourpost.gateways.optional_redis import Command, OptionalRedis

LEASE_SECONDS = 90.0
_SENT_TOGETHER = 500

# Taking and renewing are one, by Redis's clock: what it has forgotten is taken again, if there is room
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""


class SessionLeases(Protocol):
    """Who is in which mailbox."""

    async def take(self, mailbox_id: UUID, token: str, most: int) -> bool:
        """Let a session in; False when there are ``most`` others."""
        ...

    async def renew(self, sessions: Iterable[tuple[UUID, str]], most: int) -> None:
        """These are still there."""
        ...

    def release(self, mailbox_id: UUID, token: str) -> None:
        """This one is gone; told soon."""
        ...

    async def aclose(self) -> None:
        """Say what is still to be said, and close the connections."""
        ...


class RedisSessionLeases:
    """The leases over Redis: of each mailbox a sorted set of tokens by when they end.

    What is asked while an answer is awaited goes out together with the next: many log in at once.
    """

    def __init__(self, url: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._redis = OptionalRedis(url)
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._flight: asyncio.Task[None] | None = None

    async def take(self, mailbox_id: UUID, token: str, most: int) -> bool:
        """Let a session in; False when there are ``most`` others."""
        answer = await self._ask(self._taking(mailbox_id, token, most))
        return answer is None or bool(answer)

    async def renew(self, sessions: Iterable[tuple[UUID, str]], most: int) -> None:
        """These are still there."""
        rest = iter(sessions)
        while some := list(islice(rest, _SENT_TOGETHER)):
            await self._redis.run([self._taking(mailbox_id, token, most) for mailbox_id, token in some])

    def release(self, mailbox_id: UUID, token: str) -> None:
        """This one is gone; what cannot be told to Redis ends by itself."""
        self._ask(("ZREM", _key(mailbox_id), token))

    async def aclose(self) -> None:
        """Say what is still to be said, and close the connections."""
        if self._flight is not None:
            await self._flight
        await asyncio.shield(self._redis.aclose())

    def _taking(self, mailbox_id: UUID, token: str, most: int) -> Command:
        return ("EVAL", _TAKE, 1, _key(mailbox_id), token, most, self._lease_ms)

    def _ask(self, command: Command) -> asyncio.Future[Any]:
        """The answer; None while Redis is away."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, answer))
        if self._flight is None:
            self._flight = loop.create_task(self._fly())
        return answer

    async def _fly(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:_SENT_TOGETHER], self._waiting[_SENT_TOGETHER:]
            answers = await self._redis.run([command for command, _ in asked]) or [None] * len(asked)
            for (_, waiting), answer in zip(asked, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)
        self._flight = None


def _key(mailbox_id: UUID) -> str:
    return f"imap:sessions:{{{mailbox_id.hex}}}"
