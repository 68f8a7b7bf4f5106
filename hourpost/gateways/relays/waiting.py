"""Messages that wait for a connection: fair between destinations, in order within each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from hourpost.gateways.relays.exchange import Exchange, Parcel
from hourpost.gateways.relays.outcome import Outcome, Postponed

Admission = Exchange | list[Outcome] | Postponed
"""What a message that waited is given: a connection, a verdict without one, or the advice to come back."""


class Waiter:
    """One message that waits; ``since`` is a reading of the pool's clock."""

    __slots__ = ("future", "parcel", "since")

    def __init__(self, parcel: Parcel, since: float) -> None:
        self.parcel = parcel
        self.since = since
        self.future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()


class WaitingLine:
    """A queue per destination, served in turn."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Waiter]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def count_for(self, domain: str) -> int:
        """How many wait for this destination."""
        return len(self._queues.get(domain, ()))

    def add(self, waiter: Waiter) -> None:
        """Puts a message at the end of its destination's queue."""
        self._queues.setdefault(waiter.parcel.destination, deque()).append(waiter)
        self._count += 1

    def remove(self, waiter: Waiter) -> None:
        """Takes a message out that waits no more, wherever it stands."""
        domain = waiter.parcel.destination
        queue = self._queues.get(domain)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            self._count -= 1
            if not queue:
                del self._queues[domain]

    def take(self, has_room: Callable[[str], bool] = lambda _: True) -> Waiter | None:
        """Takes the next message whose destination has room; the destination goes to the end of the turn."""
        for domain in self._queues:
            if has_room(domain):
                queue = self._queues.pop(domain)
                waiter = queue.popleft()
                self._count -= 1
                if queue:
                    self._queues[domain] = queue
                return waiter
        return None

    def take_older_than(self, moment: float) -> Iterator[Waiter]:
        """Takes out all that have waited since before ``moment``."""
        for domain, queue in list(self._queues.items()):
            while queue and queue[0].since < moment:
                self._count -= 1
                yield queue.popleft()
            if not queue:
                del self._queues[domain]
