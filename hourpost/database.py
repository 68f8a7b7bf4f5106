"""The engine, and the only place that commits."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakSet

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hourpost.connections import UNSOUND, Connections
from hourpost.errors import DiskFull, RolledBack, ServiceUnavailable
from hourpost.rules.room import NONE_BYTES

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
"""What the address of a database may begin with."""


def _as_asyncpg_reads(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"postgresql{mark}{rest}" if scheme in SCHEMES else url


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Row(asyncpg.Record):  # type: ignore[misc]  # asyncpg has no types
    """A row of a hot statement, its columns as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class HotStatement:
    """A statement of the hot path, with named parameters (``:name``), run by asyncpg without anything between.

    One transaction of one such statement costs 0.15 ms of CPU here; by SQLAlchemy it costs 0.42.
    """

    def __init__(self, statement: str, *, seconds: float | None = None) -> None:
        """``seconds``: how long it may take, of which one of its kind takes a small part; else a minute."""
        self._seconds = seconds
        self._names: list[str] = []
        self._text = re.sub(r"(?<![:\w]):([a-z_]+)", self._number, statement)

    def _number(self, found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in self._names:
            self._names.append(name)
        return f"${self._names.index(name) + 1}"

    async def run(self, connection: asyncpg.Connection, arguments: Mapping[str, Any]) -> list[Any]:
        """The rows it gives. Raises: asyncpg.PostgresError, TimeoutError."""
        values = [arguments[name] for name in self._names]
        rows: list[Any] = await connection.fetch(self._text, *values, timeout=self._seconds)
        return rows


class HotConnection:
    """A connection while it is lent for hot statements; what asyncpg says of an outage becomes ServiceUnavailable."""

    __slots__ = ("_connection", "_folder", "_lender")

    def __init__(self, lender: Connections, folder: str | None) -> None:
        self._lender = lender
        self._folder = folder
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> asyncpg.Connection:
        try:
            self._connection = connection = await self._lender.take()
        except _HOT_AWAY as error:
            raise _unavailable(error, self._folder) from error
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None
        self._lender.give_back(self._connection, is_sound=not isinstance(error, UNSOUND))
        if isinstance(error, _HOT_AWAY) and not isinstance(error, ValueError):
            # asyncpg's word for a value of the wrong kind is of the same family, and a ValueError
            raise _unavailable(error, self._folder) from error


class Database:
    """PostgreSQL: read with ``reading()``, write with ``transaction()``; both give a Core connection.

    asyncpg alone reads the ``url``, so that its parameters (``sslmode``, …) mean the same for every connection. A
    statement that takes over a minute is given up, unless its caller ``is_patient``. With ``plans_once`` a hot
    statement keeps its first plan whatever it is given: for who runs a few, each with few rows or with thousands.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        application: str = "hourpost",
        is_patient: bool = False,
        plans_once: bool = False,
    ) -> None:
        self.url = url
        self._folder = _folder_of(url)
        self._settings = {"application_name": application, "jit": "off"}
        self._plans = {"plan_cache_mode": "force_generic_plan"} if plans_once else {}
        self._longest_seconds = None if is_patient else _LONGEST_SECONDS
        self._hot = Connections(self._connect, _HOT_CONNECTIONS)
        self._watch = self._hot.watch
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect_for_pool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=False,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
        )
        self._idle: WeakSet[asyncpg.Connection] = WeakSet()  # a lost one is replaced without a word
        event.listen(self.engine.sync_engine, "checkout", self._lend)
        event.listen(self.engine.sync_engine, "checkin", self._take_back)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back by any error.

        Raises: ServiceUnavailable when PostgreSQL cannot be reached; the outcome of a COMMIT is then unknown, but of
        RolledBack.
        """
        try:
            self._watch.check()
            async with self.engine.begin() as connection:
                yield connection
        except _AWAY as error:
            raise self._away(error) from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads; each statement sees its own snapshot. Raises: ServiceUnavailable."""
        try:
            self._watch.check()
            async with self.engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        except _AWAY as error:
            raise self._away(error) from error

    @asynccontextmanager
    async def hot_transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """One transaction for ``HotStatement``s: committed at the end of the block, rolled back by any error.

        Raises: ServiceUnavailable; the outcome of a COMMIT is then unknown, but of RolledBack.
        """
        async with self.hot_statements() as connection, connection.transaction():
            yield connection

    def hot_statements(self) -> HotConnection:
        """A connection for ``HotStatement``s, each a transaction of its own: for reads, and for one write at a time.

        Raises: ServiceUnavailable; whether a write was done is then unknown, but of RolledBack.
        """
        return HotConnection(self._hot, self._folder)

    def _lend(self, _: object, record: Any, __: object) -> None:
        """Lend no connection that was lost while nobody used it, as all are when PostgreSQL starts anew."""
        self._idle.discard(record.driver_connection)
        if record.driver_connection.is_closed():
            raise DisconnectionError  # the pool's word for: make another in its place
        self._watch.begin(record, record.driver_connection.terminate)

    def _take_back(self, _: object, record: Any) -> None:
        self._watch.end(record)
        if record.driver_connection is not None:  # it may have been given up
            self._idle.add(record.driver_connection)

    async def _connect_for_pool(self) -> asyncpg.Connection:
        """What SQLAlchemy's pool makes its connections with."""
        with self._watch.over_attempt():
            return await self._open(command_timeout=self._longest_seconds, server_settings=self._settings)

    async def _connect(self) -> asyncpg.Connection:
        settings = self._settings | self._plans
        return await self._open(command_timeout=_LONGEST_SECONDS, server_settings=settings, record_class=Row)

    async def listen(self, application: str | None = None) -> asyncpg.Connection:
        """A connection of its own for LISTEN, to be closed by the caller; ``application`` names it in PostgreSQL.

        Raises: OSError, asyncpg.PostgresError.
        """
        settings = {"application_name": application} if application else {}
        with self._watch.over_attempt():
            return await self._open(command_timeout=10, server_settings=settings)

    async def _open(self, **arguments: Any) -> asyncpg.Connection:
        """The only place that makes connections. Raises: OSError, TimeoutError, asyncpg.PostgresError."""
        patience = {} if self._longest_seconds is None else _NO_REST
        settings = {**_KEEPALIVE, **patience, **arguments.pop("server_settings", {})}
        url = _as_asyncpg_reads(self.url)
        return await asyncpg.connect(url, timeout=5, server_settings=settings, **arguments)

    async def close(self) -> None:
        """Close every connection; one at whose other end nobody answers is left after a moment.

        Those that nobody uses say no goodbye: a busy server takes seconds to hear it, and what is given up then is an
        error in the log.
        """
        await self._watch.stop()
        self._hot.terminate()
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self.engine.dispose()

    def _away(self, error: BaseException) -> BaseException:
        if isinstance(error, DBAPIError) and not _is_away(error):
            return error
        return _unavailable(error, self._folder)


# asyncpg tells a lost or refused connection in several ways; a wrong statement is none of them.
_AWAY = (OperationalError, InterfaceError, DBAPIError, OSError, TimeoutError, PoolTimeout, asyncpg.InternalClientError)
_HOT_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)
# A machine that is gone without a word holds its connections and its locks until PostgreSQL notices.
_KEEPALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
# Nobody rests in the middle of a transaction, as none is open while others are asked; a migration may reckon that long.
_NO_REST = {"idle_in_transaction_session_timeout": "2min"}
_HOT_CONNECTIONS = 4
_LONGEST_SECONDS = 60.0
_GOODBYE_SECONDS = 3.0

