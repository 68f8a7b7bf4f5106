"""What goes wrong in the drill: each part is killed with ``kill -9``, or stands still, while mail is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import redis.asyncio as redis

from bench.far_end import FarEnd
from bench.instance import Instance
from hourpost.embedded.instance import read_instance

_RELAY_AWAY_SECONDS = 1.5
_FIND_SECONDS = 60.0
_FROZEN_SECONDS = 8.0  # longer than the leases of the drill


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to break."""

    instance: Instance
    far_end: FarEnd

    async def kill(self, part: str) -> str:
        """Kill a part; waits until there is one, when an earlier fault has just ended it."""
        ends_at = time.monotonic() + _FIND_SECONDS
        while time.monotonic() < ends_at:
            found = self.instance.find(part)
            if found is not None:
                with suppress(psutil.NoSuchProcess):
                    found.kill()
                return f"process {found.pid}"
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{part} was not running for {_FIND_SECONDS:.0f} s\n{self.instance.log_end()}")

    async def flush(self) -> str:
        """FLUSHALL: buckets and hints are gone."""
        client = redis.Redis.from_url(str(read_instance(self.instance.home)["redis_url"]))
        ends_at = time.monotonic() + _FIND_SECONDS
        while True:
            try:
                await client.flushall()
            except redis.RedisError:
                if time.monotonic() > ends_at:
                    raise
                await asyncio.sleep(0.2)
            else:
                await client.aclose()
                return "flushed"

    async def freeze(self, part: str) -> str:
        """A part and its children stand still for a while, as on a machine whose disk or network does."""
        found = self.instance.find(part)
        if found is None:
            raise RuntimeError(f"{part} is not running\n{self.instance.log_end()}")
        frozen = [found, *found.children()]
        for one in frozen:
            one.suspend()
        try:
            await asyncio.sleep(_FROZEN_SECONDS)
        finally:
            for one in reversed(frozen):
                one.resume()
        return f"for {_FROZEN_SECONDS:.0f} s"

    async def kill_relay(self) -> str:
        """The sink is gone for a while; what it had taken is in its journal."""
        await asyncio.to_thread(self.far_end.kill)
        await asyncio.sleep(_RELAY_AWAY_SECONDS)
        await asyncio.to_thread(self.far_end.start)
        await self.far_end.ask("delay 20")
        return f"away for {_RELAY_AWAY_SECONDS} s"


Fault = tuple[str, Callable[[Scene], Awaitable[str]]]

FAULTS: tuple[Fault, ...] = (
    ("kill -9 worker", lambda scene: scene.kill("worker")),
    ("kill -9 other worker", lambda scene: scene.kill("worker-2")),
    ("kill -9 web", lambda scene: scene.kill("web")),
    ("kill -9 Redis", lambda scene: scene.kill("redis")),
    ("FLUSHALL", lambda scene: scene.flush()),
    ("kill -9 PostgreSQL", lambda scene: scene.kill("postgres")),
    ("kill -9 relay", lambda scene: scene.kill_relay()),
    ("kill -9 SMTP door", lambda scene: scene.kill("smtp")),
    ("kill -9 IMAP door", lambda scene: scene.kill("imap")),
    ("kill -STOP PostgreSQL", lambda scene: scene.freeze("postgres")),
)
