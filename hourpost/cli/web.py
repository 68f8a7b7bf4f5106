"""`hourpost web`: the REST API and the dashboard."""

from __future__ import annotations

import gc

import typer

from hourpost.cli.beginning import begin
from hourpost.cli.faults import of_ports, refuse_faults
from hourpost.cli.servers import settings_with_servers
from hourpost.embedded.readiness import mark_ready
from hourpost.logging import configure_logging

app = typer.Typer(add_completion=False)


@app.command()
def web() -> None:
    """Answer HTTP on HOURPOST_HTTP_PORT: the dashboard, the REST API and its document at /docs, health.

    Start as many as you like behind a proxy that ends TLS. SIGTERM lets requests under way end first.
    """
    from api.web.entry import run

    settings = settings_with_servers()
    refuse_faults(settings, of_ports("http"))
    configure_logging(settings, "web")
    begin(settings, "web")

    def ready() -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 50, 100)  # of 50,000 it is a pause of 8 ms, in which nobody is answered
        mark_ready(settings.home, "web")

    run(settings, ready)
