"""A program that we start: how, as whom, when it is ready and how it ends; tests and the supervisor share this."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from hourpost.embedded.identity import Identity
from hourpost.embedded.prctl import die_with_parent

_LEAN = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}

Output = int | IO[bytes] | None


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the running system.

    ``prepare`` runs before each start and removes what a crash left behind. ``is_ready`` answers at once.
    ``stop_signal`` asks for a clean end, for which it gets ``stop_seconds``; ``orphan_signal`` is what it gets when
    we are gone without a word.
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


def spawn(program: Program, *, output: Output = None, stdin: Output = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start ``program`` in a session of its own, so that Ctrl-C reaches us alone; it does not outlive us.

    Call it from the main thread: the kernel ties the child to the thread that forked it. Raises: OSError.
    """
    program.prepare()
    return subprocess.Popen(  # noqa: S603  # fixed programs of ours
        list(program.argv),
        stdin=stdin,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        cwd=program.working_folder,
        env={**os.environ, **_LEAN, **program.environment},
        start_new_session=True,
        preexec_fn=partial(_become, program.identity, os.getpid(), program.orphan_signal),  # noqa: PLW1509  # system calls only  # noqa: PLW1509  # no locks
    )


def run(argv: Sequence[str], *, identity: Identity | None = None, stdin: bytes = b"") -> None:
    """Run a short program to its end. Raises: RuntimeError with its output when it fails."""
    done = subprocess.run(  # noqa: S603  # fixed programs of ours
        list(argv),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=partial(_become, identity, os.getpid(), signal.SIGKILL),  # system calls only
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{Path(argv[0]).name} failed: {done.stdout.decode(errors='replace').strip()}")


def wait_until_ready(program: Program, child: subprocess.Popen[bytes], timeout_seconds: float = 60.0) -> None:
    """Block until ``program`` is ready. Raises: RuntimeError when it ended instead, TimeoutError."""
    ends_at = time.monotonic() + timeout_seconds
    while not program.is_ready():
        if child.poll() is not None:
            raise RuntimeError(f"{program.name} ended with {child.returncode} before it was ready")
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{program.name} was not ready after {timeout_seconds:.0f} s")
        time.sleep(0.01)


def stop(program: Program, child: subprocess.Popen[bytes]) -> None:
    """End ``program`` cleanly, or else by force; blocks until it is gone."""
    with suppress(ProcessLookupError):
        child.send_signal(program.stop_signal)
    try:
        child.wait(program.stop_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _become(identity: Identity | None, parent: int, orphan_signal: signal.Signals) -> None:
    if identity is not None:
        identity.assume()
    die_with_parent(parent, orphan_signal)
