"""The schedule: releases what is held as its room returns, lets what was scheduled come due, and has chores done."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database
from hourpost.emails.hour import ROOM_CHANNEL
from hourpost.emails.oldest import read_oldest_seconds
from hourpost.emails.tallies import count_events
from hourpost.errors import ServiceUnavailable
from hourpost.flow.forward import HELD_CHANNEL
from hourpost.flow.release import Releaser
from hourpost.flow.sweep import expire
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.gateways.metrics import OLDEST_WAITING_SECONDS
from workers.lead import Lead

_TICK_SECONDS = 0.5
_LOOK_SECONDS = 3.0
_COMPARE_SECONDS = 15.0
_COMPARED_AT_ONCE = 200
_EXPIRE_SECONDS = 10.0
_MEASURE_SECONDS = 15.0
_TALLY_SECONDS = 10.0
_BETWEEN_SECONDS = 0.5  # from the first turn of a chore to the first of the next

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chore:
    """Something else that is done from time to time; ``stop`` ends what of it is still under way."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]] | None = None


class Schedule:
    """Ticks until it is stopped. Other schedulers wait until this one has ended, or stands still."""

    def __init__(
        self, database: Database, hour: Hour, releaser: Releaser, clock: Clock, chores: Sequence[Chore] = ()
    ) -> None:
        self._chores = chores
        self._database = database
        self._hour = hour
        self._releaser = releaser
        self._clock = clock
        self._next: dict[UUID, float] = {}
        self._differs: set[UUID] = set()
        self._compared = UUID(int=0)  # the last of them
        # All at once would take a connection each, and keep it.
        start = time.monotonic()
        self._due = {chore.name: start + _BETWEEN_SECONDS * number for number, chore in enumerate(chores)}
        self._lead = Lead(database)
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Tick until canceled."""
        while True:
            try:
                await self._take_lead()
                await self._tick()
            except (ServiceUnavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("the schedule waits", error=str(error), cause=getattr(error, "cause", None))
                await asyncio.sleep(1.0)
            except Exception:  # the outermost loop: whatever it was, the others wait for their release
                log.exception("the schedule stumbled")
                await asyncio.sleep(1.0)
            await self._pause()

    async def close(self) -> None:
        """Give up the lead."""
        for chore in self._chores:
            if chore.stop is not None:
                await chore.stop()
        await self._lead.close()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                await self._bell.wait()
        except TimeoutError:
            pass
        self._bell.clear()

    async def _take_lead(self) -> None:
        if self._lead.is_held:
            return
        OLDEST_WAITING_SECONDS.clear()  # what is measured by another now must not stand still here
        await self._lead.take({"standing": self._hear, ROOM_CHANNEL: self._hear, HELD_CHANNEL: self._hear_of_held})
        self._next.clear()

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        """An account has changed, its plan perhaps, or has room before its time: what waits is paced anew at once."""
        try:
            self._next[UUID(payload)] = 0.0
        except ValueError:
            self._next.clear()
        self._bell.set()

    def _hear_of_held(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        """What goes on from a mailbox and could not be counted is looked at with the next tick."""
        with suppress(ValueError):
            self._next.setdefault(UUID(payload), 0.0)

    async def _tick(self) -> None:
        self._lead.get_on()
        for account in await self._releaser.come_due():
            self._next[account] = 0.0
        await self._every("look", _LOOK_SECONDS, self._look)
        await self._release()
        await self._every("compare", _COMPARE_SECONDS, self._compare)
        await self._every("expire", _EXPIRE_SECONDS, self._expire)
        await self._every("measure", _MEASURE_SECONDS, self._measure)
        await self._every("tally", _TALLY_SECONDS, self._tally)
        for chore in self._chores:
            await self._every(chore.name, chore.seconds, chore.work)

    async def _every(self, name: str, seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
        if time.monotonic() >= self._due.get(name, 0.0):
            self._due[name] = time.monotonic() + seconds
            self._lead.get_on()
            await chore()

    async def _look(self) -> None:
        for account in await self._releaser.list_holding():
            self._next.setdefault(account, 0.0)

    async def _release(self) -> None:
        """Turns for everybody whose time has come, until nobody has room."""
        while ready := [account for account, moment in self._next.items() if moment <= time.monotonic()]:
            for account in ready:
                self._lead.get_on()
                turn = await self._releaser.release(account)
                if turn.wait_seconds is None:
                    del self._next[account]
                    self._differs.discard(account)
                else:
                    self._next[account] = time.monotonic() + turn.wait_seconds

    async def _compare(self) -> None:
        """Two looks that differ, some seconds apart, are no commit under way: tokens were lost on the road."""
        asked = [*self._differs, *self._next_to_compare()]
        found = {account: await self._releaser.look(account) for account in asked if account in self._next}
        self._next.update({account: 0.0 for account, one in found.items() if one.has_room})
        differs = {account for account, one in found.items() if not one.is_true}
        for account in differs & self._differs:
            log.warning("the bucket differs from the rows and is filled again", account_id=str(account))
            await self._releaser.refill(account)
            self._next[account] = 0.0
        self._differs = differs

    def _next_to_compare(self) -> list[UUID]:
        """Some of the accounts of which something is held, the others in turn: there may be thousands."""
        holding = sorted(self._next)
        start = bisect_right(holding, self._compared)
        taken = [one for one in (holding[start:] + holding[:start])[:_COMPARED_AT_ONCE] if one not in self._differs]
        self._compared = taken[-1] if taken else self._compared
        return taken

    async def _expire(self) -> None:
        async with self._database.transaction() as connection:
            ended = await expire(connection, self._clock.now())
        for account, held, generation in ended:
            await self._hour.adjust_waiting(account, -held, generation)

    async def _measure(self) -> None:
        async with self._database.reading() as connection:
            oldest = await read_oldest_seconds(connection, self._clock.now())
        for cause, seconds in oldest.items():
            OLDEST_WAITING_SECONDS.labels(cause).set(seconds)

    async def _tally(self) -> None:
        async with self._database.transaction() as connection:
            is_behind = await count_events(connection, self._clock.now())
        if is_behind:
            self._due["tally"] = 0.0
