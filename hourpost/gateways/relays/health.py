"""What a relay has done and how it does, and how patient we are with it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from hourpost.gateways.relays.breaker import BreakerState, Trouble
from hourpost.gateways.relays.outcome import Outcome, Stage

_REMEMBERED = 255
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds: of a message for a connection, of an unused connection, and behind another message's dot."""

    waiting: float = 30.0
    idle: float = 30.0
    behind: float = 2.0


@dataclass(slots=True)
class Counts:
    """What a relay has done since the process began; messages by recipient."""

    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    answers_lost: int = 0
    logins: int = 0
    login_failures: int = 0
    overlapped: int = 0
    tried_again: int = 0


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """A relay as one process sees it. ``state_seconds``: for how long it has been trusted, or not."""

    relay: str
    breaker: BreakerState
    state_seconds: float
    retry_in_seconds: float
    connections: int
    idle: int
    connecting: int
    most_connections: int
    waiting: int
    recent_seconds: float | None
    median_seconds: float | None
    slow_destinations: tuple[str, ...]
    last_fault: str | None
    refuses_login: bool  # its last answer to our user name and password was no
    last_reply: str | None
    last_reply_seconds: float | None  # ago
    counts: Counts


class Diary:
    """What a relay answered lately, and since when it is trusted or not. Moments are readings of the pool's clock."""

    __slots__ = ("_seconds", "last_fault", "last_outcome", "trouble", "turned_at")

    def __init__(self, now: float) -> None:
        self.turned_at = now
        self.last_fault: str | None = None
        self.last_outcome: Outcome | None = None
        self.trouble: Trouble | None = None  # since it last worked
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def ended(self, seconds: float) -> None:
        """A message has taken so long."""
        self._seconds.append(seconds)

    @property
    def median_seconds(self) -> float | None:
        """What half of the last messages took at most."""
        return median(self._seconds) if self._seconds else None

    @property
    def last_reply(self) -> str | None:
        """What was said last about a message."""
        last = self.last_outcome
        return (
            None
            if last is None
            else describe(last.stage, last.code, " ".join(filter(None, (last.enhanced, last.text))))
        )


def describe(stage: Stage, code: int | None, words: str) -> str:
    """``dot: 250 2.0.0 queued``: what was answered, and where."""
    return " ".join(filter(None, (f"{stage}:", str(code or ""), words)))[:_LONGEST_WORDS]
