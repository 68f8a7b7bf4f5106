"""When to leave a failing relay alone, and when to try it again."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]


class Trouble(StrEnum):
    """What a failure says of a relay, and so how long it is worth waiting for."""

    AWAY = "away"  # no answer: it may be back at any moment
    REFUSES = "refuses"  # it has answered, and does not want us: it may count
    REFUSES_LOGIN = "refuses_login"  # our user name and password: only a person mends that


class Breaker:
    """Opens after ``threshold`` failures in a row and then lets one try through after each growing delay.

    Moments are seconds of any monotonic clock; the delay doubles from ``first_delay`` to ``longest_delay``, or for one
    that refuses us to ``refused_delay``: it may count. Each is up to a fifth less, so that many processes do not come
    back together. One that refuses our log-in opens it at once, up to ``login_delay``: it may lock us out.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        first_delay: float = 1.0,
        longest_delay: float = 5.0,
        refused_delay: float = 15.0,
        login_delay: float = 300.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._threshold = threshold
        self._first_delay = first_delay
        self._longest = {
            Trouble.AWAY: longest_delay,
            Trouble.REFUSES: refused_delay,
            Trouble.REFUSES_LOGIN: login_delay,
        }
        self._jitter = jitter
        self._opened = 0
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_tripped(self) -> bool:
        """Whether the relay has to prove itself: it is left alone, or one try is let through."""
        return self._failures >= self._threshold

    def state(self, now: float) -> BreakerState:
        """Whether all is well (``closed``), the relay is left alone (``open``), or it may prove itself."""
        if not self.is_tripped:
            return "closed"
        return "open" if self.seconds_left(now) > 0 else "half-open"

    def seconds_left(self, now: float) -> float:
        """How long the relay is to be left alone; 0 when it may be tried."""
        return max(0.0, self._open_until - now) if self.is_tripped else 0.0

    def failed(self, now: float, trouble: Trouble = Trouble.AWAY) -> None:
        """Counts a failure; those that arrive while it is open belong to tries begun before."""
        if self.seconds_left(now) > 0:
            return
        self._failures += self._threshold if trouble is Trouble.REFUSES_LOGIN else 1
        if self.is_tripped:
            delay = min(self._longest[trouble], self._first_delay * 2.0 ** min(self._opened, 30))
            self._open_until = now + delay * (1 - 0.2 * self._jitter())
            self._opened += 1

    def succeeded(self) -> None:
        """The relay has done its work: all is forgotten."""
        self._failures = 0
        self._opened = 0
