"""`hourpost web`: the REST API, its documentation and the dashboard."""

from __future__ import annotations

import asyncio
import gc

import typer
import uvicorn
import uvloop

from api.web.entry import create_app_of
from hourpost.embedded.instance import instance_settings
from hourpost.embedded.readiness import mark_ready
from hourpost.logging import configure_logging
from hourpost.settings import Settings

app = typer.Typer()

_DRAIN_SECONDS = 20


@app.command()
def web() -> None:
    """Serve HTTP on HOURPOST_HTTP_PORT: the REST API under /v1 and at the root, its documentation at /docs.

    Put a proxy that ends TLS in front of it; start as many as you like, on as many machines.
    """
    settings = instance_settings()
    configure_logging(settings, "web")
    server = uvicorn.Server(
        uvicorn.Config(
            create_app_of(settings),
            host=settings.host,
            port=settings.http_port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            proxy_headers=True,
        )
    )
    uvloop.run(_serve(server, settings))


async def _serve(server: uvicorn.Server, settings: Settings) -> None:
    ready = asyncio.create_task(_tell_when_ready(server, settings))
    try:
        await server.serve()
    finally:
        ready.cancel()


async def _tell_when_ready(server: uvicorn.Server, settings: Settings) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    mark_ready(settings.home, "web")
