"""Watch: whether PostgreSQL has fallen silent, frozen or behind a network that swallows packets.

A statement may take its time, and a server that lives answers another one meanwhile. So nobody is hurried: when a loan
of a connection grows old, the server is asked for a sign of life, and only where none comes are the waiting told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import structlog

_LOOK_SECONDS = 0.5
_OLD_SECONDS = 1.0
_PATIENCE_SECONDS = 3.5
_PAUSE_SECONDS = 0.5  # between two questions to a server that has not answered the first

log = structlog.get_logger()


class Watch:
    """Over the connections of one process that are lent. ``ask`` wants a sign of life of the server.

    From the moment at which it is silent until it answers again, nothing is lent.
    """

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        self.is_silent = False
        self._ask = ask
        self._loans: dict[object, tuple[float, Callable[[], None]]] = {}  # the oldest stands first
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raises: TimeoutError while the server is silent."""
        if self.is_silent:
            raise TimeoutError("PostgreSQL is silent")

    def begin(self, loan: object, terminate: Callable[[], None]) -> None:
        """A connection is lent; ``terminate`` ends it, so that who waits for its answer gets an error."""
        self._loans[loan] = (monotonic(), terminate)
        if self._timer is None or self._loop is not asyncio.get_running_loop():
            self._set_timer()

    def end(self, loan: object) -> None:
        """A loan has ended; also one that was not begun."""
        self._loans.pop(loan, None)

    @contextmanager
    def over_attempt(self) -> Iterator[None]:
        """A connection is being made in the block, within a time of its own. Raises: TimeoutError."""
        self.check()
        attempt = object()
        self.begin(attempt, _no_op)
        try:
            yield
        finally:
            self.end(attempt)

    async def stop(self) -> None:
        """Ask nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking

    def _set_timer(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._loans:
            return
        self._set_timer()
        is_old = monotonic() - next(iter(self._loans.values()))[0] >= _OLD_SECONDS
        if is_old and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._see())

    async def _see(self) -> None:
        """Ask until the server answers."""
        while not await _answers(self._ask):
            if not self.is_silent:
                log.error("PostgreSQL is silent", lent=len(self._loans))
            self.is_silent = True
            for _, terminate in list(self._loans.values()):  # each ends a loan
                terminate()
            await asyncio.sleep(_PAUSE_SECONDS)
        if self.is_silent:
            log.info("PostgreSQL answers again")
        self.is_silent = False


def _no_op() -> None:
    """Nothing can be ended yet."""


async def _answers(ask: Callable[[], Awaitable[None]]) -> bool:
    """Whether it does in time. Of a moment in which this process itself stood still, the server is not accused."""
    question = asyncio.ensure_future(_put(ask))
    try:
        for _ in range(round(_PATIENCE_SECONDS / _LOOK_SECONDS)):
            if (await asyncio.wait([question], timeout=_LOOK_SECONDS))[0]:
                return question.result()
        return False
    finally:
        question.cancel()


async def _put(ask: Callable[[], Awaitable[None]]) -> bool:
    try:
        await ask()
    except TimeoutError:
        return False
    except Exception:  # whatever else it says, it is away, starts or has no room: who waits is told so by itself
        return True
    return True
