"""What PostgreSQL has left to the kernel to write is begun as its tables grow, and not all of it at once.

A table grows by pages of zeros that PostgreSQL hands over and does not ask back. The kernel keeps them for half a
minute (``vm.dirty_expire_centisecs``) and then writes all it has; every commit waits behind that. Measured at 1,200
emails a second: 130 MB in one go, and commits of 60 to 130 ms.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from hourpost.embedded.linux import begin_writing

_LOOK_SECONDS = 2.0
_PIECE_BYTES = 1024 * 1024  # what is less is not worth the kernel's work for a file


class Writeback:
    """Has the kernel write the files of the databases below ``folder`` that have grown by a piece."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looks_at = 0.0
        self._begun: dict[str, int] = {}

    def look(self) -> None:
        """Begin to write what has grown since the last time, if it is time to."""
        if time.monotonic() < self._looks_at:
            return
        self._looks_at = time.monotonic() + _LOOK_SECONDS
        sizes = _sizes(self._folder)
        for path, size in sizes.items():
            if size - self._begun.setdefault(path, size) >= _PIECE_BYTES:
                with suppress(OSError):  # dropped meanwhile; of a bad disk PostgreSQL hears itself
                    _begin(path, self._begun[path])
                self._begun[path] = size
        self._begun = {path: min(size, self._begun[path]) for path, size in sizes.items()}


def _sizes(folder: Path) -> dict[str, int]:
    sizes = {}
    with suppress(OSError):
        for database in os.scandir(folder):
            for file in os.scandir(database):
                with suppress(OSError):
                    sizes[file.path] = file.stat().st_size
    return sizes


def _begin(path: str, start: int) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        begin_writing(file, start)
    finally:
        os.close(file)
