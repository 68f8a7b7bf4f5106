"""Doors on free ports of loopback, each on an event loop of its own thread, as `hourpost imap` runs them."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Coroutine
from typing import Any

import uvloop

from api.imap.door import Door
from api.imap.limits import Limits
from api.imap.server import ImapServer, Listener
from hourpost.database import Database
from hourpost.gateways.attempts import RedisAttempts
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.session_leases import RedisSessionLeases
from hourpost.gateways.tls import make_tls_context
from hourpost.mailboxes.login import MailboxLogins
from hourpost.mailboxes.store import MailStore
from tests.cast import CIPHER
from tests.fakes.clock import MovableSeconds
from tests.fixtures.certificates import Certificate

HOSTNAME = "imap.test"


class RunningDoor:
    """Ports: ``imap`` (STARTTLS), ``imaps`` (TLS). Two of them are as good as two processes."""

    def __init__(
        self, urls: tuple[str, str], certificate: Certificate, limits: Limits, *, tick_seconds: float = 1.0
    ) -> None:
        self.loop = uvloop.new_event_loop()
        self.seconds = MovableSeconds(self.loop.time)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.tls = ssl.create_default_context(cafile=str(certificate.cert))
        self.call(self._build(urls, certificate, limits, tick_seconds))
        self.imap, self.imaps = self.server.ports

    async def _build(
        self, urls: tuple[str, str], certificate: Certificate, limits: Limits, tick_seconds: float
    ) -> None:
        self.database = Database(urls[0], pool_size=2)
        self.store = MailStore(self.database, RedisFolderFeed(urls[1]), SystemClock())
        self.attempts = RedisAttempts(urls[1])
        self.logins = MailboxLogins(self.database, self.attempts, SystemClock(), CIPHER, key=b"a key")
        await self.store.start()
        await self.logins.start()
        context = make_tls_context(certificate.cert, certificate.key)
        self.leases = RedisSessionLeases(urls[1])
        shared = (self.store, self.logins, SystemClock(), self.leases)
        self.door = Door(HOSTNAME, context, self.seconds, *shared, limits)
        listeners = [Listener("127.0.0.1", 0), Listener("127.0.0.1", 0, implicit_tls=True)]
        self.server = ImapServer(self.door, listeners, tick_seconds=tick_seconds)
        await self.server.start()

    def call(self, work: Coroutine[Any, Any, Any], timeout_seconds: float = 30) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_seconds)

    def wait_until_empty(self) -> None:
        ends_at = time.monotonic() + 20
        while self.door.guard.connections and time.monotonic() < ends_at:
            time.sleep(0.01)
        assert self.door.guard.connections == 0

    def stop(self) -> None:
        self.call(self.server.drain())
        self.call(self.leases.aclose())
        self.call(self.logins.stop())
        self.call(self.attempts.aclose())
        self.call(self.store.stop())
        self.call(self.database.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
