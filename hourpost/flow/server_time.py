"""Server time: what PostgreSQL's clock says now, by its last answer and our own monotonic clock since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

_TRUSTED_SECONDS = 60.0  # two clocks may drift apart by half a thousandth: 30 ms


class ServerTime:
    """PostgreSQL's time, told by each answer and by ours in between; unknown at first, and after a minute's silence."""

    def __init__(self) -> None:
        self._at = datetime.fromtimestamp(0, UTC)
        self._told_at = -_TRUSTED_SECONDS

    def tell(self, at: datetime) -> None:
        """It is ``at``, or was a moment ago."""
        self._at, self._told_at = at, monotonic()

    @property
    def is_known(self) -> bool:
        """Whether an answer is fresh enough to reckon from."""
        return monotonic() - self._told_at < _TRUSTED_SECONDS

    def in_seconds(self, seconds: float) -> datetime:
        """PostgreSQL's time in so many seconds from now."""
        return self._at + timedelta(seconds=monotonic() - self._told_at + seconds)
