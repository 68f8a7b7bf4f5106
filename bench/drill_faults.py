"""What goes wrong in the drill while mail is under way: parts are killed, stand still, or run short of something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import psutil
import redis.asyncio as redis

from bench.far_end import FarEnd
from bench.instance import Instance
from hourpost.embedded.instance import read_instance

_RELAY_AWAY_SECONDS = 1.5
_FIND_SECONDS = 60.0
_FROZEN_SECONDS = 8.0  # longer than the leases of the drill
_SHORT_SECONDS = 12.0  # of memory or of connections
_CROWD = "hourpost drill"
_END_OTHERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND application_name <> $1"
)


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

    async def starve_redis(self) -> str:
        """Redis has no memory left, and evicts nothing: whatever writes to it is refused."""
        client = redis.Redis.from_url(str(read_instance(self.instance.home)["redis_url"]))
        await client.config_set("maxmemory", "1mb")
        try:
            await asyncio.sleep(_SHORT_SECONDS)
        finally:
            await client.config_set("maxmemory", "0")
            await client.aclose()
        return f"for {_SHORT_SECONDS:.0f} s"

    async def crowd_postgres(self) -> str:
        """Others have every connection of PostgreSQL; ours are ended, and find no place for a while."""
        held: list[asyncpg.Connection] = []
        ended, ends_at = 0, time.monotonic() + _SHORT_SECONDS
        try:
            while time.monotonic() < ends_at:
                with suppress(OSError, TimeoutError, asyncpg.PostgresError):
                    while True:
                        held.append(await self._connect_as_others())
                if held and not ended:
                    ended = await held[0].fetchval(_END_OTHERS, _CROWD)
                await asyncio.sleep(0.02)
        finally:
            for connection in held:
                connection.terminate()
        return f"{len(held)} of others for {_SHORT_SECONDS:.0f} s, {ended} of ours ended"

    async def _connect_as_others(self) -> asyncpg.Connection:
        settings = {"application_name": _CROWD}
        return await asyncpg.connect(self.instance.database_url, timeout=3, server_settings=settings)

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
SHORTAGES: tuple[Fault, ...] = (
    ("Redis without memory", lambda scene: scene.starve_redis()),
    ("PostgreSQL without connections", lambda scene: scene.crowd_postgres()),
)
"""Of the whole drill only: they take long."""
