"""Who knocks too often: connections that are open, of an address and of all."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from api.listening.capacity import fitting_connections


class Caps(Protocol):
    """How many connections there may be, in all and from one address."""

    @property
    def connections(self) -> int:
        """In all."""

    @property
    def connections_per_address(self) -> int:
        """From one address."""


class Guard:
    """Counts in this process, which has descriptors for so many."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._most = fitting_connections(caps.connections)
        self.connections = 0  # open now
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection in; False when there are too many, and then it is not counted."""
        caps = self._caps
        if self._open[address] >= caps.connections_per_address or self.connections >= self._most:
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
