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

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

LEASE_SECONDS = 90.0
_TIMEOUT_SECONDS = 0.5
_RENEWED_TOGETHER = 1000

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

log = structlog.get_logger(__name__)


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
        self._redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, max_connections=64
        )
        self._take = self._redis.register_script(_TAKE)

    async def take(self, mailbox_id: UUID, token: str, most: int) -> bool:
        """Let a session in; False when there are ``most`` others."""
        try:
            return bool(await self._take(keys=[_key(mailbox_id)], args=[token, most, self._lease_ms]))
        except (RedisError, OSError) as error:
            log.warning("a session is counted in its process only", cause=repr(error))
            return True

    async def renew(self, sessions: Iterable[tuple[UUID, str]], most: int) -> None:
        """These are still there."""
        rest = iter(sessions)
        try:
            while some := list(islice(rest, _RENEWED_TOGETHER)):
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for mailbox_id, token in some:
                        await self._take(keys=[_key(mailbox_id)], args=[token, most, self._lease_ms], client=pipeline)
                    await pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("sessions are counted in their process only", cause=repr(error))

    async def release(self, mailbox_id: UUID, token: str) -> None:
        """This one is gone; what cannot be told to Redis ends by itself."""
        try:
            await self._redis.zrem(_key(mailbox_id), token)
        except (RedisError, OSError) as error:
            log.warning("a session's lease ends by itself", cause=repr(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.shield(self._redis.aclose())


def _key(mailbox_id: UUID) -> str:
    return f"imap:sessions:{{{mailbox_id.hex}}}"
