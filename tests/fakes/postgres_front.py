"""PostgreSQL by TCP: what stands before its socket, and ends TLS there if it has a certificate."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

_WANTS_TLS = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # SSLRequest


@contextmanager
def postgres_by_tcp(url: str, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address by TCP of the database at ``url``; with a ``context`` nobody gets further without TLS.

    In a thread of its own, as commands run an event loop of their own.
    """
    parts = urlsplit(url)
    target = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opening = asyncio.start_server(lambda *ends: _serve(target, context, *ends), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(opening, loop).result(5)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{parts.scheme}://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}{parts.path}"
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


async def _serve(
    target: str, context: ssl.SSLContext | None, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        try:
            if context is not None:
                if await client.readexactly(8) != _WANTS_TLS:
                    return
                to_client.write(b"S")
                await to_client.start_tls(context)
            await _join(target, client, to_client)
        finally:
            to_client.close()


async def _join(target: str, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    server, to_server = await asyncio.open_unix_connection(target)
    try:
        await asyncio.gather(_pass(client, to_server), _pass(server, to_client))
    finally:
        to_server.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
        target.close()
