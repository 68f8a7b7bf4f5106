"""Locks of maildrops: one POP3 session a mailbox, by a lease in Redis with a token (RFC 1939 §4).

A lease lasts a minute without renewal, so that a process that is killed locks nobody out for longer. While Redis is
away the lock is not kept: what is marked goes in one transaction, and twice is once, so no mail can be wrong by it.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import Protocol
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hourpost.seldom import Seldom

LEASE_SECONDS = 60
_TIMEOUT_SECONDS = 1.0

# Taking and renewing are one: what Redis forgot is taken again, what somebody else has is not
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

log = structlog.get_logger(__name__)
_say_unlocked = Seldom("a maildrop is not locked")


class MaildropLocks(Protocol):
    """Who has a maildrop to themselves."""

    async def take(self, mailbox_id: UUID, token: str) -> bool:
        """Take or renew the lock for ``token``; False while somebody else has it."""
        ...

    async def release(self, mailbox_id: UUID, token: str) -> None:
        """Give it back, if it is still ours."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def new_token() -> str:
    """A token that nobody else has."""
    return token_hex(16)


class RedisMaildropLocks:
    """The locks over Redis."""

    def __init__(self, url: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, max_connections=16
        )
        self._take = self._redis.register_script(_TAKE)
        self._release = self._redis.register_script(_RELEASE)

    async def take(self, mailbox_id: UUID, token: str) -> bool:
        """Take or renew the lock for ``token``; False while somebody else has it."""
        try:
            return bool(await self._take(keys=[_key(mailbox_id)], args=[token, self._lease_ms]))
        except (RedisError, OSError) as error:
            _say_unlocked(cause=repr(error))
            return True

    async def release(self, mailbox_id: UUID, token: str) -> None:
        """Give it back, if it is still ours; what cannot be told to Redis ends by itself."""
        try:
            await self._release(keys=[_key(mailbox_id)], args=[token])
        except (RedisError, OSError) as error:
            log.warning("a maildrop's lock ends by itself", cause=repr(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.shield(self._redis.aclose())


def _key(mailbox_id: UUID) -> str:
    return f"maildrop:{{{mailbox_id.hex}}}"
