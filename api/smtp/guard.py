"""Who knocks too often: connections of an address, and logins that failed."""

from __future__ import annotations

from collections import Counter, OrderedDict

from api.smtp.limits import Limits

_MAX_REMEMBERED = 10_000


class Guard:
    """Counts in this process; what it remembers is bounded, and time is handed in, in seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.connections = 0  # open now
        self._open: Counter[str] = Counter()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def enter(self, address: str) -> bool:
        """Count a connection in; False when there are too many, and then it is not counted."""
        limits = self._limits
        if self._open[address] >= limits.connections_per_address or self.connections >= limits.connections:
            return False
        self._open[address] += 1
        self.connections += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self.connections -= 1
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]

    def login_delay(self, key: str, now: float) -> float:
        """How many seconds a login of ``key`` (an address or a user name) has to wait."""
        count, until = self._failures.get(key, (0, 0.0))
        if count == 0 or now > until:
            return 0.0
        limits = self._limits
        return min(limits.login_delay_seconds * 2.0 ** min(count - 1, 30), limits.longest_login_delay_seconds)

    def login_failed(self, key: str, now: float) -> None:
        """Remember a failure; the one that is longest ago is forgotten when there are too many."""
        count, until = self._failures.pop(key, (0, 0.0))
        self._failures[key] = (1 if now > until else count + 1, now + self._limits.forget_failures_seconds)
        if len(self._failures) > _MAX_REMEMBERED:
            self._failures.popitem(last=False)
