"""What is done once the answer has left: the time that an answer takes tells nobody what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

from hourpost.errors import HourpostError

_PATIENCE_SECONDS = 10.0

log = structlog.get_logger()


class Afterwards:
    """The work of one process that nobody waits for; ``stop`` waits for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Do this soon. What it cannot do is logged: nobody is there any more who could be told."""
        task = asyncio.create_task(self._watch(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Wait for what was begun, though not for ever."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE_SECONDS)

    @staticmethod
    async def _watch(work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except HourpostError as error:
            log.warning("what was to follow an answer was not done", error=error.message, cause=error.cause)
        except Exception:  # the outermost frame of this work
            log.exception("what was to follow an answer stumbled")
