"""IMAP and POP3 as the product runs them, with ports in clear that count as secure: TLS is off at the peer.

    python -m bench.mailbox_part READY

Settings come from the environment. Its ports go into the file READY: IMAP in clear and under TLS, POP3 in clear.
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
from api.listening.server import Listener as ClearListener
from api.pop3 import door as pop3_door
from api.pop3.connection import Connection
from api.pop3.entrance import MailboxEntrance
from api.pop3.server import Pop3Server
from hourpost.assembly import build_parts, redis_url
from hourpost.cli.smtp import find_certificate
from hourpost.embedded.instance import instance_settings
from hourpost.gateways.maildrop_locks import RedisMaildropLocks
from hourpost.gateways.session_leases import RedisSessionLeases
from hourpost.gateways.tls import make_tls_context
from hourpost.logging import configure_logging
from hourpost.mailboxes.maildrop import Maildrops


class _Pop3InClear(Pop3Server):
    def connect(self, listener: ClearListener, address: str) -> Connection:
        """A session that takes the clear for TLS, which no listener of the product does."""
        return Connection(self.door, address, self.connections, is_secure=True)


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
    locks = RedisMaildropLocks(redis_url(settings))
    entrance, maildrops = MailboxEntrance(parts.logins), Maildrops(parts.mail, locks)
    pop3 = _Pop3InClear(
        pop3_door.Door("localhost", tls, loop.time, entrance, maildrops), [ClearListener("127.0.0.1", 0)]
    )
    await server.start()
    await pop3.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    ports = [*server.ports, *pop3.ports]
    ready.write_text(" ".join(map(str, ports)))  # noqa: ASYNC240  # once, before anything else happens
    await stopped.wait()
    await server.drain()
    await pop3.drain()
    await leases.aclose()
    await locks.aclose()
    await parts.stop()


if __name__ == "__main__":
    allow_many_sessions(Limits().connections)
    uvloop.run(serve(Path(sys.argv[1])))
