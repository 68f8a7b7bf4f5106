"""How a driver ends: SIGTERM unwinds it like Ctrl-C, so that everything it started is stopped."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def unwind_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit; call it once, in the main thread."""
    signal.signal(signal.SIGTERM, _unwind)


def _unwind(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the cleaning up short
    sys.exit(128 + number)
