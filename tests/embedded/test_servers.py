"""PostgreSQL and Redis of a folder: what a crash leaves behind is no hindrance."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import Process, Program, spawn, stop, wait_until_ready
from hourpost.embedded.redis import EmbeddedRedis
from tests.embedded.running import eventually

Run = Callable[[Program], Process]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts programs and waits for them; all end with the test."""
    running: list[tuple[Program, Process]] = []

    def begin(program: Program) -> Process:
        process = spawn(program, output=subprocess.DEVNULL)
        running.append((program, process))
        wait_until_ready(program, process, 30)
        return process

    yield begin
    for program, process in running:
        stop(program, process)


async def count_tables(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'kept%'"))
    finally:
        await connection.close()


async def keep_table(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    await connection.execute("CREATE TABLE kept (id int)")
    await connection.close()


async def test_postgres_keeps_its_data_through_kill_9(tmp_path: Path, run: Run) -> None:
    server = EmbeddedPostgres(tmp_path / "post gres", durable=False)
    process = run(server.program())
    await keep_table(server.url())
    process.kill()
    process.wait(10)
    run(EmbeddedPostgres(tmp_path / "post gres", durable=False).program())
    assert await count_tables(server.url()) == 1


async def test_a_postgres_that_nobody_owns_is_stopped_before_the_next(tmp_path: Path, run: Run) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    orphan = run(server.program())
    await keep_table(server.url())
    again = run(EmbeddedPostgres(tmp_path / "postgres", durable=False).program())
    assert orphan.poll() is not None
    assert again.pid != orphan.pid
    assert await count_tables(server.url()) == 1


async def test_a_lock_file_of_another_process_is_no_hindrance(tmp_path: Path, run: Run) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    program = server.program()
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n1\n5432\n\n\n1 1\nready\n")
    run(program)
    assert await count_tables(server.url()) == 0


async def test_a_half_made_data_folder_is_made_anew(tmp_path: Path, run: Run) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    (tmp_path / "postgres").mkdir()
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    run(server.program())
    assert await count_tables(server.url()) == 0


def test_data_of_another_version_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(RuntimeError, match="made by PostgreSQL 16; this is 18"):
        EmbeddedPostgres(tmp_path / "postgres").program()


def test_postgres_does_not_run_as_root(tmp_path: Path, run: Run) -> None:
    process = run(EmbeddedPostgres(tmp_path / "postgres", durable=False).program())
    assert psutil.Process(process.pid).uids().effective != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root closes a folder to the others and enters it")
async def test_root_may_keep_it_in_a_folder_that_is_closed_to_others(tmp_path: Path, run: Run) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "postgres", durable=False)
    run(server.program())
    assert await count_tables(server.url()) == 0
    assert closed.stat().st_mode & 0o777 == 0o700


def test_redis_keeps_what_it_was_told_through_kill_9(tmp_path: Path, run: Run) -> None:
    server = EmbeddedRedis(tmp_path / "re dis")
    process = run(server.program())
    with redis.Redis.from_url(server.url()) as client:
        client.set("kept", "yes")
        eventually(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
    process.kill()
    process.wait(10)
    again = EmbeddedRedis(tmp_path / "re dis")
    assert again.url() == server.url()
    run(again.program())
    with redis.Redis.from_url(again.url()) as client:
        assert client.get("kept") == b"yes"


def test_redis_asks_for_the_password_and_never_evicts(tmp_path: Path, run: Run) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    run(server.program())
    with redis.Redis.from_url(server.url()) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("kept")


def test_redis_moves_to_another_port_when_its_own_is_taken(tmp_path: Path) -> None:
    first = EmbeddedRedis(tmp_path / "redis")
    with socket.create_server(("127.0.0.1", first.port)):
        assert EmbeddedRedis(tmp_path / "redis").port != first.port


def test_what_redis_cannot_read_is_put_aside_after_some_tries(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    program = server.program()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(b"nonsense\r\n")
    (tmp_path / "redis" / "appendonlydir").mkdir()
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_bytes(b"nonsense")
    for _ in range(5):
        process = spawn(program, output=subprocess.DEVNULL)
        try:
            wait_until_ready(program, process, 10)
            break
        except RuntimeError:
            continue
    try:
        assert program.is_ready()
        assert list((tmp_path / "redis" / "unreadable").iterdir())
    finally:
        stop(program, process)


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; from pathlib import Path\n"
        "from hourpost.embedded.postgres import EmbeddedPostgres\n"
        "from hourpost.embedded.program import spawn, wait_until_ready\n"
        "program = EmbeddedPostgres(Path(sys.argv[1]), durable=False).program()\n"
        "child = spawn(program, output=subprocess.DEVNULL); wait_until_ready(program, child)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "postgres")], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    server = psutil.Process(int(starter.stdout.readline()))
    starter.send_signal(signal.SIGKILL)
    starter.wait(10)
    starter.stdout.close()
    eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
