"""The outermost layer: its lines in the log."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from api.web import front


async def test_what_took_mail_in_has_a_line_each_while_it_is_little_and_a_sum_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front.log, "is_enabled_for", lambda _: False, raising=False)
    door = front.Front(None, public_url="", hot={("POST", "/v1/emails"): _take})  # type: ignore[arg-type]  # not reached
    ids: list[str] = []

    async def send(message: Any) -> None:
        ids.extend(value.decode() for name, value in message.get("headers", ()) if name == b"x-request-id")

    with capture_logs() as lines:
        for _ in range(25):
            await door(_scope(), None, send)  # type: ignore[arg-type]  # nobody reads the body
        door.sum_up()
    own = [one for one in lines if one["event"] == "request"]
    assert [(one["request_id"], one["emails"]) for one in own] == [(one, ("em_1",)) for one in ids[:20]]
    assert [one["POST /v1/emails"] for one in lines if one["event"] == "more requests"] == [5]


@pytest.mark.parametrize(
    ("method", "status", "slow_from", "level"),
    [
        ("GET", 200, 60.0, "debug"),
        ("HEAD", 404, 60.0, "debug"),
        ("GET", 200, -1.0, "info"),
        ("GET", 503, 60.0, "info"),
        ("GET", 500, 60.0, "error"),
        ("DELETE", 200, 60.0, "info"),
        ("PATCH", 422, 60.0, "info"),
    ],
)
async def test_what_only_reads_has_a_line_where_it_failed_or_was_slow(
    monkeypatch: pytest.MonkeyPatch, method: str, status: int, slow_from: float, level: str
) -> None:
    monkeypatch.setattr(front, "_SLOW_SECONDS", slow_from)

    async def answer(request: Request) -> Response:
        return Response(status_code=status)

    async def send(message: Any) -> None:
        pass

    door = front.Front(None, public_url="", hot={(method, "/v1/emails"): answer})  # type: ignore[arg-type]  # not reached
    monkeypatch.setattr(front.log, "is_enabled_for", lambda _: True, raising=False)
    with capture_logs() as lines:
        await door(_scope(method), None, send)  # type: ignore[arg-type]  # nobody reads the body
    assert [one["log_level"] for one in lines if one["event"] == "request"] == [level]


async def _take(request: Request) -> Response:
    request.scope["state"]["emails"] = ("em_1",)
    return Response(status_code=202)


def _scope(method: str = "POST") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/v1/emails", "headers": []}
