"""Tries at secrets, counted in Redis by all processes together: after some free ones each further one must wait longer.

A try is counted before it is made, so that a hundred at once are a hundred; one that was right takes its count back.
Where somebody has been let in before, what others do from elsewhere locks nobody out. While Redis is away each process
goes by its own count, which it keeps all the time: nobody is locked out for that, and guessing stays slow.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import monotonic, time
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hourpost.errors import LimitExceeded
from hourpost.seldom import Seldom

MEMORY_SECONDS = 3600
LONGEST_WAIT_SECONDS = 900
_KNOWN_SECONDS = 90 * 86400
_MOST_KNOWN = 50
_TOLD_SECONDS = 600.0
_MOST_TOLD = 20_000
_REST_SECONDS = 1.0
_MOST_COUNTED = 20_000

_say_alone = Seldom("tries are counted by this process alone")


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


@dataclass(slots=True)
class _Tally:
    tries: int = 0
    wait_until: float = 0.0
    kept_until: float = 0.0


class OwnAttempts:
    """The tries that one process has seen, by the same rules; bounded: what is longest untouched is forgotten first."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._tallies: OrderedDict[str, _Tally] = OrderedDict()
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, counted: Sequence[Counted], home: Home | None) -> float:
        """The seconds for which a try may not be made."""
        is_known = home is not None and (home.key, home.place) in self._places
        those = [self._tally(one).wait_until for one in counted if one.holds_at_home or not is_known]
        return max(0.0, max(those, default=0.0) - self._seconds())

    def count(self, counted: Sequence[Counted]) -> None:
        """Count a try, which may have to be waited after."""
        now = self._seconds()
        for one in counted:
            tally = self._tally(one)
            tally.tries, tally.kept_until = tally.tries + 1, now + MEMORY_SECONDS
            over = tally.tries - one.free
            if over >= 0:
                tally.wait_until = now + min(one.longest_seconds, 2.0 ** min(over + 1, 20))
            self._tallies[one.key] = tally
            self._tallies.move_to_end(one.key)
        while len(self._tallies) > _MOST_COUNTED:
            self._tallies.popitem(last=False)

    def succeed(self, forget: Sequence[Counted], uncount: Sequence[Counted], home: Home | None) -> None:
        """After one that was right."""
        for one in forget:
            self._tallies.pop(one.key, None)
        for one in uncount:
            self._tally(one).tries -= 1
        if home is not None:
            self._places[home.key, home.place] = None
            self._places.move_to_end((home.key, home.place))
            if len(self._places) > _MOST_COUNTED:
                self._places.popitem(last=False)

    def _tally(self, one: Counted) -> _Tally:
        found = self._tallies.get(one.key)
        return found if found is not None and found.kept_until > self._seconds() else _Tally()


class RedisAttempts:
    """Tries in Redis, and this process's own; after Redis did not answer it is left alone for a second."""

    def __init__(self, url: str, *, timeout_seconds: float = 0.5, own: OwnAttempts | None = None) -> None:
        self._redis = Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)
        self._take = self._redis.register_script(Path(__file__).with_suffix(".lua").read_text())
        self._rests_until = 0.0
        self._told: dict[Home, float] = {}
        self._own = own or OwnAttempts()

    async def take(self, counted: Sequence[Counted], home: Home | None = None) -> int:
        """Count a try before it is made; gives the seconds to wait where it may not be made now, else 0."""
        wait = await self._ask(counted, home)
        if wait is None:
            wait = self._own.wait(counted, home)
        if wait <= 0:
            self._own.count(counted)
        return ceil(wait)

    async def _ask(self, counted: Sequence[Counted], home: Home | None) -> float | None:
        """The seconds to wait by Redis's count, which has counted this try if there are none; None while it is away."""
        if monotonic() < self._rests_until:
            return None
        keys = [one.key for one in counted] + ([home.key] if home else [])
        arguments: list[str | int] = [len(counted), MEMORY_SECONDS, home.place if home else ""]
        for one in counted:
            arguments += [one.free, one.longest_seconds, int(one.holds_at_home)]
        try:
            return int(await self._take(keys=keys, args=arguments)) / 1000
        except (RedisError, OSError) as error:
            self._rest(error)
            return None

    async def begin(self, counted: Sequence[Counted], home: Home | None = None) -> None:
        """Count a try before it is made. Raises: LimitExceeded while it must wait."""
        if seconds := await self.take(counted, home):
            message = f"Too many tries. Try again in {_words(seconds)}."
            raise LimitExceeded("attempts", message, retry_after_seconds=seconds)

    async def succeed(
        self, *, forget: Sequence[Counted] = (), uncount: Sequence[Counted] = (), home: Home | None = None
    ) -> None:
        """After one that was right: forget all tries of some, this one of others, and know the place."""
        self._own.succeed(forget, uncount, home)
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
        _say_alone(cause=repr(error))


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _words(seconds: int) -> str:
    if seconds < 90:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    return f"{-(-seconds // 60)} minutes"
