"""The throttle of submission: who fails waits longer each time, on all processes alike.

What makes one wait is one's own failures: those with one user name from one address. So that guessing stays slow there
are two coarse bounds beside: from one address so many names may have failed, and with one name so many tries from
anywhere. A program that goes on with an old password slows itself, and not its neighbours behind the same address.

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

from hourpost.gateways.optional_redis import Command, OptionalRedis
from hourpost.rules.networks import network_of

_MAX_REMEMBERED = 10_000


class LoginKeys(NamedTuple):
    """What failures are counted by: a credential of one kind from one network address, the credential, the address.

    Of the address the names count that have failed, however often: their number tells who guesses from who is mistaken.
    """

    pair: str
    credential: str
    address: str


# How many of each, in the order of the keys, cost nothing
_FREE = (0, 20, 10)


def login_keys(address: str, kind: str, username: str) -> LoginKeys:
    """The keys of one log-in. ``kind`` says what is logged in to, such as smtp.

    Names are hashed: they may be long, and a mistyped name may be a password.
    """
    digest = hashlib.sha256(f"{kind} {username.strip().lower()}".encode(errors="surrogatepass")).hexdigest()[:32]
    place = network_of(address)
    return LoginKeys(f"{kind} {digest} from {place}", f"{kind} {digest}", f"names {place}")


@dataclass(frozen=True, slots=True)
class Growth:
    """After the first failure ``first_seconds``, twice as long after each further one, up to ``longest_seconds``."""

    first_seconds: float = 0.25
    longest_seconds: float = 8.0
    forget_seconds: float = 900.0  # after the last failure

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        return min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.longest_seconds) if failures > 0 else 0.0

    def longest(self, counts: Sequence[int]) -> float:
        """Seconds to wait after so many failures by each of the keys."""
        return self.delay(max([count - free for count, free in zip(counts, _FREE, strict=True)]))


class LoginThrottle(Protocol):
    """Remembers failed log-ins. Nothing here raises or waits for long: the caller sleeps what it is told."""

    async def delay(self, keys: LoginKeys) -> float:
        """How many seconds a log-in has to wait before it is looked at; 0.0 for who has not failed lately."""

    async def failed(self, keys: LoginKeys) -> float:
        """Remember a failure; gives how many seconds after its begin it is to be answered."""

    async def succeeded(self, keys: LoginKeys) -> None:
        """Forget the failures of the credential; the names of the address stay, for others may come from there."""


class LocalThrottle:
    """One process's own count, bounded: the failure that is longest ago is forgotten when there are too many."""

    def __init__(self, growth: Growth | None = None, seconds: Callable[[], float] = time.monotonic) -> None:
        self._growth = growth or Growth()
        self._seconds = seconds
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def delay(self, keys: LoginKeys) -> float:
        """How many seconds a log-in has to wait."""
        return self._growth.longest(self.counts(keys))

    async def failed(self, keys: LoginKeys) -> float:
        """Remember a failure; gives how many seconds after its begin it is to be answered."""
        return self._growth.longest(self.add_all(keys))

    async def succeeded(self, keys: LoginKeys) -> None:
        """Forget the failures of the credential."""
        self._failures.pop(keys.pair, None)
        self._failures.pop(keys.credential, None)

    def counts(self, keys: LoginKeys) -> list[int]:
        """How often each has failed lately."""
        return [self.count(key) for key in keys]

    def add_all(self, keys: LoginKeys) -> list[int]:
        """Count one more failure by each; by the address only a name that is new."""
        tries = self.add(keys.pair), self.add(keys.credential)
        return [*tries, self.add(keys.address) if tries[0] == 1 else self.count(keys.address)]

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
        return self._longest([int(count or 0) for count in replies[0]] if replies else None, self._own.counts(keys))

    async def failed(self, keys: LoginKeys) -> float:
        """Remember a failure; gives how many seconds after its begin it is to be answered."""
        replies = await self._redis.run([*self._count(keys.pair), *self._count(keys.credential)])
        shared = [int(replies[0]), int(replies[2])] if replies else None
        if shared:
            is_new = shared[0] == 1
            names = await self._redis.run(self._count(keys.address) if is_new else [("GET", _name(keys.address))])
            shared.append(int(names[0] or 0) if names else 0)
        return self._longest(shared, self._own.add_all(keys))

    async def succeeded(self, keys: LoginKeys) -> None:
        """Forget the failures of the credential."""
        await self._own.succeeded(keys)
        await self._redis.run([("DEL", _name(keys.pair)), ("DEL", _name(keys.credential))])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _count(self, key: str) -> list[Command]:
        forget_ms = max(1, round(self._growth.forget_seconds * 1000))
        return [("INCR", _name(key)), ("PEXPIRE", _name(key), forget_ms)]

    def _longest(self, shared: Sequence[int] | None, own: Sequence[int]) -> float:
        return max(self._growth.longest(shared) if shared else 0.0, self._growth.longest(own))


def _name(key: str) -> str:
    return f"failed-logins:{key}"
