"""PostgreSQL behind a network that brings its last words, and for a while not the end of the stream behind them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import text

from hourpost.database import Database

_END = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :application")
_SOCKET = ".s.PGSQL.5432"


class HalfOpen:
    """A socket in ``folder`` that passes everything on but the end that the server makes."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        self._target = f"{parse_qs(parts.query)['host'][0]}/{_SOCKET}"
        self._folder = folder
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}?host={folder}"
        self._swallowed = asyncio.Semaphore(0)
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> HalfOpen:
        self._server = await asyncio.start_unix_server(self._serve, str(self._folder / _SOCKET))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def end_sessions(self, database: Database, application: str) -> None:
        """End the sessions of ``application`` by ``database``, which goes another way; their clients hear only why."""
        async with database.transaction() as connection:
            ended = (await connection.execute(_END, {"application": application})).all()
        for _ in ended:
            await asyncio.wait_for(self._swallowed.acquire(), 10)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._target)
        self._writers += [to_client, to_server]
        await asyncio.gather(self._bring(server, to_client), _pass(client, to_server))

    async def _bring(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        await _pass(server, to_client)
        self._swallowed.release()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
