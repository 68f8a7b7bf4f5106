"""The connection on which PostgreSQL tells this process what it must no longer remember."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable

_PROBE_SECONDS = 10.0
_PROBE_TIMEOUT_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Subscriber:
    on_change: Callable[[UUID], None]
    on_silence: Callable[[], None]


class ChangeListener:
    """LISTENs for all who remember something in this process, and again after every loss.

    While it does not hear, nothing may be remembered.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: dict[str, list[_Subscriber]] = {}
        self._task: asyncio.Task[None] | None = None
        self.hears = False

    def subscribe(self, channel: str, *, on_change: Callable[[UUID], None], on_silence: Callable[[], None]) -> None:
        """Before ``start``: who is told the id that each word on ``channel`` names.

        ``on_silence`` is called whenever changes may have been missed.
        """
        self._subscribers.setdefault(channel, []).append(_Subscriber(on_change, on_silence))

    async def start(self) -> None:
        """Begin to listen, unless it does; returns when changes are heard. Raises: ServiceUnavailable."""
        if self._task is not None:
            return
        try:
            connection, ended = await self._connect()
        except _LOST as error:
            raise ServiceUnavailable(
                "The database is not reachable.", retry_after_seconds=5, cause=repr(error)
            ) from error
        self._task = asyncio.create_task(self._run(connection, ended), name="changes")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self, connection: asyncpg.Connection, ended: asyncio.Event) -> None:
        while True:
            try:
                await _watch(connection, ended)
            except _LOST as error:
                _log.warning("changes are not heard", cause=repr(error))
            finally:
                self._fall_silent()
                await _close(connection)
            connection, ended = await self._connect_again()

    async def _connect_again(self) -> tuple[asyncpg.Connection, asyncio.Event]:
        wait_seconds = 0.1
        while True:
            try:
                return await self._connect()
            except _LOST:
                await asyncio.sleep(wait_seconds * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
                wait_seconds = min(2.0, wait_seconds * 2)

    async def _connect(self) -> tuple[asyncpg.Connection, asyncio.Event]:
        connection = await self._database.listen()
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: self._end(ended))
        try:
            for channel in self._subscribers:
                await connection.add_listener(channel, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._tell_silence()
        self.hears = True
        return connection, ended

    def _end(self, ended: asyncio.Event) -> None:
        """Nothing may be remembered from the moment the connection is gone, not from when the task notices."""
        self._fall_silent()
        ended.set()

    def _fall_silent(self) -> None:
        self.hears = False
        self._tell_silence()

    def _tell_silence(self) -> None:
        for subscriber in chain.from_iterable(self._subscribers.values()):
            subscriber.on_silence()

    def _heard(self, _connection: object, _pid: int, channel: str, payload: str) -> None:
        try:
            changed_id = UUID(payload)
        except ValueError:
            changed_id = None
        for subscriber in self._subscribers[channel]:
            if changed_id is None:
                subscriber.on_silence()
            else:
                subscriber.on_change(changed_id)


async def _watch(connection: asyncpg.Connection, ended: asyncio.Event) -> None:
    """Return or raise when the connection is gone; a probe finds the loss that TCP keeps quiet about."""
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), _PROBE_SECONDS)
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_PROBE_TIMEOUT_SECONDS)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except _LOST:
        connection.terminate()
