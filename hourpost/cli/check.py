"""What `hourpost doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``advice`` says what to do about it."""

    name: str
    level: Level
    text: str
    advice: str | None = None


def ok(name: str, words: str) -> Check:
    """Nothing to do."""
    return Check(name, Level.OK, words)


def warning(name: str, words: str, advice: str) -> Check:
    """It works, and not as it should."""
    return Check(name, Level.WARNING, words, advice)


def failed(name: str, words: str, advice: str) -> Check:
    """It does not work."""
    return Check(name, Level.FAILED, words, advice)
