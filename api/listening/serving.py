"""The life of a mail door's process: the parts started, the ports opened, all of it ended by SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

import uvloop

from api.listening.capacity import allow_many_sessions
from hourpost.assembly import Parts, build_parts
from hourpost.settings import Settings

# What the start has made stays, and thousands of sessions hold little that refers to itself.
_COLLECT_AFTER = (50_000, 50, 100)


class Server(Protocol):
    """A door that opens its ports and closes them once its sessions have ended."""

    async def start(self) -> None:
        """Listen. Raises: OSError for a port that is taken."""

    async def drain(self) -> None:
        """Take nobody in any more, and let what is under way end."""


Build = Callable[[Parts, AsyncExitStack], Server]


def serve(settings: Settings, name: str, sessions: int, build: Build, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called when all ports listen.

    ``name`` is the process's in PostgreSQL, ``sessions`` how many it takes at most. What ``build`` opens it leaves to
    the stack that it is given. Raises: OSError for a port that is taken, ServiceUnavailable.
    """
    allow_many_sessions(sessions)
    uvloop.run(_serve(settings, name, build, ready))


async def _serve(settings: Settings, name: str, build: Build, ready: Callable[[], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    parts = build_parts(settings, name)
    async with AsyncExitStack() as stack:
        await parts.start()
        stack.push_async_callback(parts.stop)
        server = build(parts, stack)
        await server.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT_AFTER)
        ready()
        await stopped.wait()
        await server.drain()
