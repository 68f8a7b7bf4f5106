"""How fast the relay client is by itself: it sends made-up mail to ``bench.sink`` and prints one JSON line.

python -m bench.sink --port 2599 --user u --password p --tls cert.pem key.pem
python -m bench.courier 'smtp://u:p@localhost:2599?ca=cert.pem&connections=20' --messages 20000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import time

import uvloop

from hourpost.gateways.relays import Envelope, Outcome, RelayPool, parse_relays

_HEAD = "From: a@acme.test\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-ID: <{number}@bench.test>\r\n\r\n"
_LINE = b"The quick brown fox jumps over the lazy dog, and does so again.\r\n"


async def committed() -> bool:
    """Stands for the batched commit of ``dot_at``: a turn of the loop."""
    await asyncio.sleep(0)
    return True


async def send_all(pool: RelayPool, given: argparse.Namespace) -> int:
    """Sends everything, ``--at-once`` messages under way at a time; gives how many were accepted."""
    body = _LINE * max(1, given.size // len(_LINE))
    numbers = iter(range(given.messages))
    accepted = 0

    async def sender() -> None:
        nonlocal accepted
        for number in numbers:
            content = _HEAD.format(number=number).encode() + body
            result = await pool.send(Envelope("a@acme.test", (f"b{number}@{given.domain}",)), content, committed)
            accepted += isinstance(result, list) and isinstance(result[0], Outcome) and result[0].is_accepted

    await asyncio.gather(*(sender() for _ in range(given.at_once)))
    return accepted


async def main(given: argparse.Namespace) -> None:
    """Warms up the connections, measures, prints."""
    pool = RelayPool(parse_relays(given.relays), hostname="bench.test")
    measured = given.messages
    given.messages = given.at_once * 2
    await send_all(pool, given)
    given.messages = measured
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    began_at, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    accepted = await send_all(pool, given)
    seconds, after = time.monotonic() - began_at, resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - cpu.ru_utime, after.ru_stime - cpu.ru_stime
    report = {
        "accepted": accepted,
        "seconds": round(seconds, 3),
        "per_second": round(accepted / seconds, 1),
        "cpu_ms_each": round(1000 * (user + system) / max(1, accepted), 4),
        "user_ms_each": round(1000 * user / max(1, accepted), 4),
        "connections": sum(lane.connections for lane in pool.health()),
        "overlapped": sum(lane.counts.overlapped for lane in pool.health()),
    }
    print(json.dumps(report), flush=True)
    await pool.drain(5.0)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("relays", help="relay URLs, as in HOURPOST_RELAYS")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--size", type=int, default=2_000, help="bytes of the body")
    parser.add_argument("--domain", default="example.net")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(main(arguments()))
