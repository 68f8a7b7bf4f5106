"""The dashboard as an application of its own: its errors are pages, and no path of it is in the API's document."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from api.web.dashboard import failures
from api.web.dashboard.routes import ROUTERS, is_page
from api.web.dashboard.shield import Shield
from api.web.parts import Parts
from hourpost.errors import HourpostError
from hourpost.settings import Settings


def build_dashboard(settings: Settings, parts: Parts) -> ASGIApp:
    """The pages on ``parts``, behind their shield."""
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            HourpostError: failures.on_error,
            HTTPException: failures.on_http_error,
            RequestValidationError: failures.on_invalid_parameters,
            Exception: failures.on_surprise,
        },
    )
    app.state.parts = parts
    for router in ROUTERS:
        app.include_router(router)
    return Shield(app, public_url=settings.public_url, pay_url=settings.stripe_api_url)


class Crossing:
    """ASGI: pages to the dashboard, everything else to the REST API."""

    def __init__(self, api: ASGIApp, dashboard: ASGIApp) -> None:
        self._api = api
        self._dashboard = dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        serve = self._dashboard if scope["type"] == "http" and is_page(scope["path"]) else self._api
        await serve(scope, receive, send)
