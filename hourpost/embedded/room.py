"""Room on the disk of the embedded servers: told before it ends, in words that say what to do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hourpost.rules.room import NONE_BYTES

LITTLE_BYTES = 512 * 1_024 * 1_024
_LOOK_SECONDS = 5.0
_TELL_SECONDS = 60.0


def describe(folder: Path, free_bytes: int) -> str | None:
    """What to say of so much room; None where there is enough."""
    left = f"the disk of {folder} has {free_bytes // (1_024 * 1_024)} MB left"
    if free_bytes < NONE_BYTES:
        return (
            f"{left}: make room there. Until then sending is answered by 503 and 452; what was accepted is kept, and"
            " all of it goes on by itself, without a restart."
        )
    if free_bytes < LITTLE_BYTES:
        return f"{left}: make room there before it is full; then nothing more can be accepted."
    return None


class Room:
    """Looks at the disk of ``folder`` every few seconds, and tells at most once a minute, unless it got worse."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell
        self._looks_at = 0.0
        self._tells_at = 0.0
        self._was_full = False

    def look(self) -> None:
        """Look, if it is time to."""
        now = time.monotonic()
        if now < self._looks_at:
            return
        self._looks_at = now + _LOOK_SECONDS
        with suppress(OSError):
            self._note(shutil.disk_usage(self._folder).free, now)

    def _note(self, free_bytes: int, now: float) -> None:
        is_full, words = free_bytes < NONE_BYTES, describe(self._folder, free_bytes)
        if words is not None and (now >= self._tells_at or is_full > self._was_full):
            self._tell(words)
            self._tells_at = now + _TELL_SECONDS
        if self._was_full and not is_full:
            self._tell(f"the disk of {self._folder} has room again")
        self._was_full = is_full
