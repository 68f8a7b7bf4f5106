"""Login throttle: wrong passwords cost time, counted in Redis by mailbox, by address and by both together.

Each try is counted before the password is looked at, so that a hundred at once are a hundred; a right one takes its
count back. Where somebody has logged in before, delays do not hold: others must not be able to lock the owner out.
While Redis is away nothing is counted, and the bounded pool of hashing is what is left.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from time import monotonic, time
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

_FREE_TRIES = (20, 50, 10)  # of a mailbox, of an address (offices share one), of the pair
_LONGEST_DELAY_SECONDS = 300
_MEMORY_SECONDS = 3600
_KNOWN_SECONDS = 90 * 86400
_KNOWN_ADDRESSES = 50
_TOLD_SECONDS = 600.0
_TOLD = 20_000
_REST_SECONDS = 1.0

log = structlog.get_logger(__name__)


class LoginThrottle(Protocol):
    """Says how long a caller must wait before another password is looked at."""

    async def begin(self, mailbox: str, peer: str) -> float:
        """Count one try; gives seconds to wait when it may not be made now, else 0."""
        ...

    async def succeed(self, mailbox: str, peer: str) -> None:
        """The password was right: forget what was counted for these two, and know the address."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class RedisLoginThrottle:
    """The throttle in Redis. Keys hold no address of a mailbox, only its hash."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._begin = self._redis.register_script(Path(__file__).with_name("login_throttle.lua").read_text())
        self._rests_until = 0.0
        self._told: dict[tuple[str, str], float] = {}

    async def begin(self, mailbox: str, peer: str) -> float:
        """Count one try; gives seconds to wait when it may not be made now, else 0."""
        if monotonic() < self._rests_until:
            return 0.0
        keys = _keys(mailbox, peer)
        arguments: list[str | int] = [_network(peer), *_FREE_TRIES, _LONGEST_DELAY_SECONDS, _MEMORY_SECONDS]
        try:
            wait, _ = await self._begin(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            self._rest(error)
            return 0.0
        return float(wait) / 1000

    async def succeed(self, mailbox: str, peer: str) -> None:
        """The password was right: forget what was counted for these two, and know the address."""
        if monotonic() < self._rests_until:
            return
        of_mailbox, of_peer, of_pair, known = _keys(mailbox, peer)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hincrby(of_mailbox, "tries", -1)
                pipeline.expire(of_mailbox, _MEMORY_SECONDS)
                pipeline.hincrby(of_peer, "tries", -1)
                pipeline.expire(of_peer, _MEMORY_SECONDS)
                pipeline.delete(of_pair)
                if self._is_news(mailbox, peer):
                    pipeline.zadd(known, {_network(peer): time()})
                    pipeline.zremrangebyrank(known, 0, -_KNOWN_ADDRESSES - 1)
                    pipeline.expire(known, _KNOWN_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _is_news(self, mailbox: str, peer: str) -> bool:
        now = monotonic()
        if self._told.get((mailbox, peer), 0.0) > now:
            return False
        if len(self._told) >= _TOLD:
            self._told.clear()
        self._told[(mailbox, peer)] = now + _TOLD_SECONDS
        return True

    def _rest(self, error: Exception) -> None:
        self._rests_until = monotonic() + _REST_SECONDS
        log.warning("tries to log in are not counted", cause=repr(error))


def _keys(mailbox: str, peer: str) -> tuple[str, str, str, str]:
    name = hashlib.sha256(mailbox.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    network = _network(peer)
    # One hash tag: the script touches all four, also in a cluster.
    return (
        f"login:{{all}}:mailbox:{name}",
        f"login:{{all}}:peer:{network}",
        f"login:{{all}}:pair:{name}:{network}",
        f"login:{{all}}:known:{name}",
    )


def _network(peer: str) -> str:
    """The address, of IPv6 the /64 that one customer has."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
