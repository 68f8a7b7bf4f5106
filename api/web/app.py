"""The web application: its routes, its outermost layer, and how it begins and ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api.web import client_setup, openapi, reference, stripe_webhooks
from api.web.bodiless import no_fields
from api.web.dashboard.application import Crossing, build_dashboard
from api.web.errors import CLIENT_LEFT, MethodNotAllowed, to_response, unforeseen
from api.web.faults import faults_in_query
from api.web.front import Endpoint, Front
from api.web.parameters import known_parameters
from api.web.parts import Parts
from api.web.v1 import (
    api_keys,
    domains,
    downloads,
    emails,
    explained,
    health,
    inbound,
    mailbox_access,
    mailbox_everywhere,
    mailbox_feed,
    mailbox_folders,
    mailbox_marking,
    mailbox_messages,
    mailbox_sending,
    mailboxes,
    plans,
    receiving,
    smtp_credentials,
    statistics,
    suppressions,
    usage,
    webhooks,
)
from api.web.v1.documented import ERRORS
from api.web.v1.sending import send_batch, send_email
from hourpost.errors import HourpostError, NotFound, ValidationFailed
from hourpost.gateways.request_rate import RequestRate
from hourpost.settings import Settings

_CHECKS = [Depends(known_parameters), Depends(no_fields)]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

HOT: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/emails"): send_email,
    ("POST", "/emails"): send_email,
    ("POST", "/v1/emails/batch"): send_batch,
    ("POST", "/emails/batch"): send_batch,
}
_NOUNS = (
    receiving,  # before emails, whose ids its name would be taken for
    emails,
    downloads,
    domains,
    api_keys,
    smtp_credentials,
    suppressions,
    usage,
    statistics,
    plans,
    webhooks,
    inbound,
    mailboxes,
    mailbox_access,
    mailbox_folders,
    mailbox_everywhere,
    mailbox_messages,
    mailbox_marking,
    mailbox_sending,
    mailbox_feed,
)


def build_app(settings: Settings, parts: Parts, lifespan: Lifespan | None = None) -> FastAPI:
    """The application on ``parts``; ``lifespan`` starts and stops them, unless the caller does."""
    app: FastAPI = FastAPIOffline(
        title="Hourpost",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        strict_content_type=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # looked for in the environment at each request
        exception_handlers={
            HourpostError: _on_error,
            Exception: _on_surprise,
            HTTPException: _on_http_error,
            RequestValidationError: _on_invalid_parameters,
        },
    )
    app.state.parts = parts
    app.state.rate = RequestRate(settings.requests_per_second)
    app.include_router(health.router, responses=ERRORS)
    app.include_router(explained.router, include_in_schema=False)
    app.include_router(client_setup.router, include_in_schema=False)
    app.router.routes.append(client_setup.outlook_route())
    app.include_router(stripe_webhooks.router, include_in_schema=False)
    for noun in _NOUNS:
        app.include_router(noun.router, prefix="/v1", responses=ERRORS, dependencies=_CHECKS)
    for noun in _NOUNS:  # the same without /v1, for clients that were written for others
        app.include_router(noun.router, include_in_schema=False)
    openapi.install(app, settings.public_url)
    reference.install(app)
    # Outside of FastAPI's own layers, so that the hot path does not pass through them
    doors = Crossing(app.build_middleware_stack(), build_dashboard(settings, parts))
    app.middleware_stack = Front(doors, public_url=settings.public_url, hot=HOT)
    return app


def _answer(request: Request, error: HourpostError) -> Response:
    parts: Parts = request.app.state.parts
    return to_response(
        error,
        request_id=request.scope["state"]["request_id"],
        public_url=parts.settings.public_url,
        accept=request.headers.get("accept", ""),
        at_root=not request.url.path.startswith("/v1/"),
    )


async def _on_error(request: Request, error: Any) -> Response:
    return _answer(request, error)


async def _on_surprise(request: Request, error: Any) -> Response:
    """What nobody foresaw, which the outermost layer writes to the log; or a client that hung up."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_LEFT)
    return _answer(request, unforeseen())


async def _on_http_error(request: Request, error: Any) -> Response:
    """What the router itself refuses."""
    if error.status_code == 405:
        return _answer(request, MethodNotAllowed(", ".join(_methods_at(request))))
    path = request.scope["path"]
    hint = " The base address of the client ends with a slash too many." if path.startswith("//") else ""
    return _answer(request, NotFound(f"There is nothing at {path[:200]}.{hint}"))


def _methods_at(request: Request) -> list[str]:
    """What the address answers; the router knows only the methods of the first route that it found there."""
    routes = request.app.router.routes
    found = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found


async def _on_invalid_parameters(request: Request, error: Any) -> Response:
    """What is wrong with the query; bodies are read elsewhere."""
    return _answer(request, ValidationFailed(faults_in_query(error.errors())))
