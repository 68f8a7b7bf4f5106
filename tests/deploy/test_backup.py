"""A backup that is restored as the README says: all of it is there, and mail programs are not led astray."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from hourpost.cli import main
from hourpost.database import Database
from hourpost.embedded.postgres import EmbeddedPostgres, binary
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.restoring import outdate_clients
from tests.cast import make_account, make_domain
from tests.conftest import copy_template

_README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


async def _read(database: Database, statement: str) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def _sums(database: Database) -> dict[str, Any]:
    """Of every table how much it has, and a sum over it."""
    names = await _read(database, "SELECT relname FROM pg_stat_user_tables ORDER BY relname")
    query = 'SELECT count(*), sum(hashtextextended(t::text, 0)) FROM "{}" t'
    return {name: await _read(database, query.format(name)) for (name,) in names}


def _words(program: str) -> list[str]:
    """What the README has its reader run in the container, without where the database is."""
    (found,) = re.findall(rf"exec -T postgres ({program} .*?) [<>] \S+$", _README, re.MULTILINE)
    return [word for word in found.split()[1:] if word != "hourpost"]


@pytest.fixture
async def acme(fresh_database: Database) -> Database:
    """A database with somebody in it."""
    account = await make_account(fresh_database)
    domain = await make_domain(fresh_database, account)
    new = NewMailbox(f"ann@{domain.name}", "no password", "Änn 漢", 1024**3)
    async with fresh_database.transaction() as connection:
        await create_mailbox(connection, account.id, new, datetime.now(UTC))
    return fresh_database


async def test_what_is_restored_is_what_was_dumped(acme: Database, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    target = Database(await copy_template(postgres), pool_size=1)
    dump = tmp_path / "hourpost.dump"
    where = {"-U": "-U", "-d": "-d"}
    assert where.keys() <= set(_words("pg_restore"))
    _run("pg_dump", [word for word in _words("pg_dump") if word != "-U"], f"--dbname={acme.url}", f"--file={dump}")
    _run(
        "pg_restore", [word for word in _words("pg_restore") if word not in where], f"--dbname={target.url}", str(dump)
    )
    assert await _sums(target) == await _sums(acme)
    await target.close()


def _run(program: str, words: list[str], *more: str) -> None:
    done = subprocess.run(
        [str(binary(program)), *words, *more], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_no_program_takes_a_new_message_for_one_that_the_backup_lost(acme: Database) -> None:
    before = dict(await _read(acme, "SELECT id, uidvalidity FROM folders"))
    for days in (1, 0):  # also by a clock that is behind the last one
        async with acme.transaction() as connection:
            now = datetime.now(UTC) + timedelta(days=days)
            assert await outdate_clients(connection, now) == len(before)
        after = dict(await _read(acme, "SELECT id, uidvalidity FROM folders"))
        assert min(after.values()) > max(before.values())
        assert len(set(after.values())) == len(after)
        assert await _read(acme, "SELECT last_uidvalidity FROM mailboxes") == [(max(after.values()),)]
        before = after


def test_the_command_does_so(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOURPOST_DATABASE_URL", fresh_database_url)
    assert "anew" not in CliRunner().invoke(main, ["migrate"]).output
    done = CliRunner().invoke(main, ["migrate", "--restored"])
    assert (done.exit_code, "read 0 folders anew" in done.output) == (0, True)
