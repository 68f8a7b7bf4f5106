"""Sessions in a mailbox over all processes: each has a lease in Redis, and a mailbox has only so many.

A lease that is not renewed ends after a minute and a half, so that the sessions of a process that was killed do not
keep the owner out for longer. While Redis is away every process counts for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Protocol
from uuid import UUID

from hourpost.gateways.optional_redis import Command, OptionalRedis

LEASE_SECONDS = 90.0
_RENEWED_TOGETHER = 500

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

    async def release(self, mailbox_id: UUID, token: str) -> None:
        """This one is gone."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class RedisSessionLeases:
    """The leases over Redis: of each mailbox a sorted set of tokens by when they end."""

    def __init__(self, url: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._redis = OptionalRedis(url)

    async def take(self, mailbox_id: UUID, token: str, most: int) -> bool:
        """Let a session in; False when there are ``most`` others."""
        answers = await self._redis.run([self._taking(mailbox_id, token, most)])
        return answers is None or bool(answers[0])

    async def renew(self, sessions: Iterable[tuple[UUID, str]], most: int) -> None:
        """These are still there."""
        rest = iter(sessions)
        while some := list(islice(rest, _RENEWED_TOGETHER)):
            await self._redis.run([self._taking(mailbox_id, token, most) for mailbox_id, token in some])

    async def release(self, mailbox_id: UUID, token: str) -> None:
        """This one is gone; what cannot be told to Redis ends by itself."""
        await self._redis.run([("ZREM", _key(mailbox_id), token)])

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.shield(self._redis.aclose())

    def _taking(self, mailbox_id: UUID, token: str, most: int) -> Command:
        return ("EVAL", _TAKE, 1, _key(mailbox_id), token, most, self._lease_ms)


def _key(mailbox_id: UUID) -> str:
    return f"imap:sessions:{{{mailbox_id.hex}}}"
