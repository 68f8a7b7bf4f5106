"""Seldom: a line of the log about an outage, which everybody who meets it would write anew."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import structlog

_EVERY_SECONDS = 10.0

log = structlog.get_logger()


class Seldom:
    """Says what has happened at once; then, while it goes on, every ten seconds, and how often it was not said."""

    def __init__(self, event: str, *, level: str = "warning", seconds: Callable[[], float] = monotonic) -> None:
        self._event = event
        self._level = level
        self._seconds = seconds
        self._silent_until = 0.0
        self._unsaid = 0

    def __call__(self, **fields: object) -> None:
        """It has happened; ``fields`` are of this time."""
        now = self._seconds()
        if now < self._silent_until:
            self._unsaid += 1
            return
        if self._unsaid:
            fields["unsaid"] = self._unsaid
        self._silent_until, self._unsaid = now + _EVERY_SECONDS, 0
        getattr(log, self._level)(self._event, **fields)
