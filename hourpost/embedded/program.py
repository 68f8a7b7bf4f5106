"""A program that we start: how, as whom, when it is ready and how it ends; tests and the supervisor share this."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hourpost.embedded.forked import ForkedProcess, fork
from hourpost.embedded.identity import Identity
from hourpost.embedded.linux import IS_LINUX, die_with_parent

_LEAN = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}

Process = subprocess.Popen[bytes] | ForkedProcess


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the running system.

    ``prepare`` runs before each start and removes what a crash left behind. ``is_ready`` answers at once.
    ``stop_signal`` asks for a clean end, for which it gets ``stop_seconds``; ``orphan_signal`` is what it gets when
    we are gone without a word. ``work`` does the same as ``argv`` in a fork of ours. ``noise`` is what it says that
    nobody needs to read.
    """

    name: str
    argv: Sequence[str]
    is_ready: Callable[[], bool]
    prepare: Callable[[], None] = lambda: None
    identity: Identity | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 25.0
    orphan_signal: signal.Signals = signal.SIGKILL
    work: Callable[[], object] | None = None
    noise: re.Pattern[str] | None = None


def start(program: Program) -> Process:
    """Start ``program``, by a fork of ours where it can be one; what it writes comes out of its ``stdout``.

    Call it from the main thread of a process with no other. Raises: OSError.
    """
    if program.work is None or not IS_LINUX:
        return spawn(program, output=subprocess.PIPE)
    program.prepare()
    return fork(("hourpost", program.name), program.work, program.orphan_signal)


def spawn(program: Program, *, output: int | None = None) -> subprocess.Popen[bytes]:
    """Start ``program`` in a session of its own, so that Ctrl-C reaches us alone; it does not outlive us.

    Call it from the main thread: the kernel ties the child to the thread that forked it. Raises: OSError.
    """
    program.prepare()
    return subprocess.Popen(  # noqa: S603  # fixed programs of ours
        list(program.argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        bufsize=0,
        cwd=program.working_folder,
        env={**os.environ, **_LEAN, **program.environment},
        start_new_session=True,
        preexec_fn=partial(_become, program.identity, os.getpid(), program.orphan_signal),  # noqa: PLW1509  # no locks
    )


def run(argv: Sequence[str], *, name: str = "", identity: Identity | None = None, stdin: bytes = b"") -> None:
    """Run a short program to its end, ``name`` in words. Raises: RuntimeError with its output when it fails."""
    become = partial(_become, identity, os.getpid(), signal.SIGKILL)
    done = subprocess.run(  # noqa: S603  # fixed programs of ours
        list(argv),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=become,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name or Path(argv[0]).name} failed: {done.stdout.decode(errors='replace').strip()}")


def wait_until_ready(program: Program, process: Process, timeout_seconds: float = 60.0) -> None:
    """Block until ``program`` is ready. Raises: RuntimeError when it ended instead, TimeoutError."""
    ends_at = time.monotonic() + timeout_seconds
    while not program.is_ready():
        if process.poll() is not None:
            raise RuntimeError(f"{program.name} ended with {process.returncode} before it was ready")
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{program.name} was not ready after {timeout_seconds:.0f} s")
        time.sleep(0.01)


def stop(program: Program, process: Process) -> None:
    """End ``program`` cleanly, or else by force; blocks until it is gone."""
    with suppress(ProcessLookupError):
        process.send_signal(program.stop_signal)
    try:
        process.wait(program.stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _become(identity: Identity | None, parent: int, orphan_signal: signal.Signals) -> None:
    if identity is not None:
        identity.assume()
    die_with_parent(parent, orphan_signal)
