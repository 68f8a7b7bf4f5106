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


async def _take(request: Request) -> Response:
    request.scope["state"]["emails"] = ("em_1",)
    return Response(status_code=202)


def _scope() -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/v1/emails", "headers": []}
