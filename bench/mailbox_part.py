"""The IMAP part as `hourpost imap` runs it, with a third port in clear that counts as secure: TLS is off at the peer.

    python -m bench.mailbox_part READY

Settings come from the environment. Its ports are written to the file READY: in clear, under TLS.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import uvloop

from api.imap.door import Door
from api.imap.limits import Limits
from api.imap.server import ImapServer, Listener
from api.listening.capacity import allow_many_sessions
from hourpost.assembly import build_parts, redis_url
from hourpost.cli.smtp import find_certificate
from hourpost.embedded.instance import instance_settings
from hourpost.gateways.session_leases import RedisSessionLeases
from hourpost.gateways.tls import make_tls_context
from hourpost.logging import configure_logging


async def serve(ready: Path) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    settings = instance_settings()
    configure_logging(settings, "imap")
    parts = build_parts(settings, "hourpost imap")
    await parts.start()
    tls = make_tls_context(*find_certificate(settings))
    limits = Limits(sessions_per_mailbox=100, goodbye_seconds=0.2, drain_seconds=5.0)
    leases = RedisSessionLeases(redis_url(settings))
    door = Door("localhost", tls, loop.time, parts.mail, parts.logins, parts.clock, leases, limits)
    listeners = [Listener("127.0.0.1", 0, is_trusted=True), Listener("127.0.0.1", 0, implicit_tls=True)]
    server = ImapServer(door, listeners)
    await server.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    ready.write_text(" ".join(map(str, server.ports)))  # noqa: ASYNC240  # once, before anything else happens
    await stopped.wait()
    await server.drain()
    await leases.aclose()
    await parts.stop()


if __name__ == "__main__":
    allow_many_sessions(Limits().connections)
    uvloop.run(serve(Path(sys.argv[1])))
