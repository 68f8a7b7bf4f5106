"""Poolers: what loses a session's own is found before a part begins."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import pytest

from hourpost.database import Database
from hourpost.embedded.identity import choose_identity
from hourpost.errors import ServiceUnavailable
from hourpost.poolers import Pooler, find_pooler
from tests.fixtures.ports import free_port

_PGBOUNCER = shutil.which("pgbouncer")

OURS = "jit,plan_cache_mode,tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count,"
OURS += "idle_in_transaction_session_timeout"

Start = Callable[..., str]


@pytest.fixture
def pooled(fresh_database_url: str) -> Iterator[Start]:
    """Starts PgBouncer in a mode, and gives the address of the database behind it."""
    if _PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed")
    parts = urlsplit(fresh_database_url)
    sockets, started = parse_qs(parts.query)["host"][0], []
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)

        def start(mode: str, ignored: str = OURS) -> str:
            port, configuration = free_port(), Path(folder) / f"{mode}.ini"
            configuration.write_text(
                f"[databases]\n* = host='{sockets}' user={parts.username}\n[pgbouncer]\n"
                f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
                f"pool_mode = {mode}\nignore_startup_parameters = extra_float_digits,{ignored}\n"
            )
            configuration.chmod(0o644)
            owner = choose_identity(Path(sockets))  # PgBouncer does not run as root either
            become = owner.assume if owner else None
            command = [str(_PGBOUNCER), "--quiet", str(configuration)]
            one = subprocess.Popen(command, preexec_fn=become, stderr=subprocess.DEVNULL)  # noqa: PLW1509  # no locks
            started.append(one)
            return f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"

        yield start
        for process in started:
            process.kill()
            process.wait()


async def find(url: str) -> Pooler | None:
    database = Database(url)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    return await find_pooler(database)
                except ServiceUnavailable:
                    await asyncio.sleep(0.1)
    finally:
        await database.close()


async def test_postgres_itself_is_no_pooler(fresh_database_url: str) -> None:
    assert await find(fresh_database_url) is None


@pytest.mark.parametrize(("mode", "found"), [("session", Pooler.UNKNOWN), ("transaction", Pooler.PER_TRANSACTION)])
async def test_a_pooler_is_found_by_what_it_does_with_a_session(pooled: Start, mode: str, found: Pooler) -> None:
    assert await find(pooled(mode)) is found


@pytest.mark.parametrize("ignored", [OURS, "none"])
async def test_no_part_begins_behind_a_pooler_in_transaction_mode_and_doctor_tells_it(
    pooled: Start, redis_url: str, tmp_path: Path, ignored: str
) -> None:
    url = pooled("transaction", ignored)
    environment = os.environ | {
        "HOURPOST_HOME": str(tmp_path),
        "HOURPOST_DATABASE_URL": url,
        "HOURPOST_REDIS_URL": redis_url,
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
    }

    async def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hourpost", *words]
        return await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    done = await run("web")
    assert done.returncode == 2
    assert "leads to a pooler that keeps no session's own" in words_of(done.stderr)
    (check,) = (
        one for one in json.loads((await run("doctor", "--json")).stdout)["checks"] if one["name"] == "database"
    )
    assert check["status"] == "failed"
    assert check["text"].startswith("HOURPOST_DATABASE_URL leads to a pooler")


def words_of(text: str) -> str:
    return " ".join(text.replace("│", " ").split())
