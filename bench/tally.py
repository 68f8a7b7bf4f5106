"""What a driver counts while it runs."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass, field

_RAMP_SECONDS = 0.5


@dataclass(slots=True)
class Tally:
    """Requests and emails that were accepted, what was refused, and how long each answer took (seconds).

    Latencies count from half a second on: what nobody has used for some seconds is cold when a run begins, and its
    first requests tell of the pause (the first after 0 s takes 2 ms here, after 2 s 20 ms, after 12 s 45 ms).
    """

    first_at: float = 0.0  # time.time() of the first submission
    last_at: float = 0.0  # time.time() of the last answer
    requests: int = 0
    emails: int = 0
    refused: int = 0
    first_refusal: str = ""
    seconds: array[float] = field(default_factory=lambda: array("d"))

    def begin(self) -> None:
        """The first submission is about to go out."""
        self.first_at = self.first_at or time.time()

    def take(self, emails: int, seconds: float) -> None:
        """An accepting answer came."""
        self.requests += 1
        self.emails += emails
        self.last_at = time.time()
        if self.last_at - self.first_at >= _RAMP_SECONDS:
            self.seconds.append(seconds)

    def refuse(self, said: bytes) -> None:
        """Another answer came, or none."""
        self.refused += 1
        self.first_refusal = self.first_refusal or said[:600].decode(errors="replace")

    def percentile_ms(self, percent: float) -> float:
        """The latency that ``percent`` of the answers kept, in milliseconds."""
        if not self.seconds:
            return float("nan")
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    @property
    def accept_rate(self) -> float:
        """Accepted emails a second."""
        passed = self.last_at - self.first_at
        return self.emails / passed if passed > 0 else 0.0
