"""``hourpost health``: what an orchestrator ends a part for, and what not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from hourpost.database import Database
from tests.cli.conftest import Run
from workers.lead import Lead


@pytest.fixture
def silent_server() -> Iterator[str]:
    """An address at which somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql://nobody@127.0.0.1:{listening.getsockname()[1]}/x"


def test_a_part_that_is_not_there_is_not_well(hourpost: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOURPOST_SUBMISSION_PORT", "1")
    done = hourpost("health", "smtp")
    assert done.exit_code == 1
    assert "smtp does not answer" in done.error
    no_lease = hourpost("health", "worker")
    assert no_lease.exit_code == 1
    assert "no worker of this machine has a lease" in no_lease.error


@pytest.mark.parametrize("part", ["worker", "scheduler"])
def test_nobody_is_ended_because_postgres_is_away(hourpost: Run, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """A worker keeps what it knows of mail that is sent until it can be written; ended, that mail is sent twice."""
    monkeypatch.setenv("HOURPOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    done = hourpost("health", part)
    assert done.exit_code == 0
    assert "PostgreSQL does not answer" in done.error


@pytest.mark.parametrize("part", ["worker", "scheduler"])
def test_nobody_is_ended_who_waits_for_the_tables(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, fresh_database_url: str, part: str
) -> None:
    async def hide_tables() -> None:
        hidden = Database(fresh_database_url, pool_size=1)
        async with hidden.transaction() as connection:
            await connection.execute(text("ALTER TABLE alembic_version RENAME TO not_yet"))
        await hidden.close()

    asyncio.run(hide_tables())
    monkeypatch.setenv("HOURPOST_DATABASE_URL", fresh_database_url)
    done = hourpost("health", part)
    assert (done.exit_code, "hourpost migrate" in done.error) == (0, True)


def test_nobody_is_ended_because_postgres_is_frozen(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, silent_server: str
) -> None:
    monkeypatch.setenv("HOURPOST_DATABASE_URL", silent_server)
    assert hourpost("health", "worker").exit_code == 0


async def test_a_scheduler_is_asked_for_its_own_progress_whether_it_leads_or_waits(
    hourpost: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(*options: str) -> str:
        done = await asyncio.to_thread(hourpost, "health", "scheduler", *options)
        return done.error if done.exit_code else "ok"

    assert "no scheduler of this machine leads or waits" in await ask()
    leader, waiter = Lead(database), Lead(database)
    await leader.take({})
    assert await ask() == "ok"
    await asyncio.sleep(1.5)
    assert "has stood still for" in await ask("--max-age", "1")
    waiting = asyncio.create_task(waiter.take({}))
    await asyncio.sleep(0.5)
    assert await ask("--max-age", "2") == "ok"
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert "no scheduler of this machine leads or waits" in await ask()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await leader.close()
