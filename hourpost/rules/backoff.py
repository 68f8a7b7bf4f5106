"""When a delivery is tried again after an answer that was not final, and when it is given up."""

from __future__ import annotations

from datetime import timedelta

GIVE_UP_AFTER = timedelta(hours=72)
AFTER_LOST_ANSWER = timedelta(minutes=10)

_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 120, 240))
# The wait is up to a fifth longer than its step, so that what failed together does not return together
_SPREAD = 0.2


def next_attempt_delay(attempt_number: int, jitter: float, *, answer_lost: bool = False) -> timedelta:
    """The wait after the attempt of that number (from 1) failed for now: 1, 5, 15 min, 1, 2, then always 4 h.

    ``jitter`` in [0, 1) makes it up to a fifth longer. When the answer to the final dot was lost, the wait is at
    least 10 minutes: the relay may be busy delivering what it has.

    Raises:
        ValueError: ``attempt_number`` or ``jitter`` is out of its range.
    """
    if attempt_number < 1 or not 0 <= jitter < 1:
        raise ValueError("attempts count from 1, and jitter is at least 0 and below 1")
    step = _STEPS[min(attempt_number, len(_STEPS)) - 1]
    if answer_lost:
        step = max(step, AFTER_LOST_ANSWER)
    return step * (1 + _SPREAD * jitter)
