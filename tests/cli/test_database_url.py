"""What HOURPOST_DATABASE_URL may ask for means the same to commands, to the hot path and to who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourpost.database import Database, HotStatement
from tests.cli.conftest import Run
from tests.fakes.postgres_front import postgres_by_tcp
from tests.fixtures.certificates import Certificate, self_signed

_ROLE = HotStatement("SELECT current_user AS name, current_setting('search_path') AS path")

PARAMETERS = (
    "sslmode=disable",
    "sslmode=allow",
    "sslmode=prefer",
    "sslnegotiation=postgres",
    "ssl_min_protocol_version=TLSv1.3",
    "target_session_attrs=read-write",
    "application_name=somebody",
    "options=-c%20search_path%3Dpg_catalog,public",
    "passfile=/nowhere/pgpass",
)


@pytest.fixture
def by_tls(database_url: str, tls: Certificate) -> Iterator[str]:
    with postgres_by_tcp(database_url, tls.server_context()) as url:
        yield url


@pytest.fixture
def by_tcp(database_url: str) -> Iterator[str]:
    with postgres_by_tcp(database_url) as url:
        yield url


async def use(url: str) -> str:
    """Every kind of connection once; gives the search path of the hot one."""
    database = Database(url, pool_size=1)
    try:
        async with database.hot_statements() as connection:
            (row,) = await _ROLE.run(connection, {})
        listening = await database.listen()
        assert await listening.fetchval("SELECT current_user") == row.name
        await listening.close()
        return str(row.path)
    finally:
        await database.close()


def check_all(hourpost: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    monkeypatch.setenv("HOURPOST_DATABASE_URL", url)
    for words in ("migrate", "account list --json"):
        done = hourpost(*words.split())
        assert (done.exit_code, done.error) == (0, "")
    return asyncio.run(use(url))


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_parameter_means_the_same_to_every_connection(
    hourpost: Run, by_tcp: str, monkeypatch: pytest.MonkeyPatch, scheme: str, parameter: str
) -> None:
    path = check_all(hourpost, monkeypatch, f"{scheme}{by_tcp.removeprefix('postgresql')}?{parameter}")
    assert path.startswith("pg_catalog") == parameter.startswith("options")


@pytest.mark.parametrize(
    "parameters",
    ["", "sslmode=prefer", "sslmode=require", "sslmode=verify-ca&sslrootcert={}", "sslmode=verify-full&sslrootcert={}"],
)
def test_tls_can_be_asked_for(
    hourpost: Run, by_tls: str, tls: Certificate, monkeypatch: pytest.MonkeyPatch, parameters: str
) -> None:
    check_all(hourpost, monkeypatch, f"{by_tls}?{parameters.format(tls.cert)}")


def test_without_the_tls_that_is_asked_for_nothing_is_said_to_a_server(
    hourpost: Run, by_tcp: str, by_tls: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    another = self_signed(tmp_path, "127.0.0.1").cert
    for url, said in (
        (f"{by_tcp}?sslmode=require", "rejected SSL upgrade"),
        (f"{by_tls}?sslmode=verify-ca&sslrootcert={another}", "CERTIFICATE_VERIFY_FAILED"),
    ):
        monkeypatch.setenv("HOURPOST_DATABASE_URL", url)
        done = hourpost("account", "list")
        assert done.exit_code == 1
        assert done.error.startswith("error: The database is not reachable.\n")
        assert said in done.error
