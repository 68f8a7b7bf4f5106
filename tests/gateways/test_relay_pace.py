"""How a relay's connections are shared between destinations, on a clock that only the test moves."""

from __future__ import annotations

from hourpost.gateways.relays.pace import Destinations, Pace, Places


def traffic(destinations: Destinations, domain: str, *, held: int = 0, seconds: float | None = None) -> None:
    pace = destinations.pace(domain)
    for _ in range(held):
        pace.begin(0.0)
    if seconds is not None:
        pace.ended(0.0, seconds)


def room_for(destinations: Destinations, domain: str, connections: int = 20) -> int:
    """How many connections the domain can take from now on."""
    count = 0
    while destinations.has_room(domain, connections) and count < 100:
        destinations.pace(domain).begin(0.0)
        count += 1
    return count


def test_a_destination_alone_may_have_every_connection() -> None:
    assert room_for(Destinations(), "only.test") == 100


def test_beside_others_it_may_have_three_quarters() -> None:
    destinations = Destinations()
    traffic(destinations, "other.test")
    assert room_for(destinations, "big.test") == 15


def test_a_slow_one_beside_a_fast_one_may_have_a_quarter() -> None:
    destinations = Destinations()
    traffic(destinations, "slow.test", seconds=5.0)
    traffic(destinations, "fast.test", seconds=0.01)
    destinations.review(1.0)
    assert destinations.slow == {"slow.test"}
    assert room_for(destinations, "slow.test") == 5
    assert room_for(destinations, "fast.test") == 15


def test_it_may_always_have_one() -> None:
    destinations = Destinations()
    traffic(destinations, "other.test")
    assert room_for(destinations, "big.test", connections=1) == 1


def test_where_all_take_their_time_none_is_slow() -> None:
    destinations = Destinations()
    for domain in ("a.test", "b.test", "c.test"):
        traffic(destinations, domain, seconds=3.0)
    destinations.review(1.0)
    assert destinations.slow == frozenset()


def test_one_that_does_not_answer_at_all_becomes_slow() -> None:
    destinations = Destinations()
    traffic(destinations, "fast.test", seconds=0.01)
    traffic(destinations, "stuck.test", held=3)
    destinations.review(0.5)
    assert destinations.slow == frozenset()
    destinations.review(1.5)
    assert destinations.slow == {"stuck.test"}


def test_what_has_no_traffic_is_forgotten() -> None:
    destinations = Destinations()
    traffic(destinations, "gone.test", seconds=0.01)
    traffic(destinations, "slow.test", held=1, seconds=5.0)
    destinations.review(61.0)
    assert room_for(destinations, "slow.test") == 100


def test_the_pace_follows_what_exchanges_take_and_grows_while_nothing_comes_back() -> None:
    pace = Pace()
    pace.begin(0.0)
    pace.ended(1.0, 1.0)
    assert pace.seconds(1.0) == 1.0
    assert pace.seconds(5.0) == 4.0
    pace.let_go()
    assert pace.seconds(50.0) == 1.0


def test_a_destination_holds_a_connection_until_its_last_message_there_is_done() -> None:
    destinations = Destinations()
    places = Places(destinations)
    for domain in ("one.test", "one.test", "two.test"):  # the second and the third behind the dots before them
        places.enter("connection", domain, 0.0)
    assert [destinations.pace(domain).held for domain in ("one.test", "two.test")] == [1, 1]
    places.leave("connection", "one.test")
    assert destinations.pace("one.test").held == 1
    places.leave("connection", "one.test")
    assert [destinations.pace(domain).held for domain in ("one.test", "two.test")] == [0, 1]
