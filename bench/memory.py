"""How much memory processes hold: what is theirs, and their share of what they have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

_MAPPING = re.compile(rb"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)$")
# Where PostgreSQL keeps its buffers: an anonymous shared mapping, or System V or POSIX shared memory.
_BUFFERS = (b"/dev/zero", b"/SYSV", b"/dev/shm", b"/anon_hugepage")


def held_megabytes(processes: Iterable[psutil.Process]) -> float:
    """The proportional memory of all of them, without PostgreSQL's shared buffers."""
    total = 0
    for process in processes:
        with suppress(OSError):
            total += _held_bytes(Path(f"/proc/{process.pid}/smaps").read_bytes())
    return total / 1e6


def _held_bytes(smaps: bytes) -> int:
    total, is_counted = 0, True
    for line in smaps.splitlines():
        mapping = _MAPPING.match(line)
        if mapping is not None:
            is_counted = not mapping[1].startswith(_BUFFERS)
        elif is_counted and line.startswith(b"Pss:"):
            total += int(line.split()[1]) * 1024
    return total
