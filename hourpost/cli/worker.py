"""`hourpost worker`: hears hints by Celery and delivers what is due."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from hourpost.assembly import broker_url, database_url
from hourpost.cli.beginning import begin
from hourpost.cli.faults import of_a_worker, refuse_faults
from hourpost.cli.servers import settings_with_servers
from hourpost.embedded.doors import metrics_port_of
from hourpost.embedded.readiness import mark_ready
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.metrics import serve_metrics
from hourpost.logging import configure_logging
from workers.app import run_worker

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    with_scheduler: Annotated[
        bool, typer.Option("--with-scheduler", help="Also do the scheduler's work, as `hourpost up` does.")
    ] = False,
    number: Annotated[int, typer.Option(hidden=True, help="Which of the workers of `hourpost up` it is.")] = 1,
) -> None:
    """Deliver: lease what is due, send it through the relays, write down what they said.

    Start as many as you like, on as many machines; each takes a share. SIGTERM lets what is in hand end first.
    """
    settings = settings_with_servers()
    refuse_faults(settings, of_a_worker)
    configure_logging(settings, "worker")
    serve_metrics(settings.host, metrics_port_of(settings, "worker" if number == 1 else f"worker-{number}"))
    begin(settings, "worker", is_door=False)
    urls = (database_url(settings), broker_url(settings))

    def ready() -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        mark_ready(settings.home, "worker")

    run_worker(settings, urls, Cipher.from_settings(settings), ready, schedules=with_scheduler)
