"""`hourpost up` as a process of its own, with a home and ports that are nobody else's, and a look at its family."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from hourpost.embedded.instance import read_instance
from tests.fixtures.ports import free_port

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "hourpost")
PORTS = ("HTTP", "SMTP", "SUBMISSION", "SUBMISSIONS", "IMAP", "IMAPS", "POP3", "POP3S")


def eventually(is_true: Callable[[], object], seconds: float = 90.0, *, pause: float = 0.05) -> None:
    """Wait for it, at most so long; ``pause`` longer where to ask takes of the machine that is to do it."""
    ends_at = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends_at, "it did not come true"
        time.sleep(pause)


class RunningUp:
    """Started at once; ``wait`` until it is ready; ``end`` in any case."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.ports = {name: free_port() for name in PORTS}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOURPOST_")}
        ports = {f"HOURPOST_{name}_PORT": str(port) for name, port in self.ports.items()}
        self.environment = {**clean, **ports, "HOURPOST_HOME": str(home), **settings}
        home.parent.mkdir(parents=True, exist_ok=True)
        self.output = home.parent / f"{home.name}.log"
        self.start()

    def start(self) -> None:
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "up"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self.environment,
                start_new_session=True,
            )

    def wait(self, seconds: float = 150.0) -> RunningUp:
        ends_at = time.monotonic() + seconds
        while "Ctrl-C stops everything" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends_at, self.said()
            time.sleep(0.05)
        return self

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def pasted(self, beginning: str) -> str:
        """The command that it printed and that begins so, as one pastes it."""
        found = re.search(rf"^{re.escape(beginning)}(?:.|\n)*?(?:\n\n|\n?\Z)", self.said(), re.MULTILINE)
        assert found is not None
        return found.group()

    def paste(self, beginning: str) -> str:
        done = subprocess.run(
            self.pasted(beginning), shell=True, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def captured(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.home / "captured").glob("*.eml"))]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command beside it."""
        return subprocess.run(
            [*COMMAND, *words], env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    def pid_of(self, part: str) -> int | None:
        found: Any = read_instance(self.home).get("processes", {}).get(part)
        return None if found is None else int(found)

    def family(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def kill(self, part: str) -> int:
        pid = self.pid_of(part)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(by)
        return self.process.wait(45)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process.poll() is not None:
            return
        family = self.family()
        with suppress(subprocess.TimeoutExpired):
            self.stop()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(5)


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those of them that still run; who is dead and not buried by a container's init does not."""
    return [one for one in family if one.is_running() and _status(one) != psutil.STATUS_ZOMBIE]


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)
