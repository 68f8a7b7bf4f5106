"""``hourpost migrate`` beside a dump, other migrations and parts that are at work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import Connection, text
from typer.testing import CliRunner

from hourpost.cli import main
from hourpost.cli.beginning import has_tables
from hourpost.database import Database
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.errors import ServiceUnavailable
from migrations import turn
from migrations import upgrade as module
from migrations.revision import newest_file_revision
from migrations.upgrade import configuration, current_revision, upgrade
from tests.conftest import copy_template, name_of
from tests.fakes.migrator import holding

_BEFORE = "0035"  # the next two change webhooks, and the third deliveries


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_TIMEOUT", "200ms")
    monkeypatch.setattr(turn, "_ASK_SECONDS", 0.05)
    monkeypatch.setattr(turn, "_PAUSE_SECONDS", 0.05)


def _downgrade(connection: Connection, revision: str = _BEFORE) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


@pytest_asyncio.fixture(scope="module")
async def older_url(template_url: str, postgres: EmbeddedPostgres) -> str:
    """A database with the tables of an older version, which nobody uses."""
    database = Database(await copy_template(postgres), pool_size=1)
    async with database.transaction() as connection:
        await connection.run_sync(_downgrade)
    await database.close()
    return database.url


@pytest_asyncio.fixture
async def older(older_url: str, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A copy of it, whose sessions soon look whether they are in a deadlock."""
    url = await copy_template(postgres, name_of(older_url))
    database = Database(f"{url}&options=-c%20deadlock_timeout%3D100ms", pool_size=2)
    yield database
    await database.close()


async def test_it_stands_in_nobodys_way_while_it_waits_for_a_dump(older: Database) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    others: asyncio.Queue[str] = asyncio.Queue()
    async with holding(older.url, "webhooks", mode="ACCESS SHARE", name="pg_dump"):
        migrating = asyncio.create_task(upgrade(older, told.put_nowait))
        assert re.fullmatch(
            r"Revision 0036 waits for pg_dump \(process \d+, in a transaction for \d+ s\)\.", await told.get()
        )
        second = asyncio.create_task(upgrade(older, others.put_nowait))
        assert re.fullmatch(r"The migration waits for hourpost migrate \(process \d+\)\.", await others.get())
        door = await asyncpg.connect(older.url, server_settings={"lock_timeout": "1ms"})  # it waits for nobody
        for _ in range(20):
            await door.execute("UPDATE webhooks SET id = id WHERE false")
            await asyncio.sleep(0.02)
        await door.close()
        assert not migrating.done()
    await asyncio.gather(migrating, second)
    assert told.empty()
    while not others.empty():
        assert others.get_nowait().startswith("The migration waits for ")
    assert await current_revision(older) == newest_file_revision()


async def test_what_is_waited_for_too_long_is_given_up_and_what_came_before_it_stays(
    older: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hourpost.cli.migrate.upgrade", partial(upgrade, patience_seconds=0.3))
    monkeypatch.setenv("HOURPOST_DATABASE_URL", older.url)
    async with holding(older.url, "deliveries", mode="ROW EXCLUSIVE", name="hourpost worker"):
        done = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"])
        assert done.exit_code == 1
        first, last = done.output.splitlines()
        assert first.startswith("Revision 0038 waits for hourpost worker (process ")
        assert re.fullmatch(
            r"error: Revision 0038 waits for hourpost worker .*, for 0 minutes now\. It is given up; .*", last
        )
        assert await current_revision(older) == "0037"
    await upgrade(older)
    assert await current_revision(older) == newest_file_revision()


@pytest.mark.parametrize(
    ("revision", "code", "said"),
    [
        (
            "9999",
            0,
            r"The database is of a newer Hourpost \(9999; this one knows \d{4}\): it is left .*\nThe database .*",
        ),
        ("1f3a", 1, r"error: The database is at revision 1f3a, which is none of Hourpost's: is it another program's\?"),
    ],
)
async def test_a_database_of_a_newer_version_is_left_alone_and_one_of_others_refused(
    older: Database, monkeypatch: pytest.MonkeyPatch, revision: str, code: int, said: str
) -> None:
    async with older.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    monkeypatch.setenv("HOURPOST_DATABASE_URL", older.url)
    done = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"])
    assert done.exit_code == code
    assert re.fullmatch(said, done.output.strip())
    assert await current_revision(older) == revision
    assert await has_tables(older) == (code == 0)


async def test_what_is_given_up_in_a_deadlock_is_tried_again(older: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_TIMEOUT", "1min")
    told: asyncio.Queue[str] = asyncio.Queue()
    async with holding(older.url, "alembic_version", mode="SHARE") as other:
        migrating = asyncio.create_task(upgrade(older, told.put_nowait))
        await other.cross("webhooks")
    await migrating
    assert told.get_nowait().startswith("Revision 0036 waits for migrator (process ")
    assert await current_revision(older) == newest_file_revision()


async def test_a_turn_that_is_lost_changes_nothing_more(older: Database) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    async with holding(older.url, "webhooks", mode="ACCESS SHARE"):
        migrating = asyncio.create_task(upgrade(older, told.put_nowait))
        await told.get()
        async with older.reading() as connection:
            holder = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            await connection.execute(text(holder))
        with pytest.raises(ServiceUnavailable, match="the turn to migrate is lost"):
            await migrating
    assert await current_revision(older) == _BEFORE


async def test_an_index_of_deliveries_is_built_while_mail_comes_in(older: Database) -> None:
    """Also one of which an earlier try left a piece."""
    name, new = "deliveries_account_id_address_email_id_idx", "deliveries_account_id_lower_address_email_id_idx"
    told: asyncio.Queue[str] = asyncio.Queue()
    async with older.transaction() as connection:
        await connection.run_sync(partial(_downgrade, revision="0025"))
        await connection.execute(text(f"CREATE INDEX {new} ON deliveries (email_id)"))
        await connection.execute(text(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{new}'::regclass"))
    hurried = Database(f"{older.url}%20-c%20statement_timeout%3D300ms", pool_size=2)
    async with holding(older.url, "deliveries", mode="ROW EXCLUSIVE", name="hourpost web"):
        migrating = asyncio.create_task(upgrade(hurried, told.put_nowait))
        door = await asyncpg.connect(older.url, server_settings={"lock_timeout": "1ms"})
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted"
        while not await door.fetchval(waits):  # noqa: ASYNC110  # for what has begun before it
            await asyncio.sleep(0.01)
        await door.execute("UPDATE deliveries SET state = state WHERE false")
        await door.close()
        assert (await told.get()).startswith("Revision 0026 waits for hourpost web (process ")
        await asyncio.sleep(0.4)  # longer than a statement may take there
    await migrating
    await hurried.close()
    async with older.reading() as connection:
        shape = (await connection.execute(text(f"SELECT pg_get_indexdef('{name}'::regclass)"))).scalar_one()
    assert shape.endswith("(account_id, lower(address), email_id)")
    assert await current_revision(older) == newest_file_revision()
