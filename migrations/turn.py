"""The turn to migrate, which one at a time has, and what a revision waits for meanwhile.

A session beside the one that migrates holds it, as it has to outlast the transactions of that one. It is asked for
again and again: who waited for it in a statement would keep an index from being built concurrently. A revision that
could not have a lock is tried again only once the transactions that held it are over, as all who want the table stand
behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import asyncpg

from hourpost.database import Database
from hourpost.errors import RolledBack, ServiceUnavailable

PATIENCE_SECONDS = 1800.0
_LOCK = 0x686F7572  # "hour"
_ASK_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_TELL_SECONDS = 60.0
_ANSWER_SECONDS = 10.0

# Of a role that may not see others' sessions only the name of the application is told.
_SESSION = (
    "SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type, 'a session without a name') AS name,"
    " extract(epoch FROM clock_timestamp() - a.xact_start)::int AS seconds, l.virtualtransaction AS transaction"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
)
_HAS_TURN = _SESSION + (  # noqa: S608  # of fixed texts
    " WHERE l.locktype = 'advisory' AND l.objid = $1 AND l.objsubid = 1 AND l.granted"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_IN_THE_WAY = _SESSION + (
    " WHERE a.pid = ANY (pg_blocking_pids($1)) AND l.locktype = 'virtualxid'"
    " AND l.virtualxid = l.virtualtransaction ORDER BY a.xact_start"
)
_ARE_LEFT = "SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND granted AND virtualxid = ANY ($1::text[])"
# InternalClientError: asyncpg has lost the thread, as in the moment in which PostgreSQL ends the session.
_FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_LOST = "The session that has the turn to migrate is lost."
_GIVEN_UP = "It is given up; what came before it is done. Run `hourpost migrate` again when that has ended."

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that has what is waited for; ``transaction`` is its virtual id, open for ``seconds``."""

    pid: int
    name: str
    seconds: int | None
    transaction: str

    @property
    def words(self) -> str:
        """Who that is."""
        since = "" if self.seconds is None else f", in a transaction for {self.seconds} s"
        return f"{self.name} (process {self.pid}{since})"


class Turn:
    """The turn of this process. ``tell`` is given a line for what is waited for, again every minute."""

    def __init__(self, session: asyncpg.Connection, tell: Tell, patience_seconds: float) -> None:
        self._session = session
        self._tell = tell
        self._patience_seconds = patience_seconds
        self._holders: list[Holder] = []
        self._step, self._since, self._tells_at = "", 0.0, 0.0
        self._who: list[int] = []

    async def take(self) -> None:
        """Wait until no other migrates. Raises: ServiceUnavailable."""
        while not await self._ask("SELECT pg_try_advisory_lock($1)", _LOCK):
            self._note("The migration", await self._find(_HAS_TURN, _LOCK), "another one")
            await asyncio.sleep(_ASK_SECONDS)

    @asynccontextmanager
    async def watching(self, pid: int, *, tells_of: str = "") -> AsyncIterator[None]:
        """The session ``pid`` migrates in the block; with ``tells_of`` a revision whoever is in its way is told of.

        Raises: ServiceUnavailable where the turn is lost meanwhile, or there is no more patience.
        """
        self._holders, is_over = [], asyncio.Event()
        watching = asyncio.create_task(self._watch(pid, is_over, tells_of))
        try:
            yield
        finally:
            is_over.set()
            await asyncio.wait([watching])
        watching.result()

    async def wait(self, revision: str, error: RolledBack) -> None:
        """Wait until ``revision``, which was rolled back, can be tried again. Raises: ServiceUnavailable."""
        step, holders = f"Revision {revision}", self._holders
        self._note(step, holders, f"others ({error.cause})")
        await asyncio.sleep(_PAUSE_SECONDS)
        while await self._ask(_ARE_LEFT, [one.transaction for one in holders]):
            self._note(step, holders, "others")
            await asyncio.sleep(_ASK_SECONDS)

    async def _watch(self, pid: int, is_over: asyncio.Event, tells_of: str) -> None:
        """Remember who was last in the way of it, and tell of who has been there for a while."""
        while not is_over.is_set():
            try:
                async with asyncio.timeout(_ASK_SECONDS):
                    await is_over.wait()
            except TimeoutError:
                found = await self._find(_IN_THE_WAY, pid)
                self._holders = found or self._holders
                if found and tells_of:
                    self._note(f"Revision {tells_of}", found, "others")

    def _note(self, step: str, holders: Sequence[Holder], otherwise: str) -> None:
        """Say what ``step`` waits for. Raises: ServiceUnavailable where that takes too long."""
        now, who = monotonic(), [one.pid for one in holders]
        words = f"{step} waits for {_list(holders) or otherwise}"
        if step != self._step:
            self._step, self._since = step, now
        if now - self._since > self._patience_seconds:
            minutes = round(self._patience_seconds / 60)
            raise ServiceUnavailable(f"{words}, for {minutes} minutes now. {_GIVEN_UP}")
        if now >= self._tells_at or who != self._who:
            self._who, self._tells_at = who, now + _TELL_SECONDS
            self._tell(f"{words}.")

    async def _find(self, statement: str, argument: int) -> list[Holder]:
        rows = await self._answer(self._session.fetch(statement, argument, timeout=_ANSWER_SECONDS))
        return [Holder(**row) for row in rows]

    async def _ask(self, statement: str, argument: object) -> Any:
        return await self._answer(self._session.fetchval(statement, argument, timeout=_ANSWER_SECONDS))

    @staticmethod
    async def _answer(question: Awaitable[Any]) -> Any:
        try:
            return await question
        except _FAULTS as error:
            raise ServiceUnavailable(_LOST, retry_after_seconds=5, cause=repr(error)) from error


def _list(holders: Sequence[Holder]) -> str:
    """In words; all but the first two as a number."""
    more = [f"{len(holders) - 2} more"] if len(holders) > 2 else []
    return " and ".join([one.words for one in holders[:2]] + more)


@asynccontextmanager
async def taking_turn(database: Database, tell: Tell, patience_seconds: float) -> AsyncIterator[Turn]:
    """The turn is ours in the block; it ends with the process at the latest. Raises: ServiceUnavailable."""
    try:
        session = await database.listen("hourpost migrate")
    except _FAULTS as error:
        raise ServiceUnavailable("The database is not reachable.", retry_after_seconds=5, cause=repr(error)) from error
    try:
        turn = Turn(session, tell, patience_seconds)
        await turn.take()
        yield turn
    finally:
        session.terminate()
