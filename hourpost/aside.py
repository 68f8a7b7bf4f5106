"""Work on large content, done in a few threads beside the event loop, so that everybody else goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

T = TypeVar("T")

LARGE_BYTES = 256 * 1024
"""What has more bytes is worth the way to another thread and back: to read it takes over a millisecond."""
_AT_ONCE = 2

_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="aside")
_turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()


async def aside(size_bytes: int, work: Callable[[], T], account_id: UUID | None = None) -> T:
    """What ``work`` gives or raises; small work is done here and now, without a pause.

    Of the account that it is for, one piece at a time is in a thread or waits for one: however many there are, those of
    others wait for no more than one of it. ``work`` must not touch what the event loop may change meanwhile.
    """
    if size_bytes <= LARGE_BYTES:
        return work()
    if account_id is None:
        return await away(work)
    return await _in_turn(work, account_id)


async def away(work: Callable[[], T]) -> T:
    """The same of any size, for who keeps to turns in another way."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


async def _in_turn(work: Callable[[], T], account_id: UUID) -> T:
    """The turn lasts as long as the work, also where nobody waits for that any more."""
    turn = _turns.setdefault(account_id, asyncio.Lock())
    await turn.acquire()
    working = asyncio.get_running_loop().run_in_executor(_threads, work)
    working.add_done_callback(lambda _: turn.release())
    return await asyncio.shield(working)
