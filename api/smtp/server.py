"""The listeners of the SMTP door."""

from __future__ import annotations

from dataclasses import dataclass

from api.listening import server
from api.smtp import replies
from api.smtp.connection import Connection
from api.smtp.door import Door
from api.smtp.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener(server.Listener):
    """A port and what it is for."""

    role: Role

    @property
    def purpose(self) -> str:
        """Submission, or mail from outside."""
        return "submission" if self.role.offers_auth else "inbound"


class SmtpServer(server.Server[Door, Listener, Connection]):
    """SMTP on several ports."""

    refusal = replies.TOO_MANY_CONNECTIONS
    farewell = replies.SHUTTING_DOWN

    def connect(self, listener: Listener, address: str) -> Connection:
        """A session in the role of its port."""
        return Connection(self.door, listener.role, address, self.connections, is_secure=listener.implicit_tls)
