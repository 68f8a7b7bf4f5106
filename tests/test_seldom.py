"""What an outage would have everybody write is written once in a while, with how often it was."""

from __future__ import annotations

from structlog.testing import capture_logs

from hourpost.seldom import Seldom


def test_it_is_said_at_once_and_then_every_ten_seconds() -> None:
    now = [100.0]
    tell = Seldom("away", seconds=lambda: now[0])
    with capture_logs() as said:
        for _ in range(5):
            tell(cause="one")
        now[0] += 10
        tell(cause="two")
        now[0] += 10
        tell(cause="three")
    common = {"event": "away", "log_level": "warning"}
    assert said == [{"cause": "one", **common}, {"cause": "two", "unsaid": 4, **common}, {"cause": "three", **common}]
