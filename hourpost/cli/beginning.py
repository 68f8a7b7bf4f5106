"""The beginning of a part: it waits for PostgreSQL, says so, and does not begin with a secret key of other data."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

import asyncpg
import structlog
import typer

from hourpost.assembly import database_url
from hourpost.database import Database, HotStatement
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.encryption import Cipher
from hourpost.poolers import WORDS, Pooler, find_pooler, refuses_sessions
from hourpost.seals import find_wrong_key
from hourpost.settings import Settings
from migrations.revision import is_newer, newest_file_revision

_PAUSE_SECONDS = 0.1
_TELL_SECONDS = 10.0
_DOOR_SECONDS = 30.0
_MOST_SKEW_SECONDS = 2.0

_REVISION = HotStatement("SELECT version_num FROM alembic_version")

log = structlog.get_logger()


def begin(settings: Settings, part: str, *, is_door: bool = True) -> None:
    """Return when the part can work.

    A door is given up after half a minute without PostgreSQL: who knocks there waits for nothing. It opens before there
    are tables, and says so itself; the others wait for those of this version.

    Raises: ServiceUnavailable for a door; typer.BadParameter where the secret key opens nothing that is stored;
    SystemExit for SIGTERM or SIGINT.
    """
    if not asyncio.run(_begin(settings, part, _DOOR_SECONDS if is_door else None)):
        raise SystemExit(0)


async def _begin(settings: Settings, part: str, most_seconds: float | None) -> bool:
    """False when a signal came first."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    database = Database(database_url(settings), pool_size=1, application=f"hourpost {part}")
    wait = _Wait(database, Cipher.from_settings(settings), most_seconds)
    waiting = asyncio.create_task(wait.run())
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set():
            return False
        await waiting
        return True
    finally:
        waiting.cancel()
        stopping.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
        await database.close()


class _Wait:
    """A wait that says now and then what it is for. One for a door ends after ``most_seconds``, or without tables."""

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        most_seconds: float | None,
        seconds: Callable[[], float] = time.monotonic,
        clock: Clock = SystemClock(),
    ) -> None:
        self._clock = clock
        self._database = database
        self._cipher = cipher
        self._seconds = seconds
        self._ends_at = None if most_seconds is None else seconds() + most_seconds
        self._tells_at = 0.0

    async def run(self) -> None:
        """Until all is there. Raises: ServiceUnavailable when there is no more time, typer.BadParameter."""
        while True:
            try:
                if await self._look():
                    return
                self._tell("waiting for the tables of this version: run `hourpost migrate`")
            except ServiceUnavailable as error:
                if refuses_sessions(error.cause):
                    raise typer.BadParameter(WORDS) from None
                if self._ends_at is not None and self._seconds() >= self._ends_at:
                    raise
                self._tell("waiting for PostgreSQL", cause=error.cause)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self) -> bool:
        """Whether it can begin. Raises: ServiceUnavailable, typer.BadParameter."""
        if await find_pooler(self._database) is Pooler.PER_TRANSACTION:
            raise typer.BadParameter(WORDS)
        if self._ends_at is None and not await has_tables(self._database):
            return False
        wrong = await find_wrong_key(self._database, self._cipher)
        if wrong is not None and wrong.is_whole:
            raise typer.BadParameter(wrong.words)
        if wrong is not None:
            log.error(wrong.words)
        await self._compare_clocks()
        return True

    async def _compare_clocks(self) -> None:
        """Say where this machine's clock is wrong: mail would leave early or late. Raises: ServiceUnavailable."""
        async with self._database.hot_statements() as connection:
            before = self._clock.now()
            now = await connection.fetchval("SELECT clock_timestamp()")
            ahead, behind = (before - now).total_seconds(), (now - self._clock.now()).total_seconds()
        if max(ahead, behind) > _MOST_SKEW_SECONDS:
            words = "the clocks of this machine and of PostgreSQL differ: let both follow one time server (NTP)"
            log.warning(words, seconds=round(max(ahead, behind), 1))

    def _tell(self, words: str, **more: object) -> None:
        now = self._seconds()
        if now >= self._tells_at:
            self._tells_at = now + _TELL_SECONDS
            log.warning(words, **more)


async def has_tables(database: Database) -> bool:
    """Whether they are this version's, or a newer one's: older processes run beside. Raises: ServiceUnavailable."""
    try:
        async with database.hot_statements() as connection:
            rows = await _REVISION.run(connection, {})
    except asyncpg.UndefinedTableError:
        return False
    newest = newest_file_revision()
    return any(row.version_num == newest or is_newer(row.version_num, newest) for row in rows)
