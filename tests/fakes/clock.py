"""Clocks that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Begins at the real moment, in whole milliseconds, and then stands still."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.moment = now.replace(microsecond=now.microsecond // 1000 * 1000)

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class MovableSeconds:
    """Seconds that pass by themselves, and as many more as a test lets pass at once."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._passed = 0.0

    def __call__(self) -> float:
        return self._seconds() + self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds
