"""How fast a relay or a destination answers, and how many connections a destination may hold."""

from __future__ import annotations

_WEIGHT = 0.2
ACTIVE_SECONDS = 60.0
"""A destination counts as having traffic for so long."""
SLOW_SECONDS = 1.0
SLOW_FACTOR = 4.0
"""Slow is what takes over a second and over four times what the fastest active destination takes."""
CROWDED_SHARE = 0.75
SLOW_SHARE = 0.25


class Pace:
    """The recent duration of exchanges, which also grows while nothing comes back."""

    __slots__ = ("active_at", "held", "progress_at", "recent_seconds")

    def __init__(self) -> None:
        self.held = 0
        self.progress_at = 0.0
        self.active_at = 0.0
        self.recent_seconds: float | None = None

    def begin(self, now: float) -> None:
        """An exchange has begun and holds a connection."""
        if self.held == 0:
            self.progress_at = now
        self.held += 1
        self.active_at = now

    def let_go(self) -> None:
        """The connection is free or has passed to the next exchange."""
        self.held -= 1

    def ended(self, now: float, seconds: float) -> None:
        """An exchange has ended after ``seconds``."""
        self.progress_at = self.active_at = now
        recent = self.recent_seconds
        self.recent_seconds = seconds if recent is None else recent + _WEIGHT * (seconds - recent)

    def seconds(self, now: float) -> float:
        """What an exchange takes, as far as we know; at least the time since anything came back."""
        stuck = now - self.progress_at if self.held else 0.0
        return max(self.recent_seconds or 0.0, stuck)


class Destinations:
    """Shares a relay's connections between the domains that its mail goes to.

    One domain alone may have them all; beside others three quarters; a slow one beside others a quarter, so that it
    cannot take the connections from the rest.
    """

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}
        self._slow: frozenset[str] = frozenset()

    @property
    def slow(self) -> frozenset[str]:
        """The domains found slow at the last ``review``."""
        return self._slow

    def has_room(self, domain: str, connections: int) -> bool:
        """Whether this domain may hold one more of the relay's ``connections``."""
        pace = self._paces.get(domain)
        if pace is None or pace.held == 0 or len(self._paces) == 1:
            return True
        share = SLOW_SHARE if domain in self._slow else CROWDED_SHARE
        return pace.held < max(1, int(connections * share))

    def pace(self, domain: str) -> Pace:
        """The pace of a domain, begun when there is none."""
        pace = self._paces.get(domain)
        if pace is None:
            pace = self._paces[domain] = Pace()
        return pace

    def review(self, now: float) -> None:
        """Forgets what has no traffic any more and finds out what is slow; to be called every second or so."""
        quiet = [name for name, pace in self._paces.items() if not pace.held and now - pace.active_at > ACTIVE_SECONDS]
        for name in quiet:
            del self._paces[name]
        seconds = {name: pace.seconds(now) for name, pace in self._paces.items()}
        known = [pace.recent_seconds for pace in self._paces.values() if pace.recent_seconds is not None]
        limit = max(SLOW_SECONDS, SLOW_FACTOR * min(known)) if known else float("inf")
        self._slow = (
            frozenset(name for name, value in seconds.items() if value > limit) if len(seconds) > 1 else frozenset()
        )


class Places:
    """On which connections a destination is: with a message that is sent, or that waits behind the dot of another.

    A message that is slow to be answered has its connection until then, whoever waits behind it.
    """

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._messages: dict[tuple[object, str], int] = {}

    def enter(self, connection: object, domain: str, now: float) -> None:
        """A message to this domain begins on a connection."""
        place = (connection, domain)
        count = self._messages.get(place, 0)
        if not count:
            self._destinations.pace(domain).begin(now)
        self._messages[place] = count + 1

    def leave(self, connection: object, domain: str) -> None:
        """A message to this domain is done with its connection."""
        place = (connection, domain)
        count = self._messages[place] - 1
        if count:
            self._messages[place] = count
            return
        del self._messages[place]
        self._destinations.pace(domain).let_go()
