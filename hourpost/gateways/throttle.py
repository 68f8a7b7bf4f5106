"""The throttle of submission: who fails waits longer each time, by address and by credential, on all processes alike.

Programs that send would take a refusal for a wrong password, so they are kept waiting and are looked at all the same;
people and mail programs, who can be told to come again, are counted by ``attempts.py``. A failure costs the same time
whatever was wrong::

    keys = login_keys(address, "smtp", username)
    waited = await throttle.delay(keys)
    await asyncio.sleep(waited)
    started = loop.time()
    if not await is_right(username, password):          # in the same time for unknown user and wrong secret
        await asyncio.sleep(started + await throttle.failed(keys) - loop.time())
        …refuse, with the same words for both…
    elif waited:
        await throttle.succeeded(keys)

The counts are in Redis. While it is away each process counts by itself: nobody is locked out or let in for that.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hourpost.gateways.optional_redis import OptionalRedis
from hourpost.rules.networks import network_of

_MAX_REMEMBERED = 10_000


class LoginKeys(NamedTuple):
    """Whose failures count together: one network address, and one credential of one kind."""

    address: str
    credential: str


def login_keys(address: str, kind: str, username: str) -> LoginKeys:
    """The keys of one log-in. ``kind`` says what is logged in to, such as smtp.

    Names are hashed: they may be long, and a mistyped name may be a password.
    """
    digest = hashlib.sha256(f"{kind} {username.strip().lower()}".encode(errors="surrogatepass")).hexdigest()[:32]
    return LoginKeys(f"address {network_of(address)}", f"{kind} {digest}")


@dataclass(frozen=True, slots=True)
class Growth:
    """After the first failure ``first_seconds``, twice as long after each further one, up to ``longest_seconds``."""

    first_seconds: float = 0.25
    longest_seconds: float = 8.0
    forget_seconds: float = 900.0  # after the last failure

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        return min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.longest_seconds) if failures > 0 else 0.0


class LoginThrottle(Protocol):
    """Remembers failed log-ins. Nothing here raises or waits for long: the caller sleeps what it is told."""

    async def delay(self, keys: LoginKeys) -> float:
        """How many seconds a log-in has to wait before it is looked at; 0.0 for who has not failed lately."""

    async def failed(self, keys: LoginKeys) -> float:
        """Remember a failure; gives how many seconds after its begin it is to be answered."""

    async def succeeded(self, keys: LoginKeys) -> None:
        """Forget the failures of the credential; those of the address stay, for others may come from there."""


class LocalThrottle:
    """One process's own count, bounded: the failure that is longest ago is forgotten when there are too many."""

    def __init__(self, growth: Growth | None = None, seconds: Callable[[], float] = time.monotonic) -> None:
        self._growth = growth or Growth()
        self._seconds = seconds
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def delay(self, keys: LoginKeys) -> float:
        """How many seconds a log-in has to wait."""
        return self._growth.delay(max(map(self.count, keys)))

    async def failed(self, keys: LoginKeys) -> float:
        """Remember a failure; gives how many seconds after its begin it is to be answered."""
        return self._growth.delay(max(map(self.add, keys)))

    async def succeeded(self, keys: LoginKeys) -> None:
        """Forget the failures of the credential."""
        self._failures.pop(keys.credential, None)

    def count(self, key: str) -> int:
        """How often ``key`` has failed lately."""
        count, until = self._failures.get(key, (0, 0.0))
        return count if self._seconds() <= until else 0

    def add(self, key: str) -> int:
        """Count one more failure; gives how many there are."""
        count = self.count(key) + 1
        self._failures.pop(key, None)
        self._failures[key] = (count, self._seconds() + self._growth.forget_seconds)
        if len(self._failures) > _MAX_REMEMBERED:
            self._failures.popitem(last=False)
        return count


class RedisThrottle:
    """The count of all processes; with this process's own beside it, for while Redis is away."""

    def __init__(self, url: str, growth: Growth | None = None) -> None:
        self._growth = growth or Growth()
        self._own = LocalThrottle(self._growth)
        self._redis = OptionalRedis(url)

    async def delay(self, keys: LoginKeys) -> float:
        """How many seconds a log-in has to wait."""
        replies = await self._redis.run([("MGET", *map(_name, keys))])
        counts = [int(count or 0) for count in replies[0]] if replies else []
        return self._longest(counts, [self._own.count(key) for key in keys])

    async def failed(self, keys: LoginKeys) -> float:
        """Remember a failure; gives how many seconds after its begin it is to be answered."""
        forget_ms = max(1, round(self._growth.forget_seconds * 1000))
        increments = [("INCR", _name(key)) for key in keys]
        replies = await self._redis.run([*increments, *[("PEXPIRE", _name(key), forget_ms) for key in keys]])
        return self._longest((replies or [])[: len(keys)], [self._own.add(key) for key in keys])

    async def succeeded(self, keys: LoginKeys) -> None:
        """Forget the failures of the credential."""
        await self._own.succeeded(keys)
        await self._redis.run([("DEL", _name(keys.credential))])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _longest(self, shared: Sequence[int], own: Sequence[int]) -> float:
        return self._growth.delay(max([*shared, *own]))


def _name(key: str) -> str:
    return f"failed-logins:{key}"
