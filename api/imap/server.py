"""The listeners of the IMAP door."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from api.imap import replies
from api.imap.connection import Connection
from api.imap.door import Door
from api.listening import server
from hourpost.errors import ServiceUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listener(server.Listener):
    """A port. ``is_trusted``: what arrives in clear is secure all the same, as from a proxy of ours that ends TLS."""

    is_trusted: bool = False


class ImapServer(server.Server[Door, Listener, Connection]):
    """IMAP on several ports."""

    refusal = replies.TOO_MANY_CONNECTIONS
    farewell = replies.SHUTTING_DOWN

    async def start(self) -> None:
        """Listen, and hold open folders against their rows. Raises: OSError."""
        await super().start()
        self.begin(self._keep_comparing())
        self.begin(self._keep_places())

    async def drain(self) -> None:
        """End as every door does; sessions cut off are told so in the next round, and give back their places."""
        await super().drain()
        await asyncio.sleep(0)

    def connect(self, listener: Listener, address: str) -> Connection:
        """A session."""
        is_secure = listener.implicit_tls or listener.is_trusted
        return Connection(self.door, address, self.connections, is_secure=is_secure)

    async def _keep_places(self) -> None:
        """Sessions that last keep their places."""
        while True:
            await asyncio.sleep(self.door.limits.renew_seconds)
            await self.door.places.keep()

    async def _keep_comparing(self) -> None:
        """Once a minute every open folder is held against its row, whatever was or was not heard of it."""
        while True:
            await asyncio.sleep(self.door.limits.compare_seconds)
            try:
                await self.door.folders.compare_all()
            except ServiceUnavailable as error:
                log.warning("open folders were not compared", cause=error.cause)
