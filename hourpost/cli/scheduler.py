"""`hourpost scheduler`: releases what waits for room in an hour or for its moment."""

from __future__ import annotations

import asyncio
import signal

import typer
import uvloop

from hourpost.assembly import build_parts
from hourpost.cli.beginning import begin
from hourpost.cli.servers import settings_with_servers
from hourpost.embedded.readiness import mark_ready
from hourpost.gateways.metrics import serve_metrics
from hourpost.logging import configure_logging
from hourpost.settings import Settings
from workers.chores import build_schedule

app = typer.Typer(add_completion=False)


@app.command()
def scheduler() -> None:
    """Release held emails as their room returns, let scheduled ones come due, clear away what is old.

    One works at a time; further ones wait to take over.
    """
    settings = settings_with_servers()
    configure_logging(settings, "scheduler")
    serve_metrics(settings.host, settings.metrics_port)
    begin(settings, "scheduler", is_door=False)
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    parts = build_parts(settings, "hourpost scheduler")
    schedule = build_schedule(parts)
    running = asyncio.create_task(schedule.run())
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, running.cancel)
    mark_ready(settings.home, "scheduler")
    try:
        await running
    except asyncio.CancelledError:
        pass
    finally:
        await schedule.close()
        await parts.stop()
