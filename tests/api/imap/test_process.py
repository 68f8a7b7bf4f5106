"""`hourpost imap` itself: two processes on PostgreSQL and Redis, a real mailbox, and a clean end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from imapclient import IMAPClient

from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.api.imap.processes import RunningProcess


def open_client(running: RunningProcess, box: Box) -> IMAPClient:
    client = IMAPClient("localhost", running.imaps, ssl_context=running.tls, timeout=30)
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


def test_a_flag_and_a_move_on_the_desktop_appear_on_the_phone(two: list[RunningProcess], box: Box) -> None:
    desk, phone = (open_client(one, box) for one in two)
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


def test_health_asks_the_door(two: list[RunningProcess]) -> None:
    health = [sys.executable, "-m", "hourpost", "health", "imap"]
    assert subprocess.run(health, env=two[0].environment, timeout=60, check=False).returncode == 0
    two[0].process.kill()
    two[0].process.wait(20)
    assert subprocess.run(health, env=two[0].environment, timeout=60, check=False, capture_output=True).returncode == 1
