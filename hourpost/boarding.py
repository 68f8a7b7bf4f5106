"""Boarding: who comes at the same moment leaves together.

Of many that come at once the first would depart alone, and all others wait until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

_QUIET_ROUNDS = 2
_LONGEST_SECONDS = 0.02
_AGAIN_SECONDS = 0.001
_FLIGHT_SECONDS = 0.004  # about what one takes by itself
_FEW, _MANY = 8, 16


class Boarding:
    """Calls ``depart`` once nobody has come for two rounds of the event loop; it costs a single one microseconds.

    ``count`` says how many have come. With ``most`` of them, or after 20 ms, it waits no longer. Who left together the
    last time is about to come again: for up to ``patience_seconds`` it waits for three quarters of a few, and for three
    times as long for nearly all of many, since who is left behind waits for two departures.

    It waits no longer where fewer would come in a flight's time than are here, since then it costs these more than it
    saves those; else who comes at an even pace would be gathered to as many as the last time, again and again.
    """

    def __init__(
        self, count: Callable[[], int], most: int, depart: Callable[[], None], *, patience_seconds: float = 0.0
    ) -> None:
        self._count = count
        self._most = most
        self._depart = depart
        self._patience_seconds = patience_seconds
        self._expected = 0
        self._patience = 0.0
        self._since = 0.0
        self._paused: tuple[float, int] | None = None  # when, and how many had come
        self.is_open = False

    def open(self) -> None:
        """Begin to wait for others, unless it has begun."""
        if not self.is_open:
            self.is_open, self._since, self._paused = True, monotonic(), None
            asyncio.get_running_loop().call_soon(self._look, 0, 0)

    def _look(self, seen: int, quiet: int) -> None:
        count, now = self._count(), monotonic()
        waited = now - self._since
        quiet = quiet + 1 if count == seen else 0
        if count < self._most and waited < _LONGEST_SECONDS:
            if quiet < _QUIET_ROUNDS:
                asyncio.get_running_loop().call_soon(self._look, count, quiet)
                return
            if count < self._expected and waited < self._patience and self._is_worth_it(count, now):
                self._paused = now, count
                asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._look, count, quiet)
                return
        self._expected, self._patience = self._expect(count)
        self.is_open = False
        self._depart()

    def _is_worth_it(self, count: int, now: float) -> bool:
        """Whether as many would come in a flight's time as are here, at the pace since the last pause."""
        if self._paused is None:
            return True
        paused_at, seen = self._paused
        return (count - seen) * _FLIGHT_SECONDS >= count * (now - paused_at)

    def _expect(self, count: int) -> tuple[int, float]:
        """How many to wait for after so many have left, and how long."""
        if count < _FEW:
            return 0, 0.0
        if count < _MANY:
            return count * 3 // 4, self._patience_seconds
        return count * 15 // 16, 3 * self._patience_seconds
