"""HOURPOST_DATABASE_URL: what it asks for means the same to every connection, and what cannot be is told in a line."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hourpost.cli.database_faults import of_database
from hourpost.database import Database, HotStatement
from hourpost.settings import Settings
from tests.cli.conftest import Done, Run
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


ESCAPE = "a space or / ? # @ : % & [ ] in a password must be percent-encoded"
CANNOT_BE = [
    (" ", "must look like postgresql://user:password@host:5432/database"),
    ("mysql://hourpost:s3cret@127.0.0.1/x", "must look like postgresql://"),
    ("postgresql+psycopg2://hourpost:s3cret@127.0.0.1/x", "must look like postgresql://"),
    ("postgresql://hourpost:s3cret@127.0.0.1:abc/x", "a port is a whole number"),
    ("postgresql://hourpost:s3cret@127.0.0.1:99999/x", "a port is a whole number"),
    ("postgresql://hourpost:s3cret@/x?host=127.0.0.1&port=s3cret", "a port is a whole number"),
    ("postgresql://hourpost:s3cret@not a host/x", "not a host name"),
    ("postgresql://hourpost:s3cret#pw@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:123#s3cret@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:s3cret/pw@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:123/s3cret@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:123?s3cret=pw@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:123?s3cret@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:s3cret@pw@127.0.0.1:1/x", ESCAPE),
    ("postgresql://hourpost:s3cret[pw@127.0.0.1:1/x", ESCAPE),
    ("postgresql://127.0.0.1:1/x?connect_timeout=5", "connect_timeout is unknown; known are sslmode, sslrootcert, "),
    ("postgresql://127.0.0.1:1/x?password=a&s3cret=1", "one of its parameters is unknown"),
    ("postgresql://127.0.0.1:1/x?ssl=require", "sslmode=require asks for TLS"),
    ("postgresql://127.0.0.1:1/x?sslmode=yes", "sslmode must be one of disable, allow, prefer, require, "),
    ("postgresql://127.0.0.1:1/x?sslrootcert=/nowhere.pem", "the file of sslrootcert is not there"),
]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hourpost:s3cret@:5432/x",
        "postgresql://hourpost:s3cret@127.0.0.1?database=x",
        "postgresql://",
        "postgresql://hourpost@/x?host=/run/postgresql",
        "postgresql://hourpost@a.test:1,b.test:2/x?target_session_attrs=primary",
    ],
)
def test_what_asyncpg_reads_is_let_through(url: str) -> None:
    assert not list(of_database(Settings(_env_file=None, database_url=url)))


@pytest.mark.parametrize(("url", "said"), CANNOT_BE)
def test_an_address_that_cannot_be_is_told_by_every_command_without_the_password(
    hourpost: Run, url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_DATABASE_URL", url)
    for words in ("account list", "migrate", "web", "smtp", "scheduler"):
        done = hourpost(*words.split())
        assert done.exit_code in (1, 2)
        assert said in words_of(done)
        assert "s3cret" not in done.error
    done = hourpost("doctor", "--json")
    (check,) = (one for one in json.loads(done.output)["checks"] if one["name"] == "database")
    assert said in check["text"]
    assert "HOURPOST_DATABASE_URL" in check["advice"]
    assert "s3cret" not in done.output + done.error


def words_of(done: Done) -> str:
    """The error, out of its box."""
    return " ".join(done.error.replace("│", " ").split())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
@example("a[b]c")
@example("a:b%41")
@example("1/2#3?4@5")
def test_an_address_that_is_let_through_leads_where_it_says_whatever_the_password(password: str) -> None:
    url = f"postgresql://hourpost:{password}@127.0.0.1:1/x"
    if not list(of_database(Settings(_env_file=None, database_url=url))):
        with pytest.raises(ConnectionRefusedError, match="'127.0.0.1', 1"):
            asyncio.run(asyncpg.connect(url, timeout=5))


@pytest.mark.parametrize(("role", "name"), [("hourpost", "nowhere"), ("nobody", "hourpost")])
def test_a_database_that_lets_nobody_in_is_told_in_its_own_words(
    hourpost: Run, by_tcp: str, monkeypatch: pytest.MonkeyPatch, role: str, name: str
) -> None:
    address = by_tcp.rpartition("@")[2].partition("/")[0]
    monkeypatch.setenv("HOURPOST_DATABASE_URL", f"postgresql://{role}@{address}/{name}")
    for words in ("account list", "migrate"):
        done = hourpost(*words.split())
        assert done.exit_code == 1
        assert done.error.startswith("error: The database is not reachable.\n")
        assert "does not exist" in done.error
        assert len(done.error.splitlines()) == 2


@pytest.mark.parametrize("part", ["web", "smtp", "imap", "pop3"])
def test_a_part_that_begins_while_the_database_is_away_gives_up_in_two_lines(
    settings: Settings, redis_url: str, tmp_path: Path, part: str
) -> None:
    code = "from hourpost import cli; from hourpost.cli import beginning; beginning._DOOR_SECONDS = 0.0; cli.main()"
    ports = {
        f"HOURPOST_{name.upper()}": str(getattr(settings, name)) for name in Settings.model_fields if "port" in name
    }
    environment = {
        **os.environ,
        **{f"HOURPOST_{name.upper()}": port for name, port in ports.items()},
        "HOURPOST_HOME": str(tmp_path),
        "HOURPOST_DATABASE_URL": "postgresql://hourpost@127.0.0.1:1/x",
        "HOURPOST_REDIS_URL": redis_url,
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
    }
    command = [sys.executable, "-c", code, part]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    said, cause = done.stderr.splitlines()
    assert said == "error: The database is not reachable."
    assert "Connection refused" in cause or "Connect call failed" in cause
