"""`hourpost imap` itself: two of them on PostgreSQL and Redis, a real mailbox, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from imapclient import IMAPClient

from hourpost.embedded.readiness import mark_starting, readiness_file
from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.fixtures.certificates import Certificate
from tests.fixtures.ports import free_port


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    imap: int
    imaps: int
    environment: dict[str, str]


@contextmanager
def run(urls: tuple[str, str], tls: Certificate, home: Path) -> Iterator[Running]:
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
        yield Running(process, *ports, environment)
    finally:
        process.kill()
        process.wait(20)


@pytest_asyncio.fixture
async def two(database_url: str, redis_url: str, tls: Certificate, tmp_path: Path) -> AsyncIterator[list[Running]]:
    with ExitStack() as stack:
        start = [
            asyncio.to_thread(stack.enter_context, run((database_url, redis_url), tls, tmp_path / name))
            for name in ("one", "two")
        ]
        yield list(await asyncio.gather(*start))


def open_client(running: Running, box: Box, tls: Certificate) -> IMAPClient:
    context = ssl.create_default_context(cafile=str(tls.cert))
    client = IMAPClient("localhost", running.imaps, ssl_context=context, timeout=30)
    client.login(box.address, box.password)
    client.select_folder("INBOX")
    return client


def wait_for(client: IMAPClient, wanted: bytes) -> None:
    """Until it hears of this in IDLE."""
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        if any(wanted in answer for answer in client.idle_check(5) if isinstance(answer, tuple)):
            return
    raise AssertionError(wanted)


def test_a_flag_and_a_move_on_the_desktop_appear_on_the_phone(two: list[Running], box: Box, tls: Certificate) -> None:
    desk, phone = (open_client(one, box, tls) for one in two)
    phone.idle()
    desk.append("INBOX", LETTERS["plain"])
    wait_for(phone, b"EXISTS")
    desk.noop()
    desk.add_flags([1], [b"\\Flagged"])
    wait_for(phone, b"FETCH")
    desk.move([1], "Archive")
    wait_for(phone, b"EXPUNGE")
    phone.idle_done()
    phone.select_folder("Archive")
    assert phone.fetch([1], ["FLAGS"])[1][b"FLAGS"][0] == b"\\Flagged"
    # SIGTERM: everybody hears BYE, and the process ends by itself
    phone.idle()
    two[1].process.send_signal(signal.SIGTERM)
    assert any(b"BYE" in answer for answer in phone.idle_check(20))
    assert two[1].process.wait(30) == 0


def test_health_asks_the_door(two: list[Running]) -> None:
    health = [sys.executable, "-m", "hourpost", "health", "imap"]
    assert subprocess.run(health, env=two[0].environment, timeout=60, check=False).returncode == 0
    two[0].process.kill()
    two[0].process.wait(20)
    assert subprocess.run(health, env=two[0].environment, timeout=60, check=False, capture_output=True).returncode == 1
