"""Redis as a server: its version, its clock, whether it keeps what it is given, and whether it is a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import time

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from hourpost.errors import ServiceUnavailable

_PROBE = "hourpost:probe"
# What the tests run on and `hourpost up` brings along; nothing newer is asked of it. Valkey says 7.2.
OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """What a Redis says of itself.

    ``skew_seconds``: how far its clock is from ours. ``shards``: among how many nodes a cluster divides its keys; 0: it
    is none.
    """

    version: str
    skew_seconds: float
    evicts: bool
    appends: bool
    seconds: float
    shards: int
    refusal: str | None
    """What it says when it is given something to keep."""

    @property
    def is_old(self) -> bool:
        """Whether it is older than what we are tried with."""
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return found is not None and (int(found[1]), int(found[2])) < OLDEST

    @property
    def fault_as_counters(self) -> str | None:
        """Why it cannot hold what is counted, if it cannot: we ask one node, which answers MOVED for keys of others."""
        if self.shards > 1:
            return f"it is a Redis cluster of {self.shards} nodes, and what is counted must be on one"
        return None

    @property
    def fault_as_broker(self) -> str | None:
        """Why Celery cannot use it, if it cannot: it waits for several keys at once, which no cluster allows."""
        return "it is a Redis cluster, which Celery cannot use as a broker" if self.shards else None


async def inspect_redis(url: str, *, timeout_seconds: float = 3.0) -> RedisServer:
    """Ask the server behind ``url``. Raises: ServiceUnavailable, ValueError for what is no URL of Redis."""
    client = Redis.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, decode_responses=True
    )
    try:
        info = await client.info()
        asked_at = time()
        seconds, microseconds = await client.time()
        answered_at = time()
        now = seconds + microseconds / 1e6
        shards = int((await client.cluster("INFO"))["cluster_size"]) if info.get("cluster_enabled") else 0
        return RedisServer(
            shards=shards,
            refusal=await _try_to_write(client),
            version=str(info.get("redis_version", "unknown")),
            skew_seconds=max(asked_at - now, now - answered_at, 0.0),
            evicts=info.get("maxmemory_policy") != "noeviction",
            appends=bool(info.get("aof_enabled")),
            seconds=answered_at - asked_at,
        )
    except (RedisError, OSError) as error:
        raise ServiceUnavailable("Redis does not answer.", retry_after_seconds=5, cause=repr(error)) from error
    finally:
        await client.aclose()


async def _try_to_write(client: Redis) -> str | None:
    """Keep something for a moment; a replica, a full disk or a failed snapshot make a server that only reads."""
    try:
        await client.set(_PROBE, "", ex=1)
    except ResponseError as error:
        return str(error)
    return None
