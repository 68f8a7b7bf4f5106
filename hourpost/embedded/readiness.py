"""Readiness: a part that works touches a file in the home; its supervisor waits for that."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def readiness_file(home: Path, part: str) -> Path:
    """Where ``part`` says that it is ready."""
    return home / "run" / f"{part}.ready"


def mark_ready(home: Path, part: str) -> None:
    """Say that ``part`` works; harmless where nobody waits."""
    path = readiness_file(home, part)
    if path.parent.is_dir():
        path.touch()
        with suppress(OSError):  # a full disk takes no words, and the file's being there says enough
            path.write_text(f"{os.getpid()}\n")


def mark_starting(home: Path, part: str) -> None:
    """Take an earlier word back."""
    path = readiness_file(home, part)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
