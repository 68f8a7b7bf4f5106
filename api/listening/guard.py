"""Who knocks too often: connections that are open, of a network and of all, and of those that nobody knows yet.

Strangers have a small share, of a network and of the door: what has logged in counts to neither. One too many takes the
seat of the oldest that is silent, so that nobody closes a door by coming and saying nothing. Each purpose of a door
has shares of its own: who fills port 25 keeps nobody from submission.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Protocol

from api.listening.capacity import fitting_connections
from hourpost.rules.networks import network_of

_STRANGERS_SHARE = 0.5  # of the door, for one purpose


class Caps(Protocol):
    """How many connections there may be."""

    @property
    def connections(self) -> int:
        """In all."""

    @property
    def connections_per_network(self) -> int:
        """From one address, of IPv6 its /64."""

    @property
    def strangers_per_network(self) -> int:
        """Of these, for one purpose, that have not logged in."""


class Visitor(Protocol):
    """Who may have to make room."""

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the client who is to say something, and nothing would be lost without it."""

    def give_way(self) -> None:
        """Close, and free what it holds at once."""


class Seat:
    """What an open connection takes; ``visitor`` is None where nobody can be asked to go."""

    __slots__ = ("is_counted", "is_stranger", "network", "purpose", "visitor")

    def __init__(self, network: str, purpose: str) -> None:
        self.network = network
        self.purpose = purpose
        self.is_counted = self.is_stranger = True
        self.visitor: Visitor | None = None


_Seats = dict[Seat, None]  # the oldest first


class Guard:
    """Counts in this process, which has descriptors for so many."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._most = fitting_connections(caps.connections)
        self.connections = 0  # open now
        self._open: Counter[str] = Counter()
        self._strangers: defaultdict[str, _Seats] = defaultdict(dict)
        self._strangers_of: defaultdict[tuple[str, str], _Seats] = defaultdict(dict)

    def enter(self, address: str, purpose: str) -> Seat | None:
        """Count a connection in; None when there are too many and none of them can go, and then it is not counted."""
        network = network_of(address)
        if not self._has_room(network, purpose):
            return None
        seat = Seat(network, purpose)
        self._open[network] += 1
        self.connections += 1
        self._strangers[purpose][seat] = self._strangers_of[purpose, network][seat] = None
        return seat

    def know(self, seat: Seat) -> None:
        """It has logged in: it takes no stranger's seat any more, and keeps its own."""
        if not seat.is_stranger:
            return
        seat.is_stranger, seat.visitor = False, None
        del self._strangers[seat.purpose][seat]
        own = self._strangers_of[seat.purpose, seat.network]
        del own[seat]
        if not own:
            del self._strangers_of[seat.purpose, seat.network]

    def leave(self, seat: Seat) -> None:
        """Count a connection out, once."""
        if not seat.is_counted:
            return
        self.know(seat)
        seat.is_counted = False
        self.connections -= 1
        self._open[seat.network] -= 1
        if self._open[seat.network] <= 0:
            del self._open[seat.network]

    def _has_room(self, network: str, purpose: str) -> bool:
        """Whether one more fits, after another has made room where that helps."""
        caps = self._caps
        own, alike = self._strangers_of.get((purpose, network), {}), self._strangers[purpose]
        if len(own) >= caps.strangers_per_network or self._open[network] >= caps.connections_per_network:
            return self._make_room(own)
        if len(alike) >= self._most * _STRANGERS_SHARE:
            return self._make_room(alike)
        return self.connections < self._most or self._make_room(chain(alike, *self._strangers.values()))

    def _make_room(self, seats: Iterable[Seat]) -> bool:
        """Have the oldest go that is silent; False where none is."""
        for seat in seats:
            visitor = seat.visitor
            if visitor is not None and visitor.is_waited_for:
                self.leave(seat)
                visitor.give_way()
                return True
        return False
