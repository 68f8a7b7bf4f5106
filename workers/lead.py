"""The lead: which one of the schedulers works.

It is a lock of PostgreSQL's that a session holds, and ends with it; but a process that stands still keeps its session.
So who leads says something on it while it gets on, and who waits ends a session that has been silent for half a minute.
It is said beside the work, since a piece of that may take minutes; of one that takes ten nothing more is said. What the
leader does is done in transactions of its own: for a moment two of them would do no harm.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable

_LOCK = 0x7363_6865  # "sche"
_ASK_SECONDS = 1.0
_ANSWER_SECONDS = 5.0  # on the connection that listens; one that has none is dead, whatever TCP says
_SIGN_SECONDS = 5.0
_SILENT_SECONDS = 30.0
_STUCK_SECONDS = 600.0
_LONGEST_NAME = 63  # PostgreSQL cuts it there
# A leader whose machine is gone without a word holds the lock until PostgreSQL notices.
_NOTICE_DEATH = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
_RELIEVE = """
SELECT count(pg_terminate_backend(a.pid)) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1 AND l.objsubid = 1 AND l.granted
AND a.datname = current_database() AND l.database = a.datid
AND a.state_change < clock_timestamp() - make_interval(secs => $2)
"""
_SIGNS = text(
    "SELECT count(*), extract(epoch FROM clock_timestamp() - max(state_change)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name"
)

Hear = Callable[[object, int, str, str], None]

log = structlog.get_logger()


def _session_name(host: str) -> str:
    return f"hourpost scheduler {host}"[:_LONGEST_NAME]


class Lead:
    """One scheduler's part in it; what it hears on the session, it hears only while it leads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: asyncpg.Connection | None = None
        self._got_on_at = 0.0
        self._signing: asyncio.Task[None] | None = None

    @property
    def is_held(self) -> bool:
        """Whether we lead, as far as we know."""
        return self._session is not None and not self._session.is_closed()

    async def take(self, channels: Mapping[str, Hear]) -> None:
        """Wait for the lead, and listen to ``channels``. Raises: OSError, asyncpg.PostgresError."""
        session = await self._database.listen(_session_name(socket.gethostname()))
        try:
            await session.execute(_NOTICE_DEATH, timeout=_ANSWER_SECONDS)
            # Asked again and again: a session that waits for the lock does not notice that we have gone.
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK, timeout=_ANSWER_SECONDS):
                await _relieve(session)
                await asyncio.sleep(_ASK_SECONDS)
            for channel, hear in channels.items():
                await session.add_listener(channel, hear)
        except BaseException:  # a connection that is left open would keep the lead, and do nothing with it
            session.terminate()
            raise
        self._session, self._got_on_at = session, time.monotonic()
        self._signing = asyncio.create_task(self._sign(session))

    def get_on(self) -> None:
        """Note that the next piece of work begins. Raises: ServiceUnavailable when the lead is lost."""
        if self._session is None:
            return
        if self._session.is_closed():
            raise ServiceUnavailable("another scheduler has the lead")
        self._got_on_at = time.monotonic()

    async def close(self) -> None:
        """Give it up."""
        if self._signing is not None:
            self._signing.cancel()
            await asyncio.wait([self._signing])
        if self._session is not None and not self._session.is_closed():
            await self._session.close(timeout=2)

    async def _sign(self, session: asyncpg.Connection) -> None:
        """Show those who wait that we get on. A session that does not answer is left, with the lead."""
        try:
            while not session.is_closed():
                await asyncio.sleep(_SIGN_SECONDS)
                if time.monotonic() - self._got_on_at < _STUCK_SECONDS:
                    await session.execute("SELECT 1", timeout=_ANSWER_SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("the lead is lost", error=str(error))
            session.terminate()


async def _relieve(session: asyncpg.Connection) -> None:
    """End the session of a leader that stands still."""
    if await session.fetchval(_RELIEVE, _LOCK, _SILENT_SECONDS, timeout=_ANSWER_SECONDS):
        log.warning("the scheduler that led stands still: taking over", seconds=_SILENT_SECONDS)


async def read_silence_seconds(connection: AsyncConnection, host: str) -> float | None:
    """How long the schedulers of ``host`` have said nothing, whether they lead or wait; None: there is none."""
    count, seconds = (await connection.execute(_SIGNS, {"name": _session_name(host)})).one()
    return float(seconds or 0.0) if count else None
