"""A door on free ports of loopback, on an event loop of its own thread, with real mailboxes behind it."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uvloop

from api.pop3.door import Door, Entered
from api.pop3.limits import Limits
from api.pop3.server import Listener, Pop3Server
from hourpost.database import Database
from hourpost.errors import Forbidden, ServiceUnavailable
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.maildrop_locks import RedisMaildropLocks
from hourpost.gateways.tls import make_tls_context
from hourpost.mailboxes.maildrop import Maildrops
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from tests.fakes.clock import MovableSeconds
from tests.fixtures.certificates import Certificate

HOSTNAME = "mail.test"
PASSWORD = "it is a secret"


@dataclass(frozen=True)
class Somebody:
    """A log-in."""

    mailbox_id: UUID


class Entrance:
    """Lets everybody in who knows the password; ``refuse`` ends log-ins, ``is_away`` fails them."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, UUID] = {}
        self.watched: list[Callable[[], None]] = []
        self.is_away = False

    async def log_in(self, username: str, password: str, peer: str) -> Somebody:
        if self.is_away:
            raise ServiceUnavailable("The database is not reachable.")
        if username not in self.mailboxes or password != PASSWORD:
            raise Forbidden("invalid_login", "Authentication failed.")
        return Somebody(self.mailboxes[username])

    def watch(self, entered: Entered, on_end: Callable[[], None]) -> Callable[[], None]:
        self.watched.append(on_end)
        return lambda: self.watched.remove(on_end)


class RunningDoor:
    """Ports: ``pop3`` (STLS), ``pop3s`` (TLS)."""

    def __init__(
        self, urls: tuple[str, str], certificate: Certificate, limits: Limits, *, tick_seconds: float = 1.0
    ) -> None:
        self.entrance = Entrance()
        self.loop = uvloop.new_event_loop()
        self.seconds = MovableSeconds(self.loop.time)
        self.tls = ssl.create_default_context(cafile=str(certificate.cert))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self._start(urls, certificate, limits, tick_seconds))
        self.pop3, self.pop3s = self.server.ports

    async def _start(
        self, urls: tuple[str, str], certificate: Certificate, limits: Limits, tick_seconds: float
    ) -> None:
        self.database = Database(urls[0], pool_size=2)
        self.store = MailStore(self.database, RedisFolderFeed(urls[1]), SystemClock())
        await self.store.start()
        self.locks = RedisMaildropLocks(urls[1])
        tls = make_tls_context(certificate.cert, certificate.key)
        maildrops = Maildrops(self.store, self.locks)
        self.door = Door(HOSTNAME, tls, self.seconds, self.entrance, maildrops, limits)
        listeners = [Listener("127.0.0.1", 0), Listener("127.0.0.1", 0, implicit_tls=True)]
        self.server = Pop3Server(self.door, listeners, tick_seconds=tick_seconds)
        await self.server.start()

    def call(self, work: Coroutine[Any, Any, Any], timeout_seconds: float = 30) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_seconds)

    def put(self, place: tuple[UUID, UUID], contents: Sequence[bytes]) -> list[int]:
        """Store messages; their UIDs."""
        news = [NewMessage(content) for content in contents]
        return [one.uid for one in self.call(self.store.append_all(*place, news))]

    def wait_until_empty(self) -> None:
        ends_at = time.monotonic() + 20
        while self.door.guard.connections and time.monotonic() < ends_at:
            time.sleep(0.01)
        assert self.door.guard.connections == 0
        self.call(self.door.finish())

    def stop(self) -> None:
        self.call(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _stop(self) -> None:
        await self.server.drain()
        await self.store.stop()
        await self.locks.aclose()
        await self.database.close()
