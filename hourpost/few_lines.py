"""Few lines: what happens seldom has a line of the log each, what happens often a sum."""

from __future__ import annotations

import asyncio
import atexit
from collections import Counter
from collections.abc import Callable, Mapping

_ONE_BY_ONE = 20
_SUM_SECONDS = 1.0


class FewLines:
    """So many a second have a line, the rest one together, which ``tell_more`` writes: how many of each kind.

    What the last second of a process had no line for is told at its end (``sum_up_all``). Whoever asks does so on the
    event loop of its process.
    """

    def __init__(self, tell_more: Callable[[Mapping[str, int]], None]) -> None:
        self._tell_more = tell_more
        self._left = _ONE_BY_ONE
        self._more: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def has_line(self, kind: str, *, is_quiet: bool = False) -> bool:
        """Whether this one is to be written; else it is counted, as one that is quiet always is."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SUM_SECONDS, self.sum_up)
        if self._left > 0 and not is_quiet:
            self._left -= 1
            return True
        self._more[kind] += 1
        _untold.add(self)
        return False

    def sum_up(self) -> None:
        """Tell of what had no line of its own, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
        if self._more:
            self._tell_more(dict(self._more))
        self._left, self._timer = _ONE_BY_ONE, None
        self._more.clear()
        _untold.discard(self)


def sum_up_all() -> None:
    """The end of a process: tell of all that was only counted. One that ends by itself does so without being asked."""
    for lines in tuple(_untold):
        lines.sum_up()


_untold: set[FewLines] = set()
atexit.register(sum_up_all)
