"""A client that reads slowly is waited for, one that does not read is not."""

from __future__ import annotations

from api.listening.patience import Patience

SECONDS = 120.0


def test_a_client_that_takes_something_is_waited_for() -> None:
    patience = Patience()
    patience.begin(1000.0, 1_000_000)
    for minute in range(1, 60):
        assert not patience.is_over(1000.0 + 60 * minute, 1_000_000 - 10_000 * minute, SECONDS)


def test_a_client_that_takes_nothing_is_not_even_when_more_is_written() -> None:
    patience = Patience()
    patience.begin(1000.0, 100_000)
    assert not patience.is_over(1060.0, 100_000, SECONDS)
    assert not patience.is_over(1119.0, 200_000, SECONDS)
    assert patience.is_over(1121.0, 200_000, SECONDS)


def test_it_begins_anew_each_time() -> None:
    patience = Patience()
    patience.begin(1000.0, 100_000)
    patience.begin(2000.0, 100_000)
    assert not patience.is_over(2100.0, 100_000, SECONDS)
    assert patience.is_over(2121.0, 100_000, SECONDS)
