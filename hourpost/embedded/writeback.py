"""What PostgreSQL has left to the kernel to write is begun every second, and not all of it at once.

A table grows by pages of zeros that PostgreSQL hands over and does not ask back. The kernel keeps them for half a
minute (``vm.dirty_expire_centisecs``) and then writes all it has; every commit waits behind that. Measured at 1,200
emails a second: 130 MB in one go, and commits of 60 to 130 ms.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hourpost.embedded.linux import begin_writing

_LOOK_SECONDS = 1.0
_GRAIN_SECONDS = 0.1  # how much later than the clock a file's time may be


class Writeback:
    """Has the kernel write the files of the databases below ``folder`` soon after they were changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looks_at = 0.0
        self._changed_since = time.time()

    def look(self) -> None:
        """Begin what has been changed since the last time, if it is time to."""
        if time.monotonic() < self._looks_at:
            return
        self._looks_at = time.monotonic() + _LOOK_SECONDS
        since, self._changed_since = self._changed_since - _GRAIN_SECONDS, time.time()
        for path in self._list_changed(since):
            with suppress(OSError):  # dropped meanwhile; of a bad disk PostgreSQL hears itself
                _begin(path)

    def _list_changed(self, since: float) -> Iterator[str]:
        with suppress(OSError):
            for database in os.scandir(self._folder):
                for file in os.scandir(database):
                    with suppress(OSError):
                        if file.stat().st_mtime >= since:
                            yield file.path


def _begin(path: str) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        begin_writing(file)
    finally:
        os.close(file)
