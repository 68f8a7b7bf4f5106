"""The outermost layer: an id for each request, its time, a line in the log, and an answer whatever happens.

Sending is the hot path: its routes are found here by their address, past the router, and stand in the application only
for the document and for addresses written otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.errors import CLIENT_LEFT, to_response, unforeseen
from api.web.head import answer_head
from hourpost.errors import HourpostError
from hourpost.few_lines import FewLines
from hourpost.gateways.metrics import REQUEST_SECONDS, REQUESTS
from hourpost.rules.ids import new_id, to_text

Endpoint = Callable[[Request], Awaitable[Response]]

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_READING = frozenset({"GET", "HEAD"})
_SLOW_SECONDS = 1.0

log = structlog.get_logger()


class Front:
    """ASGI middleware. ``hot`` are the endpoints that are called at once, by method and path."""

    def __init__(self, app: ASGIApp, *, public_url: str, hot: Mapping[tuple[str, str], Endpoint]) -> None:
        self._app = app
        self._public_url = public_url
        self._hot = hot
        # What was taken in has its emails' ids there, so that a request's id leads to them.
        self._taken = FewLines(lambda more: log.info("more requests", **more))
        self._meters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = perf_counter()
        request_id = to_text("req", new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        status, answered_at = 0, 0.0
        header = (b"x-request-id", request_id.encode())

        async def send_on(message: Message) -> None:
            nonlocal status, answered_at
            if message["type"] == "http.response.start":
                status, answered_at = message["status"], perf_counter()
                message["headers"].append(header)
            await send(message)

        try:
            await self._serve(scope, receive, send_on)
        except ClientDisconnect:
            status = status or CLIENT_LEFT
        except Exception as error:  # the outermost loop of this door: every request gets an answer
            if not isinstance(error, HourpostError):
                log.exception("a request failed", request_id=request_id, path=scope["path"])
            if not status:
                await self.answer(error, scope)(scope, receive, send_on)
        ended_at = perf_counter()
        is_slow = (answered_at or ended_at) - started_at > _SLOW_SECONDS  # a feed or a large file may last
        self._note(scope, request_id, status, ended_at - started_at, is_slow=is_slow)

    def answer(self, error: Exception, scope: Scope) -> Response:
        """The response to a request that failed with ``error``."""
        if not isinstance(error, HourpostError):
            error = unforeseen()
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"").decode("latin-1")
        return to_response(
            error,
            request_id=scope["state"]["request_id"],
            public_url=self._public_url,
            accept=accept,
            at_root=not scope["path"].startswith("/v1/"),
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._hot.get((scope["method"], scope["path"]))
        if endpoint is None:
            if scope["method"] == "HEAD":
                await answer_head(self._app, scope, receive, send)
            else:
                await self._app(scope, receive, send)
            return
        try:
            response = await endpoint(Request(scope, receive))
        except HourpostError as error:
            response = self.answer(error, scope)
        await response(scope, receive, send)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float, *, is_slow: bool) -> None:
        method, path = scope["method"], scope["path"]
        is_hot = (method, path) in self._hot
        found = path.removeprefix("/v1") if is_hot else getattr(scope.get("route"), "path", None)
        route = "other" if found is None else f"/v1{found}" if path.startswith("/v1/") else found
        self._count(method, route, status, seconds)
        if path in _QUIET:
            return
        is_often = is_hot and status < 400 and not log.is_enabled_for(logging.DEBUG)
        if is_often and not self._taken.has_line(f"{method} {route}"):
            return
        is_dull = method in _READING and status < 500 and not is_slow
        say = log.debug if is_dull else log.error if status >= 500 and status != 503 else log.info
        emails = scope["state"].get("emails", ())
        say("request", request_id=request_id, method=method, path=path, status=status, ms=_ms(seconds), emails=emails)

    def _count(self, method: str, route: str, status: int, seconds: float) -> None:
        meters = self._meters.get((method, route, status))
        if meters is None:  # looking them up by their labels costs as much as counting
            meters = REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(route)
            self._meters[method, route, status] = meters
        meters[0].inc()
        meters[1].observe(seconds)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
