"""The product under load: ``hourpost up`` with a home and ports of its own, and what the drivers ask of it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.letters import Sender
from hourpost.embedded.instance import read_instance
from hourpost.embedded.postgres import EmbeddedPostgres

_ROOT = Path(__file__).resolve().parent.parent
_PORTS = ("HTTP", "SMTP", "SUBMISSION", "SUBMISSIONS", "IMAP", "IMAPS", "POP3", "POP3S")


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now; all different, and none that the system gives to connections."""
    found: list[int] = []
    for port in random.sample(range(30_000, 32_500), 1_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"no {count} free ports")


@dataclass(slots=True)
class Instance:
    """One installation in ``home``; ``settings`` are further variables, without their prefix."""

    home: Path
    relays: str
    settings: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True)))
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, timeout_seconds: float = 120.0) -> float:
        """Start everything; gives the seconds until it was ready. Raises: RuntimeError with the end of the log."""
        began_at = time.monotonic()
        with (self.home.parent / "hourpost.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_COMMAND, "up"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=_ROOT,
                env=self.environment(),
                start_new_session=True,
            )
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() - began_at > timeout_seconds:
                self.stop()
                raise RuntimeError(f"hourpost up did not get ready:\n{self.log_end()}")
            time.sleep(0.02)
        return time.monotonic() - began_at

    def stop(self, timeout_seconds: float = 45.0) -> None:
        """Ask the supervisor to end everything; by force when it does not."""
        if self._process is None:
            return
        family = self.processes()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            for process in [psutil.Process(self._process.pid), *family]:
                with suppress(psutil.Error):
                    process.kill()
            self._process.wait(5)
        self._process = None

    def environment(self) -> dict[str, str]:
        """The variables that the product and its command line run with."""
        own = {"HOME": str(self.home), "RELAYS": self.relays, "REQUESTS_PER_SECOND": "10000000", **self.settings}
        own |= {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOURPOST_")}
        return {**clean, **{f"HOURPOST_{name}": value for name, value in own.items()}}

    def is_ready(self) -> bool:
        """Whether the web part says so and the door for submission is open."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['HTTP']}/readyz", timeout=2) as answer:
                is_ready = bool(answer.status == 200)
            socket.create_connection(("127.0.0.1", self.ports["SUBMISSIONS"]), 1).close()
        except OSError:
            return False
        return is_ready

    def call(self, *words: str, timeout_seconds: float = 60.0) -> dict[str, Any]:
        """One command with ``--json``. Raises: RuntimeError with what it said."""
        done = subprocess.run(
            [*_COMMAND, *words, "--json"],
            env=self.environment(),
            cwd=_ROOT,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"hourpost {' '.join(words)}: {done.stderr.decode(errors='replace')[-800:]}")
        return dict(json.loads(done.stdout))

    def enroll(self, name: str, limit: int) -> tuple[str, Sender]:
        """An account with a limit of its own, a domain, a key and an SMTP credential; gives its id too."""
        domain = f"{name}.test"
        account = self.call("account", "create", "--name", name, "--email", f"owner@{domain}", "--plan", "skilled")[
            "id"
        ]
        self.call("account", "plan", "--account", account, "--set", "skilled", "--limit", str(limit))
        self.call("domain", "add", "--account", account, domain)
        self.call("domain", "verify", "--account", account, domain)
        token = self.call("key", "create", "--account", account)["token"]
        login = self.call("smtp-credential", "create", "--account", account)
        return account, Sender(f"hello@{domain}", token, login["username"], login["password"])

    @property
    def database_url(self) -> str:
        """How to reach its PostgreSQL."""
        return EmbeddedPostgres(self.home / "postgres").url()

    @property
    def supervisor(self) -> psutil.Process:
        """The process of ``hourpost up``."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def processes(self) -> list[psutil.Process]:
        """Everything below the supervisor."""
        with suppress(psutil.NoSuchProcess):
            return list(self.supervisor.children(recursive=True))
        return []

    def find(self, part: str) -> psutil.Process | None:
        """The process that runs a part now, by the name that the supervisor gave it."""
        pid = read_instance(self.home).get("processes", {}).get(part)
        with suppress(psutil.Error):
            process = psutil.Process(pid) if pid else None
            return process if process and process.status() != psutil.STATUS_ZOMBIE else None
        return None

    def log_end(self, size: int = 3000) -> str:
        """The last of what it logged."""
        return (self.home.parent / "hourpost.log").read_bytes()[-size:].decode(errors="replace")


_COMMAND = (sys.executable, "-m", "hourpost")
