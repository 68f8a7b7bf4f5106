"""Where the IMAP process begins: what opens its ports, on the real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from api.imap.door import Door
from api.imap.limits import Limits
from api.imap.server import ImapServer, Listener
from api.listening.serving import serve
from hourpost.assembly import Parts, redis_url
from hourpost.gateways.session_leases import RedisSessionLeases, SessionLeases
from hourpost.gateways.tls import RenewedTls
from hourpost.settings import Settings


def run(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called when all ports listen.

    ``certificate`` is the PEM chain and its key. Raises: OSError for a port that is taken, ServiceUnavailable.
    """

    def build(parts: Parts, stack: AsyncExitStack) -> ImapServer:
        leases = RedisSessionLeases(redis_url(settings))
        stack.push_async_callback(leases.aclose)
        return build_server(settings, parts, leases, certificate)

    serve(settings, "hourpost imap", Limits().connections, build, ready)


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
