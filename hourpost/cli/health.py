"""``hourpost health``: what a container or an orchestrator asks a part; it looks at progress, not at a process."""

from __future__ import annotations

import asyncio
import imaplib
import poplib
import smtplib
import socket
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.cli.beginning import has_tables
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.failing import fail
from hourpost.emails.oldest import read_oldest_seconds, read_worker_signs
from hourpost.embedded.instance import instance_settings
from hourpost.errors import ServiceUnavailable
from workers.lead import read_silence_seconds

app = typer.Typer(add_completion=False)

_TIMEOUT_SECONDS = 4.0


class Part(StrEnum):
    """A part of the running service."""

    WEB = "web"
    WORKER = "worker"
    SCHEDULER = "scheduler"
    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"


# Longer than a worker waits for the answer to a final dot, so that a slow relay never gets a worker killed.
_WORKER_SECONDS = 900
_SCHEDULER_SECONDS = 120  # a statement of its rounds may take a minute
MaxAge = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Seconds without progress that are too long; {_WORKER_SECONDS} of a worker by which something is due,"
        f" {_SCHEDULER_SECONDS} of a scheduler when not given.",
    ),
]


@app.command()
def health(part: Annotated[Part, typer.Argument(help="The part of this machine.")], max_age: MaxAge = None) -> None:
    """Is this part of this machine doing its work? Exits with 1 when it is not.

    web, smtp, imap and pop3 must answer; a worker must renew its lease, and take something when something is due; a
    scheduler must go on with its rounds, or wait for the one that leads. While PostgreSQL is away, or without this
    version's tables, nothing is said against these two: they go on by themselves when it is back, and a worker that
    was ended meanwhile would take along what it knows of mail that is sent already. Example: hourpost health worker
    """
    try:
        _CHECKS[part](max_age)
    except ServiceUnavailable as error:
        fail(error)
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto) as error:
        fail(ServiceUnavailable(f"{part.value} does not answer", cause=str(error)))
    typer.echo("ok")


def _check_web(_max_age: int | None) -> None:
    settings = instance_settings()
    url = f"http://{_reachable(settings.host)}:{settings.http_port}/healthz"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS):
        pass


def _check_smtp(_max_age: int | None) -> None:
    settings = instance_settings()
    with smtplib.SMTP(
        _reachable(settings.host).strip("[]"), settings.submission_port, timeout=_TIMEOUT_SECONDS
    ) as door:
        door.ehlo("health")
        if not door.has_extn("starttls"):
            raise ServiceUnavailable("the mail door does not offer STARTTLS")


def _check_imap(_max_age: int | None) -> None:
    settings = instance_settings()
    host = _reachable(settings.host).strip("[]")
    with imaplib.IMAP4(host, settings.imap_port, timeout=_TIMEOUT_SECONDS) as door:
        if "STARTTLS" not in door.capabilities:
            raise ServiceUnavailable("the IMAP door does not offer STARTTLS")


def _check_pop3(_max_age: int | None) -> None:
    settings = instance_settings()
    door = poplib.POP3(_reachable(settings.host).strip("[]"), settings.pop3_port, timeout=_TIMEOUT_SECONDS)
    try:
        if "STLS" not in door.capa():
            raise ServiceUnavailable("the POP3 door does not offer STLS")
    finally:
        door.close()


def _check_worker(max_age: int | None) -> None:
    most = max_age or _WORKER_SECONDS

    async def look(connection: AsyncConnection, now: datetime) -> str | None:
        leased_until, claimed_at = await read_worker_signs(connection, socket.gethostname())
        waits = (await read_oldest_seconds(connection, now))["worker"]
        if leased_until is None or leased_until < now:
            return "no worker of this machine has a lease"
        if waits > most and (claimed_at is None or claimed_at < now - timedelta(seconds=most)):
            return f"something has been due for {waits:.0f} s, and no worker of this machine takes it"
        return None

    _ask_database(look)


def _check_scheduler(max_age: int | None) -> None:
    async def look(connection: AsyncConnection, _now: datetime) -> str | None:
        silent = await read_silence_seconds(connection, socket.gethostname())
        if silent is None:
            return "no scheduler of this machine leads or waits"
        if silent > (max_age or _SCHEDULER_SECONDS):
            return f"the scheduler of this machine has stood still for {silent:.0f} s"
        return None

    _ask_database(look)


def _ask_database(look: Callable[[AsyncConnection, datetime], Awaitable[str | None]]) -> None:
    """Raises: ServiceUnavailable for a fault that ``look`` finds."""

    async def work(desk: Desk) -> str | None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                if not await has_tables(desk.database):
                    typer.echo("it waits for the tables of this version: run `hourpost migrate`", err=True)
                    return None
                async with desk.database.reading() as connection:
                    return await look(connection, desk.clock.now())
        except (ServiceUnavailable, TimeoutError):
            typer.echo(
                "PostgreSQL does not answer, so nothing can be said of this part; see `hourpost doctor`", err=True
            )
            return None

    fault = at_desk(work)
    if fault:
        raise ServiceUnavailable(fault)


def _reachable(host: str) -> str:
    """An address to connect to where ``host`` is one to bind."""
    known = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # compared, not bound
    return known.get(host, f"[{host}]" if ":" in host else host)


_CHECKS: dict[Part, Callable[[int | None], None]] = {
    Part.WEB: _check_web,
    Part.SMTP: _check_smtp,
    Part.IMAP: _check_imap,
    Part.POP3: _check_pop3,
    Part.WORKER: _check_worker,
    Part.SCHEDULER: _check_scheduler,
}
