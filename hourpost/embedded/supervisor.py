"""The supervisor: starts programs in order, starts again what dies, stops all of it in the reverse order.

It has one thread, because it forks: one loop reads what the children write and wakes up when one ends.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from hourpost.embedded.program import Process, Program, start

_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_STABLE_SECONDS = 20.0
_READY_SECONDS = 90.0
_LOOK_SECONDS = 1.0
_PROBE_SECONDS = 0.01
_CHUNK_BYTES = 65_536
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Log = Callable[[str, str], None]


class Child:
    """One program and its process, as long as it is wanted."""

    def __init__(self, program: Program, log: Log) -> None:
        self.program = program
        self.process: Process | None = None
        self.restarts_at = 0.0
        self.last_line = ""
        self._log = log
        self._started_at = 0.0
        self._failures = 0
        self._rest = b""

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> IO[bytes]:
        """Start it; gives the pipe that it writes to. Raises: OSError."""
        self._started_at, self._rest = time.monotonic(), b""
        self.process = start(self.program)
        assert self.process.stdout is not None
        return self.process.stdout

    def bury(self) -> None:
        """Decide when it starts again: after a pause that grows with each early death."""
        assert self.process is not None
        now = time.monotonic()
        if now - self._started_at > _STABLE_SECONDS:
            self._failures = 0
        pause = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
        self._log(self.program.name, f"ended with {self.process.returncode}; starts again in {pause:g} s")
        self._failures += 1
        self.restarts_at, self.process = now + pause, None

    def hear(self, chunk: bytes) -> None:
        """Log the lines that are complete."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _CHUNK_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if self.program.noise is None or not self.program.noise.search(text):
                self.last_line = text
                self._log(self.program.name, text)


class Supervisor:
    """Runs groups of programs: each group is ready before the next one starts. Use it from the main thread."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._groups: list[list[Child]] = []
        self._is_stopping = False
        self._selector = selectors.DefaultSelector()
        self._listen_to_signals()

    def start(self, programs: Sequence[Program]) -> None:
        """Start one more group. Raises: OSError."""
        group = [Child(program, self._log) for program in programs]
        self._groups.append(group)
        for child in group:
            self._start(child)

    def run(self, program: Program, task: str) -> bool:
        """Run one that ends by itself, ``task`` in words; False when a signal came first, and ``stop`` has to follow.

        Raises: OSError, RuntimeError with the last that it said when it fails.
        """
        self.start([program])
        child = self._groups[-1][0]
        while child.is_alive and not self._is_stopping:
            self._turn(_PROBE_SECONDS)
        if child.is_alive:
            return False
        self._groups.pop()
        self._turn(_PROBE_SECONDS)  # its last words
        assert child.process is not None
        if child.process.returncode:
            raise RuntimeError(f"{task} failed: {child.last_line}")
        return not self._is_stopping

    def wait(self) -> bool:
        """Wait until all are ready; False when a signal came first. Raises: RuntimeError, TimeoutError."""
        waiting = self._children()
        ends_at = time.monotonic() + _READY_SECONDS
        while waiting and not self._is_stopping:
            self._turn(_PROBE_SECONDS)
            for child in waiting:
                self._check_alive(child)
            waiting = [child for child in waiting if not child.program.is_ready()]
            if time.monotonic() > ends_at:
                names = ", ".join(child.program.name for child in waiting)
                raise TimeoutError(f"not ready after {_READY_SECONDS:.0f} s: {names}")
        return not self._is_stopping

    def pids(self) -> dict[str, int]:
        """The processes by the names of their programs."""
        return {child.program.name: child.process.pid for child in self._children() if child.process is not None}

    def watch(self, on_change: Callable[[], None], look: Callable[[], None] = lambda: None) -> None:
        """Start again what dies, until a signal says stop.

        ``on_change`` is told after each new process; ``look`` is called at every turn, once a second at least.
        """
        before = self.pids()
        while not self._is_stopping:
            self._turn(self._restart())
            look()
            if self.pids() != before:
                before = self.pids()
                on_change()

    def stop(self) -> None:
        """Stop group by group, the last one first, each cleanly and all of it within a bounded time."""
        for group in reversed(self._groups):
            for child in group:
                if child.process is not None and child.is_alive:
                    with suppress(ProcessLookupError):
                        child.process.send_signal(child.program.stop_signal)
            self._await_end(group)
        self._groups.clear()

    def _await_end(self, group: list[Child]) -> None:
        began_at = time.monotonic()
        while alive := [child for child in group if child.is_alive]:
            self._turn(_PROBE_SECONDS)
            for child in alive:
                if time.monotonic() - began_at > child.program.stop_seconds and child.process is not None:
                    self._log(child.program.name, "does not end; killed")
                    child.process.kill()
        self._turn(0.0)

    def _check_alive(self, child: Child) -> None:
        if child.process is not None and not child.is_alive and not child.program.is_ready():
            self._turn(_PROBE_SECONDS)  # its last words
            raise RuntimeError(f"{child.program.name} ended with {child.process.returncode} before it was ready")

    def _children(self) -> list[Child]:
        return [child for group in self._groups for child in group]

    def _start(self, child: Child) -> None:
        pipe = child.start()
        self._selector.register(pipe, selectors.EVENT_READ, (child, pipe))

    def _restart(self) -> float:
        """Bury and start again; gives the seconds until there may be something to do."""
        pause = _LOOK_SECONDS
        for child in self._children():
            if child.process is not None and not child.is_alive:
                child.bury()
            if child.process is None:
                pause = min(pause, max(0.0, child.restarts_at - time.monotonic()))
            if child.process is None and time.monotonic() >= child.restarts_at:
                try:
                    self._start(child)
                except (OSError, RuntimeError) as error:
                    child.restarts_at = time.monotonic() + _BACKOFF_SECONDS[-1]
                    self._log(child.program.name, f"cannot start: {error}")
        return pause

    def _turn(self, seconds: float) -> None:
        """Read what has been written, for as long as that; a signal ends it at once."""
        for key, _ in self._selector.select(seconds):
            chunk = os.read(key.fd, _CHUNK_BYTES)
            if key.data is None:  # a signal's number: it has done its work by waking us
                continue
            child, pipe = key.data
            if chunk:
                child.hear(chunk)
            else:
                self._selector.unregister(pipe)
                pipe.close()

    def _listen_to_signals(self) -> None:
        """SIGINT, SIGTERM and SIGHUP end ``watch``; SIGCHLD only wakes it. A second one changes nothing."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._selector.register(reading, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self._is_stopping = True
