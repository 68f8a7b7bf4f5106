"""Aside: large work leaves the event loop to the others, small work does not leave it at all."""

from __future__ import annotations

import asyncio
import threading
from uuid import uuid4

import pytest

from hourpost.aside import LARGE_BYTES, aside


async def test_small_work_is_done_on_the_loop_and_large_work_beside_it():
    assert await aside(LARGE_BYTES, threading.get_ident) == threading.get_ident()
    assert await aside(LARGE_BYTES + 1, threading.get_ident) != threading.get_ident()


async def test_what_large_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        await aside(LARGE_BYTES + 1, lambda: 1 // 0)


async def test_few_are_at_work_at_once():
    running, most, lock = 0, 0, threading.Lock()
    going_on = threading.Event()

    def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 2:
                going_on.set()
        assert going_on.wait(10)
        with lock:
            running -= 1

    await asyncio.gather(*(aside(LARGE_BYTES + 1, work) for _ in range(6)))
    assert most == 2


async def test_the_work_of_one_account_does_not_hold_up_that_of_another():
    one, other = uuid4(), uuid4()
    may_end = threading.Event()
    slow = [asyncio.create_task(aside(LARGE_BYTES + 1, lambda: may_end.wait(10), one)) for _ in range(6)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(aside(LARGE_BYTES + 1, lambda: "done", other), 5) == "done"
    may_end.set()
    assert await asyncio.gather(*slow) == [True] * 6


async def test_the_turn_of_an_account_lasts_as_long_as_work_that_nobody_waits_for():
    account_id, may_end = uuid4(), threading.Event()
    left = asyncio.create_task(aside(LARGE_BYTES + 1, lambda: may_end.wait(10), account_id))
    await asyncio.sleep(0.05)
    left.cancel()
    following = asyncio.create_task(aside(LARGE_BYTES + 1, may_end.is_set, account_id))
    await asyncio.sleep(0.05)
    may_end.set()
    assert await asyncio.wait_for(following, 5)
