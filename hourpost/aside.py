"""Work on large content, done in a few threads beside the event loop, so that everybody else goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

LARGE_BYTES = 256 * 1024
"""What has more bytes is worth the way to another thread and back: to read it takes over a millisecond."""
_AT_ONCE = 2

_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="aside")


async def aside(size_bytes: int, work: Callable[[], T]) -> T:
    """What ``work`` gives or raises; small work is done here and now, without a pause.

    ``work`` must not touch what the event loop may change meanwhile.
    """
    if size_bytes <= LARGE_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
