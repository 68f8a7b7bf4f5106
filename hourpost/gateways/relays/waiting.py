"""Messages that wait for a connection: fair between destinations, in order within each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from hourpost.gateways.relays.exchange import Exchange
from hourpost.gateways.relays.outcome import Outcome, Postponed
from hourpost.gateways.relays.parcel import Parcel

Admission = Exchange | list[Outcome] | Postponed
"""What a message that waited is given: a connection, a verdict without one, or the advice to come back."""


class Waiter:
    """One message that waits since a reading of the pool's clock; ``needs_fresh`` for an unused connection."""

    __slots__ = ("future", "needs_fresh", "parcel", "since")

    def __init__(self, parcel: Parcel, since: float, *, needs_fresh: bool = False) -> None:
        self.parcel = parcel
        self.since = since
        self.needs_fresh = needs_fresh
        self.future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()


class WaitingLine:
    """A queue per destination, served in turn; before all, one of those that need an unused connection."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Waiter]] = {}
        self._count = 0
        self._fresh: deque[Waiter] = deque()

    def __len__(self) -> int:
        return self._count + len(self._fresh)

    @property
    def needs_fresh(self) -> bool:
        """Whether anybody waits for an unused connection."""
        return bool(self._fresh)

    def count_for(self, domain: str) -> int:
        """How many wait for this destination."""
        return len(self._queues.get(domain, ()))

    def add(self, waiter: Waiter) -> None:
        """Puts a message at the end of its queue."""
        if waiter.needs_fresh:
            self._fresh.append(waiter)
            return
        self._queues.setdefault(waiter.parcel.destination, deque()).append(waiter)
        self._count += 1

    def remove(self, waiter: Waiter) -> None:
        """Takes a message out that waits no more, wherever it stands."""
        if waiter in self._fresh:
            self._fresh.remove(waiter)
        domain = waiter.parcel.destination
        queue = self._queues.get(domain)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            self._count -= 1
            if not queue:
                del self._queues[domain]

    def take(self, has_room: Callable[[str], bool], *, for_fresh: bool) -> Waiter | None:
        """Takes the next message whose destination has room; the destination goes to the end of the turn.

        ``for_fresh`` says that an unused connection is to be had.
        """
        if for_fresh and self._fresh:
            return self._fresh.popleft()
        for domain in self._queues:
            if has_room(domain):
                queue = self._queues.pop(domain)
                waiter = queue.popleft()
                self._count -= 1
                if queue:
                    self._queues[domain] = queue
                return waiter
        return None

    def take_excess(self, domain: str, most: int) -> Iterator[Waiter]:
        """Takes out the youngest of a destination's messages, so that only ``most`` still wait."""
        while self.count_for(domain) > most:
            self._count -= 1
            yield self._queues[domain].pop()

    def take_older_than(self, moment: float) -> Iterator[Waiter]:
        """Takes out all that have waited since before ``moment``."""
        while self._fresh and self._fresh[0].since < moment:
            yield self._fresh.popleft()
        for domain, queue in list(self._queues.items()):
            while queue and queue[0].since < moment:
                self._count -= 1
                yield queue.popleft()
            if not queue:
                del self._queues[domain]
