"""The supervisor: starts programs in order, starts again what dies, stops all of it in the reverse order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from hourpost.embedded.program import Program, spawn, wait_until_ready

_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_STABLE_SECONDS = 20.0
_LOOK_SECONDS = 0.1

Log = Callable[[str, str], None]


class Child:
    """One program and its process, as long as it is wanted."""

    def __init__(self, program: Program, log: Log) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self._log = log
        self._started_at = 0.0
        self._failures = 0
        self._again_at = 0.0

    def start(self) -> None:
        """Start it. Raises: OSError."""
        self._started_at = time.monotonic()
        self.process = spawn(self.program, output=subprocess.PIPE)
        assert self.process.stdout is not None
        threading.Thread(target=self._copy, args=(self.process.stdout,), daemon=True).start()

    def wait(self) -> None:
        """Block until it is ready. Raises: RuntimeError, TimeoutError."""
        assert self.process is not None
        wait_until_ready(self.program, self.process)

    def look(self) -> None:
        """Start it again, after a pause that grows, when it has died."""
        now = time.monotonic()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            if now - self._started_at > _STABLE_SECONDS:
                self._failures = 0
            pause = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
            self._log(self.program.name, f"ended with {code}; starts again in {pause:g} s")
            self._failures += 1
            self._again_at, self.process = now + pause, None
        if now >= self._again_at:
            try:
                self.start()
            except OSError as error:
                self._again_at = now + _BACKOFF_SECONDS[-1]
                self._log(self.program.name, f"cannot start: {error}")

    def ask_to_stop(self) -> None:
        """Ask for a clean end; returns at once."""
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(self.program.stop_signal)

    def await_end(self) -> None:
        """Wait for the end that was asked for; by force when it takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(self.program.stop_seconds)
        except subprocess.TimeoutExpired:
            self._log(self.program.name, "does not end; killed")
            self.process.kill()
            self.process.wait()

    def _copy(self, lines: IO[bytes]) -> None:
        for line in lines:
            self._log(self.program.name, line.decode(errors="replace").rstrip())


class Supervisor:
    """Runs groups of programs: each group is ready before the next one starts. Use it from the main thread."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._groups: list[list[Child]] = []
        self._stopping = threading.Event()

    def start(self, programs: Sequence[Program]) -> None:
        """Start one more group and wait until all of it is ready. Raises: RuntimeError, TimeoutError, OSError."""
        group = [Child(program, self._log) for program in programs]
        self._groups.append(group)
        for child in group:
            child.start()
        for child in group:
            child.wait()

    def pids(self) -> dict[str, int]:
        """The processes by the names of their programs."""
        children = (child for group in self._groups for child in group)
        return {child.program.name: child.process.pid for child in children if child.process is not None}

    def watch(self, on_change: Callable[[], None]) -> None:
        """Start again what dies, until ``stop`` was asked for; ``on_change`` is told after each new process."""
        before = self.pids()
        while not self._stopping.wait(_LOOK_SECONDS):
            for group in self._groups:
                for child in group:
                    child.look()
            if self.pids() != before:
                before = self.pids()
                on_change()

    def ask_to_stop(self, *_: object) -> None:
        """End ``watch``; usable as a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop group by group, the last one first, each cleanly."""
        for group in reversed(self._groups):
            for child in group:
                child.ask_to_stop()
            for child in group:
                child.await_end()
        self._groups.clear()


def stop_on_signals(supervisor: Supervisor) -> None:
    """Let SIGINT and SIGTERM end ``watch``; a second one changes nothing, the stop is bounded."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, supervisor.ask_to_stop)
    if os.name == "posix":
        signal.signal(signal.SIGHUP, supervisor.ask_to_stop)
