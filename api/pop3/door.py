"""What all sessions of the door share."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from api.listening.guard import Guard
from api.pop3.limits import Limits
from hourpost.mailboxes.maildrop import Maildrops


class Entered(Protocol):
    """Who has logged in, for as long as their access stands as it was."""

    @property
    def mailbox_id(self) -> UUID:
        """Whose INBOX it is."""
        ...


class Entrance(Protocol):
    """Who may enter which mailbox by POP3."""

    async def log_in(self, username: str, password: str, peer: str) -> Entered:
        """Who this is. Raises: NotAuthenticated, Forbidden, LimitExceeded, ServiceUnavailable."""
        ...

    def watch(self, entered: Entered, on_end: Callable[[], None]) -> Callable[[], None]:
        """Have ``on_end`` called once the log-in no longer holds; the answer ends the watch."""
        ...


@dataclass(slots=True)
class Door:
    """Its name, its certificate, its limits, who gets in, and the mail. ``seconds`` never goes back."""

    hostname: str
    tls: ssl.SSLContext | None
    seconds: Callable[[], float]
    entrance: Entrance
    maildrops: Maildrops
    limits: Limits = field(default_factory=Limits)
    is_draining: bool = False
    guard: Guard = field(init=False)
    _ends: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.guard = Guard(self.limits)

    def start(self, end: Coroutine[Any, Any, None]) -> None:
        """Do what is left of a session whose connection is gone."""
        task = asyncio.get_running_loop().create_task(end)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def finish(self) -> None:
        """Wait until every session is really over."""
        # A connection that was aborted is told so in the next round of the loop
        await asyncio.sleep(0)
        await asyncio.gather(*self._ends, return_exceptions=True)
