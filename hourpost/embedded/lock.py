"""The lock on a home: one supervisor at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class HomeTaken(Exception):
    """Another process, ``pid``, runs in the home."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"process {pid} has the lock")
        self.pid = pid


def lock_home(home: Path) -> IO[str]:
    """Hold the home until the file is closed or we end, however that comes. Raises: HomeTaken."""
    file = (home / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        file.close()
        raise HomeTaken(pid) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
