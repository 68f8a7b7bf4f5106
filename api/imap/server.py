"""The listeners of the door, the watch over its sessions, and the end of both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from api.imap import replies
from api.imap.connection import Connection
from api.imap.door import Door
from hourpost.errors import ServiceUnavailable

log = structlog.get_logger()

_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listener:
    """A port; with ``implicit_tls`` the handshake comes first (RFC 8314 §3.3).

    ``is_trusted``: what arrives in clear is secure all the same, as from a proxy of ours that ends TLS.
    """

    host: str
    port: int  # 0: any free one
    implicit_tls: bool = False
    is_trusted: bool = False


class ImapServer:
    """Listens on several ports of one door. It accepts by itself, so that caps hold before the handshake."""

    def __init__(self, door: Door, listeners: list[Listener], *, tick_seconds: float = 1.0) -> None:
        self.door = door
        self.ports: list[int] = []
        self._listeners = listeners
        self._tick_seconds = tick_seconds
        self._sockets: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on all ports. Raises: OSError."""
        for listener in self._listeners:
            listening = _listen(listener)
            self._sockets.append(listening)
            self.ports.append(listening.getsockname()[1])
        for listener, listening in zip(self._listeners, self._sockets, strict=True):
            self._start(self._accept(listener, listening))
        self._start(self._keep_watch())
        self._start(self._keep_comparing())

    async def drain(self) -> None:
        """Take nobody in, send idle sessions away, let the others finish their command; then end what is left."""
        self.door.is_draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listening in self._sockets:
            listening.close()
        for connection in list(self._connections):
            if connection.is_idle:
                connection.end(replies.SHUTTING_DOWN)
        ends_at = self.door.seconds() + self.door.limits.drain_seconds
        while self._connections and self.door.seconds() < ends_at:  # noqa: ASYNC110  # once, at the very end
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.abort()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: Listener, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError as error:  # no descriptors left: those that are open will end
                log.warning("cannot accept", error=repr(error))
                await asyncio.sleep(0.1)
                continue
            self._take_in(listener, accepted, str(peer[0]))

    def _take_in(self, listener: Listener, accepted: socket.socket, address: str) -> None:
        if self.door.guard.enter(address):
            self._start(self._open(listener, accepted, address))
            return
        with accepted, suppress(OSError):
            if not listener.implicit_tls:
                accepted.send(replies.TOO_MANY_CONNECTIONS)

    async def _open(self, listener: Listener, accepted: socket.socket, address: str) -> None:
        door, is_secure = self.door, listener.implicit_tls
        trusted = is_secure or listener.is_trusted
        connection = Connection(door, address, self._connections, is_secure=trusted)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=door.tls if is_secure else None,
                ssl_handshake_timeout=door.limits.handshake_seconds if is_secure else None,
                ssl_shutdown_timeout=door.limits.goodbye_seconds if is_secure else None,
            )
        except OSError as error:
            log.debug("no TLS", address=address, error=repr(error))
        finally:
            if not connection.was_made:
                door.guard.leave(address)

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            now = self.door.seconds()
            for connection in list(self._connections):
                connection.check_deadlines(now)

    async def _keep_comparing(self) -> None:
        """Once a minute every open folder is held against its row, whatever was or was not heard of it."""
        while True:
            await asyncio.sleep(self.door.limits.compare_seconds)
            try:
                await self.door.folders.compare_all()
            except ServiceUnavailable as error:
                log.warning("open folders were not compared", cause=error.cause)


def _listen(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    listening = socket.create_server((listener.host, listener.port), family=family, backlog=_BACKLOG)
    listening.setblocking(False)
    return listening
