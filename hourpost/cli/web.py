"""`hourpost web`: the REST API."""

from __future__ import annotations

import gc

import typer

from hourpost.embedded.instance import instance_settings
from hourpost.embedded.readiness import mark_ready
from hourpost.logging import configure_logging

app = typer.Typer()


@app.command()
def web() -> None:
    """Answer HTTP on HOURPOST_HTTP_PORT: the REST API, its document at /docs, health and metrics.

    Start as many as you like behind a proxy that ends TLS. SIGTERM lets requests under way end first.
    """
    from api.web.entry import run

    settings = instance_settings()
    configure_logging(settings, "web")
    if settings.database_url is None or settings.redis_url is None:
        raise typer.BadParameter("HOURPOST_DATABASE_URL and HOURPOST_REDIS_URL are not set, and no `hourpost up` runs.")

    def ready() -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        mark_ready(settings.home, "web")

    run(settings, ready)
