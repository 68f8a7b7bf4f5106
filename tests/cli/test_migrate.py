"""``hourpost migrate`` on a database that has much in it."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner

from hourpost import database as module
from hourpost.cli import main
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable

_LONG = text("SELECT pg_sleep(1)")


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each statement of the tests took long."""
    monkeypatch.setattr(module, "_LONGEST_SECONDS", 0.1)


def test_a_statement_over_millions_of_rows_is_waited_for(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def upgrade(database: Database, _: object) -> None:
        async with database.transaction() as connection:
            await _build_an_index(connection)

    monkeypatch.setenv("HOURPOST_DATABASE_URL", database_url)
    monkeypatch.setattr("hourpost.cli.migrate.upgrade", upgrade)
    done = CliRunner().invoke(main, ["migrate"])
    assert (done.exit_code, done.output) == (0, "The database is up to date.\n")


async def _build_an_index(connection: AsyncConnection) -> None:
    await connection.execute(_LONG)


async def test_everybody_else_gives_it_up(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with pytest.raises(ServiceUnavailable):
        async with database.reading() as connection:
            await connection.execute(_LONG)
    await database.close()
