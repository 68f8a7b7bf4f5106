"""Parts of ours as forks of the supervisor: what it has imported they share, and they are there at once.

Four processes that import for themselves cost 0.7 s of a core and 75 MB each; as forks they cost 10 to 20 MB. A fork
needs a parent with one thread, so the supervisor has no other.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import IO, NoReturn

from hourpost.embedded.linux import die_with_parent, rename_process

_TICK_SECONDS = 0.01
_RESET = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class ForkedProcess:
    """A fork, with as much of ``subprocess.Popen`` as a supervisor uses."""

    def __init__(self, pid: int, stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; ``None`` while it lives."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Block until it has ended. Raises: TimeoutExpired."""
        ends_at = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if ends_at is not None and time.monotonic() > ends_at:
                raise TimeoutExpired("fork", timeout or 0.0)
            time.sleep(_TICK_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by force."""
        self.send_signal(signal.SIGKILL)


def fork(title: Iterable[str], work: Callable[[], object], orphan_signal: signal.Signals) -> ForkedProcess:
    """Run ``work`` in a child of ours with a session of its own; ``title`` is its command line in ``ps``.

    Call it from the main thread of a process with no other. What the child writes comes out of its ``stdout``.
    """
    parent = os.getpid()
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(title, work, writing, lambda: die_with_parent(parent, orphan_signal))
    os.close(writing)
    return ForkedProcess(pid, os.fdopen(reading, "rb", buffering=0))


def _live(title: Iterable[str], work: Callable[[], object], output: int, tie: Callable[[], None]) -> NoReturn:
    """The child's life: nothing of the parent's stack runs again, whatever happens."""
    code = 1
    try:
        os.setsid()
        tie()
        _let_go_of_parent(output)
        rename_process(title)
        work()
        code = 0
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            sys.stderr.write(f"{leaving.code}\n")
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # the outermost frame of a process: it says what happened and ends
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _let_go_of_parent(output: int) -> None:
    """No signal handler, no lock, no pipe of the parent's stays with the child."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, max(map(int, _open_descriptors())) + 1)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115  # ours for good
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115


def _open_descriptors() -> list[str]:
    return [path.name for path in Path("/proc/self/fd").iterdir()]
