"""`hourpost imap` as a process of its own."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hourpost.embedded.readiness import mark_starting, readiness_file
from tests.fixtures.certificates import Certificate
from tests.fixtures.ports import free_port


@dataclass
class RunningProcess:
    """Ports: ``imap`` (STARTTLS), ``imaps`` (TLS)."""

    process: subprocess.Popen[bytes]
    imap: int
    imaps: int
    environment: dict[str, str]
    tls: ssl.SSLContext


@contextmanager
def run(urls: tuple[str, str], tls: Certificate, home: Path) -> Iterator[RunningProcess]:
    ports = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HOURPOST_")},
        "HOURPOST_HOME": str(home),
        "HOURPOST_DATABASE_URL": urls[0],
        "HOURPOST_REDIS_URL": urls[1],
        "HOURPOST_IMAP_PORT": str(ports[0]),
        "HOURPOST_IMAPS_PORT": str(ports[1]),
        "HOURPOST_TLS_CERTIFICATE": str(tls.cert),
        "HOURPOST_TLS_KEY": str(tls.key),
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
    }
    home.mkdir(exist_ok=True)
    mark_starting(home, "imap")
    process = subprocess.Popen([sys.executable, "-m", "hourpost", "imap"], env=environment)
    try:
        ends_at = time.monotonic() + 60
        while not readiness_file(home, "imap").exists():
            assert process.poll() is None, "hourpost imap ended"
            assert time.monotonic() < ends_at, "hourpost imap did not get ready"
            time.sleep(0.05)
        yield RunningProcess(process, *ports, environment, ssl.create_default_context(cafile=str(tls.cert)))
    finally:
        process.kill()
        process.wait(20)
