"""Batcher: many small statements, wanted by many tasks at once, become one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from hourpost.boarding import Boarding

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 500
_BUSY = 16  # so many in one flight: more come at once
_LONG_SECONDS = 0.03


class Batcher(Generic[Item, Result]):
    """While one statement is under way the next gathers; ``run`` answers one result for each item, in order.

    After a flight of many the next one gathers for another ``linger_seconds``: for what nobody waits for at the other
    end, since a statement costs PostgreSQL and us as much as a dozen of its rows. Up to ``flights`` are under way, each
    after the first only because the one before takes long.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        at_once: int = _AT_ONCE,
        flights: int = 1,
        linger_seconds: float = 0.0,
    ) -> None:
        self._run = run
        self._at_once = at_once
        self._most = flights
        self._linger_seconds = linger_seconds
        self._is_busy = False
        self._departed_at = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._boarding = Boarding(lambda: len(self._waiting), at_once, self._depart)

    async def put(self, item: Item) -> Result:
        """The result of ``item``, gone with others; raises what their statement raised."""
        return await self.send(item)

    def send(self, item: Item) -> asyncio.Future[Result]:
        """As ``put``, for several who wait for one result; each of them shields it."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._launch()
        return future

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._waiting and not self._flights

    def _launch(self) -> None:
        if not self._waiting or len(self._flights) >= self._most or self._boarding.is_open:
            return
        wait = self._wait_seconds()
        if wait <= 0:
            self._boarding.open()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(wait, self._launch_later)

    def _wait_seconds(self) -> float:
        if self._flights:
            return self._departed_at + _LONG_SECONDS - monotonic()
        return self._linger_seconds if self._is_busy and len(self._waiting) < self._at_once else 0.0

    def _launch_later(self) -> None:
        self._later, self._is_busy = None, False
        self._launch()

    def _depart(self) -> None:
        batch, self._waiting = self._waiting[: self._at_once], self._waiting[self._at_once :]
        self._is_busy = len(batch) >= _BUSY
        self._departed_at = monotonic()
        flight = asyncio.create_task(self._fly(batch))
        self._flights.add(flight)
        flight.add_done_callback(self._land)
        self._launch()

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._launch()

    async def _fly(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except Exception as error:  # handed to everybody who waits for this flight
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
