"""A few connections to PostgreSQL for hot statements, lent and taken back without a task or a timer of their own.

asyncpg's pool makes two tasks each time, more than a small statement costs by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

from hourpost.watch import Watch

_WAIT_SECONDS = 10.0
_UNUSED_SECONDS = 300.0


class Connections:
    """At most ``most`` connections, each made when it is needed and none is idle; one is lent to one at a time.

    Who borrows leaves nothing behind in the session, so nothing is reset between two of them.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], most: int) -> None:
        self._connect = connect
        self._free = most  # places, of which those who wait for one are handed what is given back
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: deque[tuple[asyncpg.Connection, float]] = deque()  # the one used last stands last, and goes first
        self._is_over = False
        self._lent: set[asyncpg.Connection] = set()
        self.watch = Watch(self._ask)

    async def take(self) -> asyncpg.Connection:
        """A connection that is open; ``give_back`` must follow.

        Raises: TimeoutError when none is free in time; OSError, asyncpg.PostgresError, asyncpg.InterfaceError.
        """
        if self._is_over:
            raise asyncpg.InterfaceError("the connections are closed")
        self.watch.check()
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        connection = self._find_idle()
        if connection is None:
            try:
                with self.watch.over_attempt():  # it may have fallen silent while we waited for a place
                    connection = await self._connect()
            except BaseException:
                self._leave()
                raise
        self._lent.add(connection)
        self.watch.begin(connection, connection.terminate)
        return connection

    def give_back(self, connection: asyncpg.Connection, *, is_sound: bool) -> None:
        """End a loan; a connection that is not sound is closed, whatever may still run on it."""
        self._lent.discard(connection)
        self.watch.end(connection)
        now = time.monotonic()
        if not connection.is_closed():
            if is_sound and not connection.is_in_transaction():
                self._idle.append((connection, now))
            else:
                connection.terminate()
        if self._idle and now - self._idle[0][1] > _UNUSED_SECONDS:
            self._idle.popleft()[0].terminate()
        self._leave()

    def terminate(self) -> None:
        """Close all of them, also those that are lent; from now on there are none."""
        self._is_over = True
        for connection in (*self._lent, *(idle for idle, _ in self._idle)):
            connection.terminate()
        self._idle.clear()

    async def _ask(self) -> None:
        """Have the server answer, on a connection that nobody uses or on one more."""
        idle = self._find_idle()
        connection = idle or await self._connect()
        try:
            await connection.execute("SELECT 1")
        except BaseException:
            connection.terminate()
            raise
        if idle is None or self._is_over:
            connection.terminate()
        else:
            self._idle.append((connection, time.monotonic()))

    async def _wait(self) -> None:
        """Wait for somebody's place."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await place
        except BaseException:
            if place.done() and not place.cancelled():  # it came in the moment in which nobody wanted it any more
                self._leave()
            raise

    def _leave(self) -> None:
        """Give a place to who has waited longest, or to nobody."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _find_idle(self) -> asyncpg.Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None


# A statement that nobody waits for any more may still run. InternalClientError: asyncpg has lost the thread, as between
# the last words of a session that PostgreSQL ends and the end of the stream behind them.
UNSOUND = (asyncio.CancelledError, GeneratorExit, TimeoutError, asyncpg.InternalClientError)
"""Errors after which a connection is not lent again."""
