"""Worker processes with a broker that a test may kill."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.hints import CeleryHints
from hourpost.gateways.hour import RedisHour
from tests.flow.office import Office
from tests.flow.rounds import Rounds, start_far_end
from tests.flow.servers import OwnRedis


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest_asyncio.fixture
async def rounds(fresh_database: Database, own_redis: OwnRedis, tmp_path: Path) -> AsyncIterator[Rounds]:
    """A door with Celery's bell, and a relay at the far end; in real time."""
    own_redis.client.flushall()
    hour = RedisHour(own_redis.url)
    hints = CeleryHints(own_redis.broker_url)
    far_end = await start_far_end(tmp_path)
    one = Rounds(fresh_database, Office(fresh_database, hour, SystemClock(), hints), far_end)
    yield one
    await one.office.intake.stop()
    await hour.aclose()
    await far_end.sink.stop()


StartWorker = Callable[..., "asyncio.Future[subprocess.Popen[bytes]]"]


@pytest_asyncio.fixture
async def start_worker(rounds: Rounds, own_redis: OwnRedis, tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Starts a worker process and waits until it hears hints."""
    started: list[subprocess.Popen[bytes]] = []

    async def start(**settings: object) -> subprocess.Popen[bytes]:
        given = {
            "database_url": rounds.database.url,
            "redis_url": own_redis.url,
            "broker": own_redis.broker_url,
            "relays": f"smtp://u:p@127.0.0.1:{rounds.far_end.port}?tls=none&connections=4",
            "sweep_seconds": 120,
            "lease_seconds": 5,
            **settings,
        }
        command = [sys.executable, "-m", "tests.workers.worker_process", json.dumps(given)]
        log = (tmp_path / f"worker{len(started)}.log").open("wb")
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, stderr=log)
        started.append(process)
        line = None
        while line != b"ready\n":  # it may have something to say before
            line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
            assert line
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
