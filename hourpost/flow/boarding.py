"""Boarding: who comes at the same moment leaves together.

Of many that come at once the first would depart alone, and all others wait until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

_QUIET_ROUNDS = 2
_LONGEST_SECONDS = 0.01


class Boarding:
    """Calls ``depart`` once nobody has come for two rounds of the event loop; it costs a single one microseconds.

    ``count`` says how many have come. With ``most`` of them, or after 10 ms, it waits no longer.
    """

    def __init__(self, count: Callable[[], int], most: int, depart: Callable[[], None]) -> None:
        self._count = count
        self._most = most
        self._depart = depart
        self._since = 0.0
        self.is_open = False

    def open(self) -> None:
        """Begin to wait for others, unless it has begun."""
        if not self.is_open:
            self.is_open, self._since = True, monotonic()
            asyncio.get_running_loop().call_soon(self._look, 0, 0)

    def _look(self, seen: int, quiet: int) -> None:
        count = self._count()
        quiet = quiet + 1 if count == seen else 0
        if quiet < _QUIET_ROUNDS and count < self._most and monotonic() - self._since < _LONGEST_SECONDS:
            asyncio.get_running_loop().call_soon(self._look, count, quiet)
            return
        self.is_open = False
        self._depart()
