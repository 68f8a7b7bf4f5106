"""When a relay is left alone, on a clock that only the test moves."""

from __future__ import annotations

from hourpost.gateways.relays.breaker import Breaker, Trouble


def breaker(threshold: int = 3) -> Breaker:
    return Breaker(threshold=threshold, first_delay=2.0, longest_delay=10.0, jitter=lambda: 0.0)


def test_it_opens_at_the_last_of_so_many_failures_in_a_row() -> None:
    subject = breaker()
    subject.failed(0.0)
    subject.failed(0.0)
    assert subject.seconds_left(0.0) == 0.0
    subject.failed(0.0)
    assert subject.seconds_left(0.5) == 1.5
    assert (subject.state(0.5), subject.state(2.0)) == ("open", "half-open")


def test_a_success_between_begins_the_count_again() -> None:
    subject = breaker(2)
    subject.failed(0.0)
    subject.succeeded()
    subject.failed(0.0)
    assert not subject.is_tripped


def test_the_delay_doubles_up_to_the_longest() -> None:
    subject, now, delays = breaker(1), 0.0, []
    for _ in range(5):
        subject.failed(now)
        delays.append(subject.seconds_left(now))
        now += delays[-1]
    assert delays == [2.0, 4.0, 8.0, 10.0, 10.0]


def test_after_the_delay_it_may_be_tried_and_still_has_to_prove_itself() -> None:
    subject = breaker(1)
    subject.failed(0.0)
    assert subject.seconds_left(2.0) == 0.0
    assert subject.is_tripped
    subject.succeeded()
    assert subject.state(2.0) == "closed"


def test_failures_while_it_is_open_do_not_lengthen_the_delay() -> None:
    subject = breaker(1)
    for moment in (0.0, 0.1, 0.2):
        subject.failed(moment)
    assert subject.seconds_left(0.2) == 1.8


def test_jitter_shortens_the_delay_by_a_fifth_at_most() -> None:
    subject = Breaker(threshold=1, first_delay=10.0, longest_delay=10.0, jitter=lambda: 1.0)
    subject.failed(0.0)
    assert subject.seconds_left(0.0) == 8.0


def test_a_relay_that_refuses_us_is_asked_less_often_than_one_that_is_away() -> None:
    delays = []
    for trouble in Trouble:
        subject, now = Breaker(threshold=1, longest_delay=5.0, refused_delay=15.0, jitter=lambda: 0.0), 0.0
        for _ in range(12):
            subject.failed(now, trouble)
            left = subject.seconds_left(now)
            now += left
        delays.append(left)
    assert delays == [5.0, 15.0, 300.0]


def test_a_refused_log_in_opens_it_at_once() -> None:
    subject = breaker(3)
    subject.failed(0.0, Trouble.REFUSES_LOGIN)
    assert subject.state(0.0) == "open"