HOT_SECONDS = 20.0
"""For statements that somebody waits for: one backend may stand still while the server lives, and nobody else sees it.

Long enough for 16 MB on a slow road, short enough for a client that waits for its answer.
"""

STATEMENT_FAULTS = (DBAPIError, asyncpg.PostgresError, asyncpg.DataError)
"""What PostgreSQL or its driver says of a statement that it cannot run with these values."""

_AWAY_TEXT = "The database is not reachable."
_SLOW_TEXT = "The database did not answer in time, or there is more to do than this server keeps up with."
_FULL_TEXT = "There is no room to store anything: the disk of the database is full."
_AWAY_STATES = ("08", "28", "3D", "57P", "53", "58", "40003")  # also for whom it does not let in, or cannot say
_ROLLED_BACK_TEXT = "The database was busy with what concerns this; please try again."
# Deadlocks, and a lock that was waited for long enough; after 40003 nobody knows whether it was done
_ROLLED_BACK_STATES = ("40000", "40001", "40002", "40P01", "55P03")
_CLOSED_STATES = ("28", "3D")  # it is there, and lets us into no such database
_DISK_FULL = "53100"


def _folder_of(url: str) -> str | None:
    """Where PostgreSQL has its socket on this machine, which under `hourpost up` is with its data, as a rule."""
    query = url.partition("?")[2]
    return next((value for name, value in parse_qsl(query) if name == "host" and value.startswith("/")), None)


def _is_full(folder: str) -> bool:
    """Whether the data is there and has no room; a folder of sockets alone, such as /run, may be a small disk."""
    try:
        return os.path.exists(os.path.join(folder, "PG_VERSION")) and shutil.disk_usage(folder).free < NONE_BYTES
    except OSError:
        return False


def _unavailable(error: BaseException, folder: str | None) -> ServiceUnavailable:
    """Also PostgreSQL ends where it has no room for its log; then it cannot say why it is away."""
    state = _state_of(error)
    if state.startswith(_ROLLED_BACK_STATES):
        return RolledBack(_ROLLED_BACK_TEXT, retry_after_seconds=1, cause=_cause_of(error))
    if state == _DISK_FULL or (folder is not None and not state.startswith(_CLOSED_STATES) and _is_full(folder)):
        return DiskFull(_FULL_TEXT, retry_after_seconds=30, cause=repr(error))
    # Our own clock has run out, which it also does where this process had no time to listen
    text = _SLOW_TEXT if isinstance(error, TimeoutError | PoolTimeout) else _AWAY_TEXT
    return ServiceUnavailable(text, retry_after_seconds=5, cause=_cause_of(error))


def _cause_of(error: BaseException) -> str:
    """In the driver's own words, where SQLAlchemy has wrapped them."""
    return repr(getattr(getattr(error, "orig", None), "driver_exception", None) or error)


def _is_away(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    return _state_of(error).startswith((*_AWAY_STATES, *_ROLLED_BACK_STATES))


def _state_of(error: BaseException) -> str:
    """PostgreSQL's code of what went wrong; empty where it said nothing."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", "") or "")
