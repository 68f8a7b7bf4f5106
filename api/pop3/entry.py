"""Where the POP3 process begins: what opens its ports, on the real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from api.listening.serving import serve
from api.pop3.door import Door
from api.pop3.entrance import MailboxEntrance
from api.pop3.limits import Limits
from api.pop3.server import Listener, Pop3Server
from hourpost.assembly import Parts, redis_url
from hourpost.gateways.maildrop_locks import RedisMaildropLocks
from hourpost.gateways.tls import RenewedTls
from hourpost.mailboxes.maildrop import Maildrops
from hourpost.settings import Settings


def run(settings: Settings, certificate: tuple[Path, Path], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called when all ports listen.

    ``certificate`` is the PEM chain and its key. Raises: OSError for a port that is taken, ServiceUnavailable.
    """

    def build(parts: Parts, stack: AsyncExitStack) -> Pop3Server:
        locks = RedisMaildropLocks(redis_url(settings))
        stack.push_async_callback(locks.aclose)
        return build_server(settings, parts, locks, certificate)

    serve(settings, "hourpost pop3", Limits().connections, build, ready)


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
