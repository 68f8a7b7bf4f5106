"""Where the IMAP process begins: the real parts put together, the ports opened, and all of it ended by SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from pathlib import Path

import uvloop

from api.imap.door import Door
from api.imap.limits import Limits
from api.imap.server import ImapServer, Listener
from api.listening.capacity import allow_many_sessions
from hourpost.assembly import Parts, build_parts, redis_url
from hourpost.gateways.session_leases import RedisSessionLeases, SessionLeases
from hourpost.gateways.tls import RenewedTls
from hourpost.settings import Settings


def run(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called when all ports listen.

    ``certificate`` is the PEM chain and its key. Raises: OSError for a port that is taken, ServiceUnavailable.
    """
    allow_many_sessions(Limits().connections)
    uvloop.run(_serve(settings, certificate, ready))


async def _serve(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    parts = build_parts(settings, "hourpost imap")
    leases = RedisSessionLeases(redis_url(settings))
    await parts.start()
    try:
        server = build_server(settings, parts, leases, certificate)
        await server.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        ready()
        await stopped.wait()
        await server.drain()
    finally:
        await leases.aclose()
        await parts.stop()


def build_server(settings: Settings, parts: Parts, leases: SessionLeases, certificate: tuple[Path, Path]) -> ImapServer:
    """The two ports of the settings on the running loop, not listening yet. Raises: OSError."""
    seconds = asyncio.get_running_loop().time
    tls = RenewedTls(*certificate)
    door = Door(settings.hostname, tls.context, seconds, parts.mail, parts.logins, parts.clock, leases)
    return ImapServer(
        door,
        [
            Listener(settings.host, settings.imap_port),
            Listener(settings.host, settings.imaps_port, implicit_tls=True),
        ],
        proxies=settings.mail_proxy_networks,
        tls=tls,
    )
