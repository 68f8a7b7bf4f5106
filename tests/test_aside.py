"""Aside: large work leaves the event loop to the others, small work does not leave it at all."""

from __future__ import annotations

import asyncio
import threading

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
