"""Batcher: many small writes, made by many tasks at once, become one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from hourpost.flow.boarding import Boarding

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 500
_BUSY = 16  # so many in one flight: more come at once


class Batcher(Generic[Item, Result]):
    """While one write is under way the next gathers; ``write`` answers one result for each item, in order.

    After a flight of many the next one gathers for another ``linger_seconds``: for what nobody waits for at the other
    end, since a statement costs PostgreSQL and us as much as a dozen of its rows.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        flights: int = 1,
        linger_seconds: float = 0.0,
    ) -> None:
        self._write = write
        self._most = flights
        self._linger_seconds = linger_seconds
        self._is_busy = False
        self._linger: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._boarding = Boarding(lambda: len(self._waiting), _AT_ONCE, self._depart)

    async def put(self, item: Item) -> Result:
        """Have ``item`` written with others; raises what its write raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._launch()
        return await future

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being written."""
        return not self._waiting and not self._flights

    def _launch(self) -> None:
        if not self._waiting or len(self._flights) >= self._most or self._boarding.is_open:
            return
        if self._is_busy and self._linger_seconds and len(self._waiting) < _AT_ONCE:
            if self._linger is None:
                self._linger = asyncio.get_running_loop().call_later(self._linger_seconds, self._end_linger)
        else:
            self._boarding.open()

    def _end_linger(self) -> None:
        self._linger, self._is_busy = None, False
        self._launch()

    def _depart(self) -> None:
        batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        self._is_busy = len(batch) >= _BUSY
        flight = asyncio.create_task(self._fly(batch))
        self._flights.add(flight)
        flight.add_done_callback(self._land)
        self._launch()

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._launch()

    async def _fly(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._write([item for item, _ in batch])
        except Exception as error:  # handed to everybody who waits for this write
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
