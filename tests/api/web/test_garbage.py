"""The collector's looks: none at the objects of a batch, and as many as before when it is done."""

from __future__ import annotations

import gc

from api.web.garbage import keeping


def test_room_is_made_for_each_and_taken_back() -> None:
    before = gc.get_threshold()
    with keeping(1000):
        with keeping(500):
            assert gc.get_threshold() == (before[0] + 1500, *before[1:])
        assert gc.get_threshold()[0] == before[0] + 1000
    assert gc.get_threshold() == before


def test_what_is_kept_is_not_looked_through() -> None:
    looks: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        looks.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        with keeping(20_000):
            kept = [[number] for number in range(10_000)]
            assert kept
            assert looks == []
        assert looks  # they were kept too long
    finally:
        gc.callbacks.remove(note)
