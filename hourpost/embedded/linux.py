"""The few calls of Linux that a supervisor needs; elsewhere they do nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

IS_LINUX = sys.platform.startswith("linux")
LIBC = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None
_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_MALLOC_ARENA_MAX = -8
_MALLOC_MMAP_THRESHOLD = -3
_SYNC_FILE_RANGE_WRITE = 2
_ARGUMENTS_START, _ARGUMENTS_END = 45, 46  # fields 48 and 49 of proc_pid_stat(5), after the name


def prctl(option: int, *arguments: int) -> None:
    """prctl(2). Raises: OSError."""
    if LIBC is None:
        return
    padded = (*arguments, 0, 0, 0, 0)[:4]
    if LIBC.prctl(option, *(ctypes.c_ulong(value) for value in padded)) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def die_with_parent(parent: int, by: signal.Signals) -> None:
    """Have the kernel send us ``by`` when the thread that forked us ends; at once when ``parent`` is gone already.

    A change of user clears the wish, so this comes after it.
    """
    prctl(_PARENT_DEATH_SIGNAL, by)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def rename_process(words: Iterable[str]) -> None:
    """Show ``words`` as our command line: they are written over the one that we were started with."""
    if LIBC is None:
        return
    line = b"\0".join(word.encode() for word in words)
    LIBC.prctl(_SET_NAME, ctypes.c_char_p(line.replace(b"\0", b" ")[:15]))
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, size = int(fields[_ARGUMENTS_START]), int(fields[_ARGUMENTS_END]) - int(fields[_ARGUMENTS_START])
    ctypes.memmove(start, line[: size - 1].ljust(size, b"\0"), size)


def use_few_arenas(count: int = 2) -> None:
    """What ``MALLOC_ARENA_MAX`` does for programs, for ourselves and our forks: threads share their free memory."""
    if LIBC is not None and hasattr(LIBC, "mallopt"):
        LIBC.mallopt(_MALLOC_ARENA_MAX, count)


def map_large_buffers(least_bytes: int) -> None:
    """Give each buffer of so many bytes or more pages of its own, of which only those exist that were ever written.

    Left to itself glibc raises that limit as buffers come and go, and then takes them from its heap, all of it dirty.
    """
    if LIBC is not None and hasattr(LIBC, "mallopt"):
        LIBC.mallopt(_MALLOC_MMAP_THRESHOLD, least_bytes)


def give_back_free_memory() -> None:
    """Give the kernel every page that malloc keeps and nobody uses."""
    if LIBC is not None and hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)


def yield_to_others(niceness: int) -> None:
    """Take a smaller share of busy processors: 0 the usual one, 19 the least.

    A session of its own is weighed as a whole (autogroups of sched(7)), so the session is told too.
    """
    os.nice(niceness)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))


def begin_writing(file: int, start: int) -> None:
    """Have the kernel begin to write what is dirty of an open file from byte ``start`` on, without waiting for it.

    sync_file_range(2): an error of the disk stays to be told to whoever syncs the file, from whom fsync(2) would take
    it. Raises: OSError.
    """
    if LIBC is None or not hasattr(LIBC, "sync_file_range"):
        return
    if LIBC.sync_file_range(file, ctypes.c_int64(start), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE) != 0:
        raise OSError(ctypes.get_errno(), "sync_file_range")
