"""The waits between attempts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.backoff import AFTER_LOST_ANSWER, GIVE_UP_AFTER, next_attempt_delay


def test_the_waits_grow_to_four_hours() -> None:
    minutes = [next_attempt_delay(number, 0.0) / timedelta(minutes=1) for number in range(1, 9)]
    assert minutes == [1, 5, 15, 60, 120, 240, 240, 240]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.booleans())
def test_jitter_only_lengthens_and_by_at_most_a_fifth(number: int, jitter: float, answer_lost: bool) -> None:
    least = next_attempt_delay(number, 0.0, answer_lost=answer_lost)
    assert least <= next_attempt_delay(number, jitter, answer_lost=answer_lost) <= least * 1.2


def test_after_a_lost_answer_the_wait_is_ten_minutes_at_least() -> None:
    assert [next_attempt_delay(number, 0.0, answer_lost=True) for number in (1, 2, 3)] == [
        AFTER_LOST_ANSWER,
        AFTER_LOST_ANSWER,
        timedelta(minutes=15),
    ]


def test_about_twenty_attempts_fit_before_it_is_given_up() -> None:
    waited, attempts = timedelta(), 1
    while waited < GIVE_UP_AFTER:
        waited += next_attempt_delay(attempts, 0.5)
        attempts += 1
    assert 18 <= attempts <= 24


@pytest.mark.parametrize(("number", "jitter"), [(0, 0.0), (-1, 0.0), (1, 1.0), (1, -0.1)])
def test_what_is_out_of_range_is_refused(number: int, jitter: float) -> None:
    with pytest.raises(ValueError, match="attempts"):
        next_attempt_delay(number, jitter)
