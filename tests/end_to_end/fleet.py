"""The parts as processes of their own, each with a home of its own, on servers that somebody else runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hourpost.embedded.readiness import readiness_file
from tests.fixtures.ports import free_port

_ROOT = Path(__file__).parent.parent.parent
_PORTS = ("HTTP", "SMTP", "SUBMISSION", "SUBMISSIONS")


@dataclass
class Part:
    """One process of a part, started again after it was stopped."""

    name: str
    home: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ready = readiness_file(self.home, self.name)
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hourpost", self.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=_ROOT,
                env={**self.environment, "HOURPOST_HOME": str(self.home)},
            )

    def wait(self, seconds: float = 120.0) -> None:
        """Until it says that it works."""
        assert self.process is not None
        ends_at = time.monotonic() + seconds
        while not readiness_file(self.home, self.name).exists():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends_at, self.said()
            time.sleep(0.02)

    def stop(self, seconds: float = 60.0) -> int:
        """As an orchestrator does: SIGTERM, and wait for the end; gives its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    def said(self) -> str:
        return (self.home / "log").read_text(errors="replace")[-3000:]


class Fleet:
    """Web, two workers, the scheduler and the mail door; ``migrate`` ran before them."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.ports = {name: free_port() for name in _PORTS}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOURPOST_")}
        ports = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        given = {**settings, **ports, "SECRET_KEY": "a secret of the tests, long enough"}
        environment = {**clean, **{f"HOURPOST_{name}": value for name, value in given.items()}}
        names = ("web", "worker", "worker", "scheduler", "smtp")
        self.parts = [Part(name, folder / f"{number}-{name}", environment) for number, name in enumerate(names)]
        migrating = Part("migrate", folder / "migrate", environment)
        migrating.start()
        assert migrating.process is not None
        assert migrating.process.wait(120) == 0, migrating.said()

    def start(self) -> None:
        self.begin()
        self.wait()

    def begin(self) -> None:
        for part in self.parts:
            part.start()

    def wait(self) -> None:
        for part in self.parts:
            part.wait()

    def kill(self) -> None:
        """kill -9 of every part at the same moment."""
        for part in self.parts:
            assert part.process is not None
            part.process.kill()
        for part in self.parts:
            part.process.wait(10)

    def end(self) -> None:
        for part in self.parts:
            part.end()

    def named(self, name: str) -> list[Part]:
        return [part for part in self.parts if part.name == name]
