"""A door on free ports of loopback, on an event loop of its own thread, as `hourpost smtp` runs it."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Coroutine, Sequence
from ipaddress import IPv4Network
from typing import Any

import uvloop

from api.smtp.door import Door
from api.smtp.inbound import Inbound
from api.smtp.limits import Limits
from api.smtp.server import Listener, SmtpServer
from api.smtp.submit import Submitting
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.throttle import LoginThrottle
from hourpost.gateways.tls import make_tls_context
from tests.fakes.clock import MovableSeconds
from tests.fakes.intake import RecordingIntake
from tests.fakes.mailroom import RecordingMailroom
from tests.fakes.standings import FixedStandings
from tests.fixtures.certificates import Certificate

HOSTNAME = "mail.test"


class RunningDoor:
    """Ports: ``inbound``, ``submission`` (STARTTLS), ``submissions`` (TLS)."""

    def __init__(
        self,
        certificate: Certificate,
        limits: Limits,
        throttle: LoginThrottle,
        *,
        tick_seconds: float = 1.0,
        proxies: Sequence[IPv4Network] = (),
    ) -> None:
        self.intake = RecordingIntake()
        self.mailroom = RecordingMailroom()
        self.standings = FixedStandings()
        self.loop = uvloop.new_event_loop()
        self.seconds = MovableSeconds(self.loop.time)
        context = make_tls_context(certificate.cert, certificate.key)
        self.door = Door(HOSTNAME, context, self.seconds, limits, throttle)
        role = Submitting(self.standings, self.intake, SystemClock(), HOSTNAME)
        listeners = [
            Listener("127.0.0.1", 0, role=Inbound(self.mailroom)),
            Listener("127.0.0.1", 0, role=role),
            Listener("127.0.0.1", 0, role=role, implicit_tls=True),
        ]
        self.server = SmtpServer(self.door, listeners, proxies=proxies, tick_seconds=tick_seconds)
        self.tls = ssl.create_default_context(cafile=str(certificate.cert))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self.server.start())
        self.inbound, self.submission, self.submissions = self.server.ports

    def call(self, work: Coroutine[Any, Any, Any], timeout_seconds: float = 30) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_seconds)

    def wait_until_empty(self) -> None:
        ends_at = time.monotonic() + 20
        while self.door.guard.connections and time.monotonic() < ends_at:
            time.sleep(0.01)
        assert self.door.guard.connections == 0

    def stop(self) -> None:
        self.call(self.server.drain())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
