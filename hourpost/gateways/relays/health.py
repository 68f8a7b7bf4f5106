"""What a relay has done and how it does, and how patient we are with it."""

from __future__ import annotations

from dataclasses import dataclass


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
    """A relay as metrics, the dashboard and ``doctor`` show it."""

    relay: str
    breaker: str
    retry_in_seconds: float
    connections: int
    idle: int
    connecting: int
    most_connections: int
    waiting: int
    recent_seconds: float | None
    slow_destinations: tuple[str, ...]
    last_fault: str | None
    counts: Counts
