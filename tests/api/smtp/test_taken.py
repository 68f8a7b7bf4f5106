"""What the door has taken in has a line in the log, by which a message is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from api.smtp import taken
from hourpost.few_lines import sum_up_all
from tests.api.smtp.dialog import Client
from tests.api.smtp.running import RunningDoor
from tests.api.smtp.test_submission import HEAD, OPEN, send
from tests.fakes.standings import USERNAME

FROM_ELSEWHERE = b"MAIL FROM:<ada@far.test>\r\nRCPT TO:<box@acme.test>\r\nRCPT TO:<box2@acme.test>\r\n"


@pytest.mark.parametrize(
    ("port", "event", "envelope", "who"),
    [
        ("submissions", "submission", OPEN, {"username": USERNAME}),
        ("inbound", "incoming", FROM_ELSEWHERE, {}),
    ],
)
def test_each_message_has_a_line_with_its_session_and_id_while_they_are_few_and_a_sum_beyond(
    new_door: Callable[..., RunningDoor],
    monkeypatch: pytest.MonkeyPatch,
    port: str,
    event: str,
    envelope: bytes,
    who: dict[str, str],
) -> None:
    monkeypatch.setattr(taken.log, "is_enabled_for", lambda _: False, raising=False)
    door, message = new_door(), HEAD + b"\r\nhello\r\n"
    monkeypatch.setattr("hourpost.few_lines._SUM_SECONDS", 60.0)
    sum_up_all()  # what the doors of other tests, which are gone, had not told
    with capture_logs() as lines, Client(door, port) as client:
        if who:
            client.log_in()
        else:
            client.line()
            client.ask(b"EHLO far.test\r\n")
        replies = [send(client, message, envelope) for _ in range(23)]
        sum_up_all()
    assert {reply[:3] for reply in replies} == {"250"}
    own = [one for one in lines if one["event"] == event]
    assert len(own) == 20
    assert [one["emails"] for one in own] == [(reply.split()[-1],) for reply in replies[:20]]
    assert len({one["session_id"] for one in own}) == 1
    known = {"address": "127.0.0.1", "recipients": 2, "size_bytes": len(message), "log_level": "info", **who}
    assert own[0].items() >= known.items()
    assert [one[event] for one in lines if one["event"] == "more messages"] == [3]
