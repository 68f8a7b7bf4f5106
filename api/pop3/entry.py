"""Where the POP3 process begins: the real parts put together, the ports opened, and all of it ended by SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from pathlib import Path

import uvloop

from api.listening.capacity import allow_many_sessions
from api.pop3.door import Door
from api.pop3.entrance import MailboxEntrance
from api.pop3.limits import Limits
from api.pop3.server import Listener, Pop3Server
from hourpost.assembly import Parts, build_parts, redis_url
from hourpost.gateways.maildrop_locks import RedisMaildropLocks
from hourpost.gateways.tls import RenewedTls
from hourpost.mailboxes.maildrop import Maildrops
from hourpost.settings import Settings


def run(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called when both ports listen.

    ``certificate`` is the PEM chain and its key. Raises: OSError for a port that is taken, ServiceUnavailable.
    """
    allow_many_sessions(Limits().connections)
    uvloop.run(_serve(settings, certificate, ready))


async def _serve(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    parts = build_parts(settings, "hourpost pop3")
    locks = RedisMaildropLocks(redis_url(settings))
    await parts.start()
    try:
        server = build_server(settings, parts, locks, certificate)
        await server.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        ready()
        await stopped.wait()
        await server.drain()
    finally:
        await locks.aclose()
        await parts.stop()


def build_server(
    settings: Settings, parts: Parts, locks: RedisMaildropLocks, certificate: tuple[Path, Path]
) -> Pop3Server:
    """The two ports of the settings on the running loop, not listening yet. Raises: OSError."""
    tls = RenewedTls(*certificate)
    door = Door(
        settings.hostname,
        tls.context,
        asyncio.get_running_loop().time,
        MailboxEntrance(parts.logins),
        Maildrops(parts.mail, locks),
    )
    return Pop3Server(
        door,
        [
            Listener(settings.host, settings.pop3_port),
            Listener(settings.host, settings.pop3s_port, implicit_tls=True),
        ],
        proxies=settings.mail_proxy_networks,
        tls=tls,
    )
