"""The POP3 door without TLS and with one password, for comparison: ``python -m bench.pop3_door DATABASE REDIS``.

It prints its port when it listens; user names are ids of mailboxes.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import uvloop

from api.pop3.connection import Connection
from api.pop3.door import Door, Entered
from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.maildrop_locks import RedisMaildropLocks
from hourpost.mailboxes.maildrop import Maildrops
from hourpost.mailboxes.store import MailStore


@dataclass(frozen=True, slots=True)
class Anybody:
    """A mailbox that is not asked for."""

    mailbox_id: UUID


class OpenEntrance:
    """Lets everybody in."""

    async def log_in(self, username: str, password: str, peer: str) -> Anybody:
        """Whose mailbox it is."""
        return Anybody(UUID(username))

    def watch(self, entered: Entered, on_end: Callable[[], None]) -> Callable[[], None]:
        """Nothing ends a log-in here."""
        return lambda: None


async def main(database_url: str, redis_url: str) -> None:
    """Serve until killed."""
    database = Database(database_url)
    store = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
    await store.start()
    maildrops = Maildrops(store, RedisMaildropLocks(redis_url))
    door = Door("bench.test", None, asyncio.get_running_loop().time, OpenEntrance(), maildrops)
    connections: set[Connection] = set()

    def connect() -> Connection:
        """A session that takes the clear for TLS, which no listener of the product does."""
        door.guard.enter("127.0.0.1")
        return Connection(door, "127.0.0.1", connections, is_secure=True)

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
