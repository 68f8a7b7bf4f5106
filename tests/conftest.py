"""What all tests stand on: one PostgreSQL and one Redis for the session, the same servers that `hourpost up` runs."""

from __future__ import annotations

import functools
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
import structlog
from httpx._transports import default

from hatch_build import Assets
from hourpost.database import Database
from hourpost.domains import changes
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import Program, spawn, stop, wait_until_ready
from hourpost.embedded.redis import EmbeddedRedis
from hourpost.gateways.attempts import RedisAttempts
from hourpost.gateways.hour import RedisHour
from hourpost.gateways.optional_redis import OptionalRedis
from hourpost.rules.dkim import KeyPair, generate_keys
from hourpost.settings import Settings
from migrations.upgrade import upgrade
from tests.fakes.clock import FakeClock
from tests.fakes.stripe_server import FakeStripe, run_fake_stripe
from tests.fixtures.certificates import Certificate, self_signed
from tests.fixtures.ports import free_port
from tests.side_by_side import (  # noqa: F401  # hooks
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_xdist_make_scheduler,
)

# Tracebacks as the product writes them: drawn with all that is in them they take the server half a minute each.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

T = TypeVar("T")
GIB = 1024**3
_TEMPLATE = "hourpost"
_KEYS = 8


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """A busy machine may keep Redis waiting; who tests what happens without it says how long to wait."""
    for gateway in (RedisHour, OptionalRedis, RedisAttempts):
        gateway.__init__.__kwdefaults__["timeout_seconds"] = 5.0


@pytest.fixture(scope="session", autouse=True)
def one_trust() -> Iterator[None]:
    """The clients of the tests share what they trust, which takes 15 ms to read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "create_ssl_context", functools.cache(default.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def assets() -> None:
    """The dashboard's scripts and styles, bundled where they changed; the network is needed the first time."""
    Assets(Path(__file__).parent.parent).build()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for the servers' data, gone at the end of the session; in memory where there is room.

    Each database of a test's own is a thousand files, and a disk takes a tenth of a second to make them.
    """
    shared = Path("/dev/shm")
    memory = shared if shared.is_dir() and shutil.disk_usage(shared).free > 4 * GIB else None
    with tempfile.TemporaryDirectory(prefix="hourpost tests ", dir=memory, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def few_keys() -> Iterator[None]:
    """Domains share a few pairs of keys, for an RSA pair takes 60 ms and there are a thousand domains."""
    pairs: list[tuple[KeyPair, KeyPair]] = []
    turn = itertools.count()

    def generate() -> tuple[KeyPair, KeyPair]:
        if len(pairs) < _KEYS:
            pairs.append(generate_keys())
        return pairs[next(turn) % len(pairs)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "generate_keys", generate)
        yield


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[EmbeddedPostgres]:
    """The server; its database ``hourpost`` is the template that the others are copies of."""
    server = EmbeddedPostgres(scratch / "postgres", durable=False)
    yield from _running(server, server.program())


@pytest.fixture(scope="session")
def redis_url(scratch: Path) -> Iterator[str]:
    """Database 1 of a Redis of the session's own."""
    server = EmbeddedRedis(scratch / "redis")
    yield from _running(server.url(), server.program())


@pytest_asyncio.fixture(scope="session")
async def template_url(postgres: EmbeddedPostgres) -> str:
    """A migrated database that nobody uses."""
    database = Database(postgres.url(_TEMPLATE), pool_size=2)
    await upgrade(database)
    await database.close()
    return database.url


@pytest_asyncio.fixture(scope="session")
async def database_url(template_url: str, postgres: EmbeddedPostgres) -> str:
    """The database that tests share; each makes accounts of its own in it."""
    return await copy_template(postgres)


@pytest_asyncio.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """The shared database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def fresh_database_url(template_url: str, postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database that only this test sees, for what looks at all accounts at once: claims, sweeps, schedules."""
    url = await copy_template(postgres)
    yield url
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute(f'DROP DATABASE "{name_of(url)}" WITH (FORCE)')
    await connection.close()


@pytest_asyncio.fixture
async def fresh_database(fresh_database_url: str) -> AsyncIterator[Database]:
    """A database that only this test sees."""
    opened = Database(fresh_database_url)
    yield opened
    await opened.close()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of an embedded installation on the session's servers, with free ports."""
    ports = ("http", "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
    return Settings(
        _env_file=None,
        home=tmp_path / "home",
        database_url=database_url,
        redis_url=redis_url,
        secret_key="a secret of the tests, long enough",
        embedded=True,
        log_level="warning",
        **{f"{name}_port": free_port() for name in ports},
    )


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[FakeStripe]:
    """A Stripe of the session's own; tests take ``fake_stripe``."""
    with run_fake_stripe() as running:
        yield running


@pytest.fixture
def fake_stripe(stripe_server: FakeStripe) -> FakeStripe:
    """Stripe as new, with the plans on sale."""
    stripe_server.reset()
    return stripe_server


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only the test moves."""
    return FakeClock()


@pytest.fixture(scope="session")
def tls(scratch: Path) -> Certificate:
    """A certificate for localhost and 127.0.0.1 that is its own CA."""
    return self_signed(scratch, "localhost", "127.0.0.1")


@pytest.fixture
def unused_tcp_port() -> int:
    """A port that nobody listens on."""
    return free_port()


@pytest.fixture(scope="session")
def new_port() -> Callable[[], int]:
    """Gives a port of loopback that nobody listens on."""
    return free_port


def _running(server: T, program: Program) -> Iterator[T]:
    child = spawn(program, output=subprocess.DEVNULL)
    try:
        wait_until_ready(program, child)
        yield server
    finally:
        stop(program, child)


async def copy_template(postgres: EmbeddedPostgres, template: str = _TEMPLATE) -> str:
    """A database of the caller's own, as new; gives its address."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    await connection.close()
    return postgres.url(name)


def name_of(url: str) -> str:
    """The database's name in its address."""
    return url.partition("@/")[2].partition("?")[0]
