"""Work that is done when somebody rings, one at a time however often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from hourpost.errors import ServiceUnavailable

_LAST_SECONDS = 5.0

log = structlog.get_logger()


class Errand:
    """Rung while it is under way, it is done once more. What it meets is logged; the rows are still there."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._is_rung = False
        self._task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Have it done."""
        self._is_rung = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let it end, for a few seconds; it can be cut off at any point."""
        if self._task is not None:
            self._is_rung = False
            await asyncio.wait([self._task], timeout=_LAST_SECONDS)
            self._task.cancel()

    async def _run(self) -> None:
        while self._is_rung:
            self._is_rung = False
            try:
                await self._work()
            except ServiceUnavailable as error:
                log.warning("an errand waits", error=error.message, cause=error.cause)
            except Exception:  # the outermost loop of the errand: the next ring tries again
                log.exception("an errand stumbled")
