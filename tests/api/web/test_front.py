"""The outermost layer: its lines in the log, and what it counts."""

import socket
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from api.web import front
from hourpost.few_lines import sum_up_all
from tests.api.web.conftest import Customer
from tests.api.web.running import RunningWeb
from tests.embedded.running import eventually


async def test_what_took_mail_in_has_a_line_each_while_it_is_little_and_a_sum_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front.log, "is_enabled_for", lambda _: False, raising=False)
    door = front.Front(None, public_url="", hot={("POST", "/v1/emails"): _take})  # type: ignore[arg-type]  # not reached
    ids: list[str] = []

    async def send(message: Any) -> None:
        ids.extend(value.decode() for name, value in message.get("headers", ()) if name == b"x-request-id")

    sum_up_all()  # what others in this process had not told
    with capture_logs() as lines:
        for _ in range(25):
            await door(_scope(), None, send)  # type: ignore[arg-type]  # nobody reads the body
        sum_up_all()
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


@pytest.mark.parametrize("path", ["/login", "/mail/login", "/v1/domains", "/v1/emails"])
def test_a_client_that_hangs_up_while_it_asks_is_no_failure_of_ours(
    web: RunningWeb, owner: Customer, nobody: httpx.Client, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nAuthorization: Bearer {owner.key}\r\n"
    body = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nemail=a"
    host, _, port = web.url.removeprefix("http://").partition(":")

    def counted(status: int) -> float:
        mark = f'hourpost_http_requests_total{{method="POST",route="{path}",status="{status}"}} '
        return sum(float(one.removeprefix(mark)) for one in nobody.get("/metrics").text.splitlines() if mark in one)

    failed, left = counted(500), counted(499)
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall((head + body).encode())
    eventually(lambda: counted(499) == left + 1, 10.0)
    assert counted(500) == failed


async def _take(request: Request) -> Response:
    request.scope["state"]["emails"] = ("em_1",)
    return Response(status_code=202)


def _scope(method: str = "POST") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/v1/emails", "headers": []}
