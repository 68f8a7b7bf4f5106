"""What the parts say to whoever has started them: a stop that was asked for is no failure."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hourpost.database import Database
from hourpost.embedded.readiness import mark_starting, readiness_file
from tests.fixtures.certificates import Certificate
from tests.fixtures.ports import free_port

TERM, INT = signal.SIGTERM, signal.SIGINT
# The mail doors have one way to end.
STOPS = (
    ("worker", TERM),
    ("worker", INT),
    ("scheduler", TERM),
    ("scheduler", INT),
    ("smtp", TERM),
    ("imap", INT),
    ("pop3", TERM),
)
PATIENCE_SECONDS = 120.0


@pytest.fixture
def processes(
    fresh_database_url: str, redis_url: str, tls: Certificate, tmp_path: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One for each of ``STOPS``, with a home of its own, ready."""
    environment = os.environ | {
        "HOURPOST_DATABASE_URL": fresh_database_url,
        "HOURPOST_REDIS_URL": redis_url,
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
        "HOURPOST_TLS_CERTIFICATE": str(tls.cert),
        "HOURPOST_TLS_KEY": str(tls.key),
        "HOURPOST_RELAYS": "smtp://127.0.0.1:1",
        "HOURPOST_LOG_LEVEL": "warning",
        **{f"HOURPOST_{door}_PORT": "0" for door in ("SMTP", "SUBMISSION", "SUBMISSIONS")},
        **{f"HOURPOST_{door}_PORT": "0" for door in ("IMAP", "IMAPS", "POP3", "POP3S")},
    }
    with ExitStack() as stack:
        started = []
        for number, (part, _) in enumerate(STOPS):
            home = tmp_path / str(number)
            mark_starting(home, part)
            own = {"HOURPOST_HOME": str(home), "HOURPOST_METRICS_PORT": str(free_port())}
            process = subprocess.Popen([sys.executable, "-m", "hourpost", part], env=environment | own)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            started.append(process)
        for number, (part, _) in enumerate(STOPS):
            _wait_until_ready(tmp_path / str(number), part, started[number])
        yield started


def test_a_part_that_is_stopped_ends_with_0(processes: list[subprocess.Popen[bytes]]) -> None:
    for process, (_, number) in zip(processes, STOPS, strict=True):
        process.send_signal(number)
    ended = [(*stop, process.wait(PATIENCE_SECONDS)) for stop, process in zip(STOPS, processes, strict=True)]
    assert ended == [(*stop, 0) for stop in STOPS]


WAITING = ("web", "worker", "smtp")  # the others wait as one of these does


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_part_says_that_it_waits_for_postgres_and_is_stopped_at_once(
    redis_url: str, tmp_path: Path, is_silent: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        port = silent.getsockname()[1] if is_silent else 1
        environment = os.environ | {
            "HOURPOST_HOME": str(tmp_path),
            "HOURPOST_DATABASE_URL": f"postgresql://hourpost@127.0.0.1:{port}/x?sslmode=disable",
            "HOURPOST_REDIS_URL": redis_url,
            "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
            "HOURPOST_RELAYS": "smtp://127.0.0.1:1",
        }
        started = []
        for part in WAITING:
            command = [sys.executable, "-m", "hourpost", part]
            process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            assert process.stderr is not None
            assert any("waiting for PostgreSQL" in line for line in process.stderr)
        time.sleep(1.0)
        began_at = time.monotonic()
        for process in started:
            process.terminate()
        for process in started:
            assert process.communicate(timeout=PATIENCE_SECONDS) == (None, "")
        assert time.monotonic() - began_at < 20.0  # a door is given up after 30
        assert [process.returncode for process in started] == [0] * len(WAITING)


@pytest.mark.parametrize("part", ["worker", "scheduler"])
def test_what_works_on_tables_waits_until_they_are_there(
    fresh_database_url: str, redis_url: str, tmp_path: Path, part: str
) -> None:
    asyncio.run(_run(fresh_database_url, "ALTER TABLE alembic_version RENAME TO not_yet"))
    environment = os.environ | {
        "HOURPOST_HOME": str(tmp_path),
        "HOURPOST_DATABASE_URL": fresh_database_url,
        "HOURPOST_REDIS_URL": redis_url,
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
        "HOURPOST_RELAYS": "smtp://127.0.0.1:1",
    }
    mark_starting(tmp_path, part)
    command = [sys.executable, "-m", "hourpost", part]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "run `hourpost migrate`" in process.stderr.readline()
            asyncio.run(_run(fresh_database_url, "ALTER TABLE not_yet RENAME TO alembic_version"))
            _wait_until_ready(tmp_path, part, process)
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()


async def _run(url: str, statement: str) -> None:
    database = Database(url)
    async with database.transaction() as connection:
        await connection.execute(text(statement))
    await database.close()


def _wait_until_ready(home: Path, part: str, process: subprocess.Popen[Any]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not readiness_file(home, part).exists():
        assert process.poll() is None, f"{part} ended before it was ready"
        assert time.monotonic() < ends_at, f"{part} is not ready"
        time.sleep(0.05)
