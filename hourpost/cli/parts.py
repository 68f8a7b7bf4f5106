"""The parts of `hourpost up` as forks of it: what they have in common is made ready once, before the first fork.

What the supervisor has loaded and the forks only read exists once for all of them; what a fork loads or changes is its
own. So the parent also runs through the start of a part: a part then finds nearly everything where it needs it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import typer

from hourpost.embedded.instance import instance_settings
from hourpost.embedded.linux import give_back_free_memory, yield_to_others
from hourpost.errors import HourpostError
from hourpost.few_lines import sum_up_all
from hourpost.settings import Settings

Options = Mapping[str, str | int | bool]

# The schedule runs beside the courier here: a process of its own would change nothing on one machine.
PARTS: Mapping[str, Options] = {
    "web": {},
    "worker": {"with_scheduler": True},
    "smtp": {},
    "imap": {},
    "pop3": {},
}
# On one machine an answer comes before a delivery: the kernel still gives a worker a tenth of a core that all want.
_NICENESS = {"worker": 10}
# What only web needs is left to it. Celery imports its worker when it is made, and its transport at the first word.
_IMPORTS = (
    "hourpost.cli.web",
    "hourpost.cli.worker",
    "hourpost.cli.smtp",
    "api.smtp.entry",
    "hourpost.cli.imap",
    "api.imap.entry",
    "hourpost.cli.pop3",
    "api.pop3.entry",
    "workers.schedule",
    "celery.apps.worker",
    "celery.concurrency.solo",
    "celery.worker.autoscale",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "kombu.transport.redis",
)


def words_of(command: str, options: Options) -> tuple[str, ...]:
    """The same part as words of the command line, for a process of its own."""
    words = [command]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        words += [] if value is True else [str(value)]
    return tuple(words)


def live(command: str, options: Options) -> None:
    """A part's life in its fork. Raises: SystemExit."""
    yield_to_others(_NICENESS.get(command, 0))
    work = getattr(importlib.import_module(f"hourpost.cli.{command}"), command)
    try:
        work(**options)  # the function of the command itself: to read its words costs 8 MB and 0.1 s
    except typer.BadParameter as error:
        raise SystemExit(f"error: {error.message}") from None
    except HourpostError as error:
        raise SystemExit(f"error: {error.message} {error.cause or ''}".rstrip()) from None
    finally:
        sum_up_all()  # a fork ends without what is done at a process's end


def make_ready(settings: Settings) -> None:
    """Load what forks share, and put it where nothing writes to it; ``settings`` name the servers.

    No thread is started and no connection opened: neither would live in a fork.
    """
    gc.disable()
    for name in _IMPORTS:
        importlib.import_module(name)
    with suppress(Exception):  # what cannot be made here cannot be made in a part either, which then says so
        asyncio.run(_rehearse(settings))
    gc.collect()
    give_back_free_memory()
    gc.freeze()
    gc.enable()


async def _rehearse(settings: Settings) -> None:
    """Make what every part makes; the libraries remember what they learn by it."""
    from hourpost.assembly import broker_url, build_parts
    from hourpost.cli.smtp import find_certificate
    from hourpost.gateways.hints import celery_app
    from hourpost.gateways.tls import make_tls_context

    instance_settings()
    make_tls_context(*find_certificate(settings))
    build_parts(settings, "hourpost up")
    app: Any = celery_app(broker_url(settings))
    _ = app.amqp, app.control, app.pool
