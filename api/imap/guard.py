"""How many connections there are, in all and from each address."""

from __future__ import annotations

from collections import Counter

from api.imap.limits import Limits


class Guard:
    """Counts in this process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.connections = 0  # open now
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection in; False when there are too many, and then it is not counted."""
        limits = self._limits
        if self._open[address] >= limits.connections_per_address or self.connections >= limits.connections:
            return False
        self._open[address] += 1
        self.connections += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self.connections -= 1
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]
