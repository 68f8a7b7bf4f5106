"""Batcher: what comes while a write is under way leaves together, and after many it waits for more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hourpost.batcher import Batcher


class Ledger:
    def __init__(self, linger_seconds: float = 0.0) -> None:
        self.written: list[list[int]] = []
        self.batcher: Batcher[int, int] = Batcher(self._write, linger_seconds=linger_seconds)

    def put(self, numbers: Sequence[int]) -> asyncio.Future[list[int]]:
        return asyncio.gather(*map(self.batcher.put, numbers))

    async def _write(self, numbers: Sequence[int]) -> list[int]:
        self.written.append(list(numbers))
        await asyncio.sleep(0)
        return [-number for number in numbers]


async def test_each_is_answered_with_its_own_result():
    ledger = Ledger()
    assert await asyncio.wait_for(ledger.put(range(40)), 30) == [-number for number in range(40)]
    assert ledger.written == [list(range(40))]
    assert ledger.batcher.is_idle


async def test_after_few_nobody_waits():
    ledger = Ledger(linger_seconds=3600)
    for number in range(3):
        await asyncio.wait_for(ledger.put([number]), 30)
    assert ledger.written == [[0], [1], [2]]


async def test_after_many_it_waits_for_more_until_a_flight_is_full():
    ledger = Ledger(linger_seconds=3600)
    await asyncio.wait_for(ledger.put(range(40)), 30)
    late = ledger.put([40])
    for _ in range(10):
        await asyncio.sleep(0)
    assert not late.done()
    assert not ledger.batcher.is_idle
    later = ledger.put(range(41, 540))
    await asyncio.wait_for(asyncio.gather(late, later), 30)
    assert ledger.written[1:] == [list(range(40, 540))]
    assert ledger.batcher.is_idle


async def test_what_waits_for_more_leaves_without_it():
    ledger = Ledger(linger_seconds=0.01)
    await asyncio.wait_for(ledger.put(range(40)), 30)
    await asyncio.wait_for(ledger.put([40]), 30)
    assert ledger.written[1:] == [[40]]


async def test_a_failed_write_fails_all_that_were_in_it():
    async def write(numbers: Sequence[int]) -> list[int]:
        raise ValueError(f"{len(numbers)}")

    batcher: Batcher[int, int] = Batcher(write)
    found = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert [str(one) for one in found] == ["2", "2"]


class Docks:
    """Whose flights land when they are told to."""

    def __init__(self, flights: int) -> None:
        self.left: asyncio.Queue[list[int]] = asyncio.Queue()
        self.may_land = asyncio.Event()
        self.batcher: Batcher[int, int] = Batcher(self._run, at_once=3, flights=flights)

    async def next_left(self) -> list[int]:
        return await asyncio.wait_for(self.left.get(), 30)

    async def _run(self, numbers: Sequence[int]) -> Sequence[int]:
        self.left.put_nowait(list(numbers))
        await self.may_land.wait()
        return numbers


async def test_beside_a_flight_that_takes_long_another_leaves():
    docks = Docks(flights=2)
    futures = [docks.batcher.send(1)]
    assert await docks.next_left() == [1]
    futures += [docks.batcher.send(2), docks.batcher.send(3)]
    assert await docks.next_left() == [2, 3]
    futures += [docks.batcher.send(4)]
    await asyncio.sleep(0.1)
    assert docks.left.empty()
    docks.may_land.set()
    assert await asyncio.wait_for(asyncio.gather(*futures), 30) == [1, 2, 3, 4]


async def test_no_flight_takes_more_than_its_most():
    docks = Docks(flights=1)
    docks.may_land.set()
    assert await asyncio.wait_for(asyncio.gather(*map(docks.batcher.put, range(7))), 30) == list(range(7))
    assert [await docks.next_left() for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]
