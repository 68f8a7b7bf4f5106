"""The listeners of the POP3 door."""

from __future__ import annotations

from api.listening import server
from api.listening.server import Listener
from api.pop3 import replies
from api.pop3.connection import Connection
from api.pop3.door import Door

__all__ = ["Listener", "Pop3Server"]


class Pop3Server(server.Server[Door, Listener, Connection]):
    """POP3 on several ports."""

    refusal = replies.TOO_MANY_CONNECTIONS
    farewell = replies.SHUTTING_DOWN

    def connect(self, listener: Listener, address: str) -> Connection:
        """A session."""
        return Connection(self.door, address, self.connections, is_secure=listener.implicit_tls)

    async def drain(self) -> None:
        """End as every door does, then wait for what is left of sessions whose connections are gone."""
        await super().drain()
        await self.door.finish()
