"""The engine, and the only place that commits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hourpost.errors import ServiceUnavailable


def _to_asyncpg(url: str) -> str:
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url[len(scheme) :]
    return url


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Database:
    """PostgreSQL: read with ``reading()``, write with ``transaction()``; both give a Core connection."""

    def __init__(self, url: str, *, pool_size: int = 8, application: str = "hourpost") -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            _to_asyncpg(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=False,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            connect_args={
                "timeout": 5,
                "command_timeout": 60,
                "server_settings": {"application_name": application, "jit": "off"},
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back by any error.

        Raises: ServiceUnavailable when PostgreSQL cannot be reached; the outcome of a COMMIT is then unknown.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except _AWAY as error:
            raise self._away(error) from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads; each statement sees its own snapshot. Raises: ServiceUnavailable."""
        try:
            async with self.engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        except _AWAY as error:
            raise self._away(error) from error

    async def listen(self) -> asyncpg.Connection:
        """A connection of its own for LISTEN, to be closed by the caller. Raises: OSError, asyncpg.PostgresError."""
        return await asyncpg.connect(self.url.replace("postgresql+asyncpg://", "postgresql://"), timeout=5)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @staticmethod
    def _away(error: BaseException) -> BaseException:
        if isinstance(error, DBAPIError) and not _is_away(error):
            return error
        return ServiceUnavailable("The database is not reachable.", retry_after_seconds=5, cause=repr(error))


# asyncpg tells a lost or refused connection in several ways; a wrong statement is none of them.
_AWAY = (OperationalError, InterfaceError, DBAPIError, OSError, TimeoutError)
_AWAY_STATES = ("08", "57P", "53", "58")


def _is_away(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return state.startswith(_AWAY_STATES)
