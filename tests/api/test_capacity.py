"""What a process says of its descriptors, and how many sessions it then takes in."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from api.listening.capacity import advice_on
from api.listening.guard import Guard

_LITTLE = """
import resource
from hourpost.logging import configure_logging
from hourpost.settings import Settings
from api.listening.capacity import allow_many_sessions
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
configure_logging(Settings(_env_file=None), "smtp")
allow_many_sessions(5000)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_descriptors_are_raised_as_far_as_may_be_and_it_is_said_where_that_is_not_enough() -> None:
    done = subprocess.run([sys.executable, "-c", _LITTLE], capture_output=True, text=True, timeout=60, check=True)
    said = done.stdout + done.stderr
    assert "300" in done.stdout.split()
    assert all(word in said for word in ("fitting=100", "wanted=5000", "ulimit -n", "LimitNOFILE"))


def test_sessions_leave_descriptors_for_what_serves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (230, 230))
    guard = Guard(SimpleNamespace(connections=5000, connections_per_address=1500))
    assert sum(guard.enter("192.0.2.1") for _ in range(200)) == 30
    guard.leave("192.0.2.1")
    assert guard.enter("192.0.2.2")


def test_advice_is_given_on_what_it_helps_against() -> None:
    assert "ulimit" in (advice_on(OSError(errno.EMFILE, "")) or "")
    assert advice_on(OSError(errno.ECONNABORTED, "")) is None
