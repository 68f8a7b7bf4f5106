"""Boarding: who comes at the same moment leaves together, and nobody waits for long."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from hourpost import boarding
from hourpost.boarding import Boarding


class Quay:
    def __init__(self, most: int = 100, patience_seconds: float = 0.0) -> None:
        self.waiting = 0
        self.departed: list[int] = []
        self.boarding = Boarding(lambda: self.waiting, most, self._depart, patience_seconds=patience_seconds)

    def come(self, count: int = 1) -> None:
        self.waiting += count
        self.boarding.open()

    def _depart(self) -> None:
        self.departed.append(self.waiting)
        self.waiting = 0


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The boarding's time, which stands still until it is set; its pauses are rounds."""
    moment = [0.0]
    monkeypatch.setattr(boarding, "monotonic", lambda: moment[0])
    monkeypatch.setattr(boarding, "_AGAIN_SECONDS", 0.0)
    return moment


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_comes_one_round_after_the_other_leaves_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(boarding, "monotonic", lambda: 0.0)
    quay = Quay()
    for _ in range(7):
        quay.come()
        await rounds(1)
    assert quay.departed == []
    await rounds(4)
    assert quay.departed == [7]


async def test_a_single_one_leaves_after_a_few_rounds():
    quay = Quay()
    quay.come()
    await rounds(5)
    assert quay.departed == [1]
    quay.come()
    await rounds(5)
    assert quay.departed == [1, 1]


async def test_with_most_of_them_it_waits_no_longer():
    quay = Quay(most=3)
    quay.come(3)
    await rounds(1)
    assert quay.departed == [3]


async def test_a_stream_without_end_does_not_keep_anybody(monkeypatch: pytest.MonkeyPatch):
    clock = itertools.count(step=0.001)
    monkeypatch.setattr(boarding, "monotonic", lambda: next(clock))
    quay = Quay(most=1_000_000)
    for _ in range(30):
        quay.come()
        await rounds(1)
    assert quay.departed[0] == 20


async def test_after_many_it_has_patience_for_most_of_them(now: list[float]):
    quay = Quay(patience_seconds=0.005)
    quay.come(12)
    await rounds(5)
    quay.come(3)
    await rounds(20)
    assert quay.departed == [12]
    quay.come(6)
    await rounds(20)
    assert quay.departed == [12, 9]
    quay.come(3)
    await rounds(20)
    now[0] += 0.005
    await rounds(5)
    assert quay.departed == [12, 9, 3]
    quay.come(1)
    await rounds(5)
    assert quay.departed == [12, 9, 3, 1]


async def test_after_very_many_it_has_more_patience_for_nearly_all(now: list[float]):
    quay = Quay(most=100_000, patience_seconds=0.005)
    quay.come(32)
    await rounds(5)
    for count in (5, 10, 10):
        quay.come(count)
        await rounds(20)
        now[0] += 0.001
    assert quay.departed == [32]
    quay.come(5)
    await rounds(20)
    assert quay.departed == [32, 30]
    quay.come(9000)
    await rounds(20)
    quay.come(16)
    await rounds(20)
    for _ in range(7):
        now[0] += 0.0019
        quay.come(quay.waiting)
        await rounds(20)
    assert quay.departed == [32, 30, 9000]
    now[0] += 0.0019
    quay.come(quay.waiting)
    await rounds(20)
    assert quay.departed == [32, 30, 9000, 4096]


async def test_who_comes_at_an_even_pace_is_not_gathered_to_as_many_as_before(now: list[float]):
    quay = Quay(patience_seconds=0.005)
    quay.come(32)
    await rounds(5)
    quay.come(9)
    await rounds(20)
    assert quay.departed == [32]
    now[0] += 0.001
    quay.come(1)
    await rounds(20)
    assert quay.departed == [32, 10]
