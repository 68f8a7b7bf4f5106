"""Bring a database to the newest revision, beside the parts that are at work, and say which one it has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hourpost.database import Database
from hourpost.errors import Refused, RolledBack
from migrations.revision import is_newer, list_file_revisions, newer_words
from migrations.turn import PATIENCE_SECONDS, Tell, Turn, taking_turn

# Whoever wants a table for which a revision waits stands behind it. Not less than PostgreSQL's deadlock_timeout of a
# second, after which an autovacuum gives way to who waits for it.
_LOCK_TIMEOUT = "2s"
_BUILD_TIMEOUT = "30min"  # for old transactions, to the end of which nobody stands behind an index that is built
# What the role or the database allows a statement of every day is not for these.
_BEGIN = text(
    "SELECT pg_backend_pid(), set_config('lock_timeout', :timeout, :is_local),"
    " set_config('statement_timeout', '0', :is_local)"
)


def configuration() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config


async def upgrade(
    database: Database, tell: Tell = lambda _: None, *, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Run what is missing, a transaction for each revision; ``tell`` is given a line for whatever is waited for.

    Each waits for its locks for two seconds, and where it has not got them, or is given up in a deadlock, it is tried
    again when who held them has ended, for half an hour. A database of a newer Hourpost is left as it is, and told.

    Raises: ServiceUnavailable, also when there is no more patience; Refused for a database with revisions that are not
        ours; sqlalchemy.exc.DBAPIError.
    """
    known = list_file_revisions()
    if _following(await current_revision(database), known, tell) is None:
        return
    async with taking_turn(database, tell, patience_seconds) as turn:
        while (revision := _following(current := await current_revision(database), known, tell)) is not None:
            await _climb(database, turn, revision, is_empty=current is None)


def _following(current: str | None, known: list[str], tell: Tell) -> str | None:
    """The revision to go to from ``current``, None where there is none. Raises: Refused.

    An empty database goes to the newest at once: nobody waits for its tables yet.
    """
    if current is None:
        return known[-1]
    if is_newer(current, known[-1]):
        tell(f"{newer_words(current, known[-1])}: it is left as it is, and this one works beside it.")
        return None
    if current not in known:
        raise Refused(f"The database is at revision {current}, which is none of Hourpost's: is it another program's?")
    return next((revision for revision in known if revision > current), None)


async def _climb(database: Database, turn: Turn, revision: str, *, is_empty: bool) -> None:
    """Go to ``revision``, however often that has to be tried. Raises: ServiceUnavailable."""
    is_there = False
    while not is_there:
        try:
            if not is_empty:
                await _before(database, turn, revision)
            async with database.transaction() as connection:
                pid = (await connection.execute(_BEGIN, {"timeout": _LOCK_TIMEOUT, "is_local": True})).scalar_one()
                async with turn.watching(pid):
                    await connection.run_sync(partial(_upgrade, revision=revision))
            is_there = True
        except RolledBack as error:
            await turn.wait(revision, error)


async def _before(database: Database, turn: Turn, revision: str) -> None:
    """Run what a revision has to do outside of any transaction, its function ``before``; each statement is one."""
    script = ScriptDirectory.from_config(configuration()).get_revision(revision)
    before = getattr(script.module, "before", None)
    if before is None:
        return
    async with database.reading() as connection:
        pid = (await connection.execute(_BEGIN, {"timeout": _BUILD_TIMEOUT, "is_local": False})).scalar_one()
        async with turn.watching(pid, tells_of=revision):
            await connection.run_sync(before)


def _upgrade(connection: Connection, revision: str) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def current_revision(database: Database) -> str | None:
    """The revision the database has, None when it is empty."""
    async with database.reading() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
