"""The few calls of Linux' prctl(2) that a supervisor needs; elsewhere they do nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
_PARENT_DEATH_SIGNAL = 1


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
