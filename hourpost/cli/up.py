"""`hourpost up`: the whole service on this machine, on embedded servers where none are configured."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from hourpost.cli.faults import list_faults, of_certificate, of_every_part, of_home, of_relays
from hourpost.cli.parts import PARTS, Options, live, make_ready, words_of
from hourpost.cli.welcome import welcome
from hourpost.embedded import capture_part
from hourpost.embedded.certificate import Certificate, find_or_make
from hourpost.embedded.doors import closed_metrics_ports, closed_ports
from hourpost.embedded.first_steps_file import FirstSteps, read_first_steps
from hourpost.embedded.instance import remove_instance, write_instance
from hourpost.embedded.linux import use_few_arenas
from hourpost.embedded.lock import HomeTaken, lock_home
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import Program
from hourpost.embedded.readiness import mark_starting, readiness_file
from hourpost.embedded.redis import BROKER_DATABASE, COUNTER_DATABASE, EmbeddedRedis
from hourpost.embedded.room import Room
from hourpost.embedded.secrets import read_or_make, write_private
from hourpost.embedded.supervisor import Supervisor
from hourpost.embedded.writeback import Writeback
from hourpost.errors import HourpostError
from hourpost.gateways.redis_server import inspect_redis
from hourpost.settings import Settings, list_unknown_variables, load_settings
from migrations.revision import is_newer, newest_file_revision

app = typer.Typer(add_completion=False)

_NOISE = re.compile(  # of libraries: what Celery says of every root and at every end, what aiosmtpd says of itself
    r"^$|SecurityWarning|absolutely not recommended|specify a different user|User information:|_warn_or_raise"
    r"|Warm shutdown|Session\.login_data is deprecated"
)
_COLOURS = (36, 32, 33, 35, 34, 96)


@app.command()
def up() -> None:
    """Run everything on this machine: PostgreSQL, Redis, web, worker, scheduler, SMTP, IMAP, POP3. Ctrl-C ends it.

    Servers that HOURPOST_DATABASE_URL, HOURPOST_REDIS_URL or HOURPOST_RELAYS name are used; the others are started
    here, with their data in HOURPOST_HOME. A second run keeps the data. With HOURPOST_METRICS_PORT the worker serves
    Prometheus there, and smtp, imap, pop3 and further workers on the ports after it.
    """
    settings = load_settings()
    home = settings.home.resolve()
    _refuse(list_faults(settings, of_home))
    try:
        with lock_home(home):
            _check_settings(settings)
            _check_ports(settings)
            Run(settings, home).main()
    except HomeTaken as taken:
        typer.echo(f"error: Hourpost already runs in {home} (process {taken.pid}).", err=True)
        typer.echo("       Stop it first, or set HOURPOST_HOME (and other ports) for a second one.", err=True)
        raise typer.Exit(1) from None


def _check_settings(settings: Settings) -> None:
    """Say what cannot work before anything starts. Raises: typer.Exit."""
    for unknown in list_unknown_variables():
        typer.echo(f"warning: {unknown}", err=True)
    _refuse(list_faults(settings, of_every_part, of_relays, of_certificate))


def _refuse(faults: list[str]) -> None:
    for fault in faults:
        typer.echo(f"error: {fault}", err=True)
    if faults:
        typer.echo("       `hourpost settings` says what each of them means.", err=True)
        raise typer.Exit(1)


def _check_ports(settings: Settings) -> None:
    """Say what is taken before anything starts. Raises: typer.Exit."""
    faults = closed_ports(settings) + closed_metrics_ports(settings)
    for fault in faults:
        typer.echo(f"error: {fault}", err=True)
    if faults:
        typer.echo("       Free the ports, or choose others by these settings.", err=True)
        raise typer.Exit(1)


class Run:
    """One run of everything, from the first process to the last."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self._began_at = time.monotonic()
        self._settings = settings
        self._home = home
        self._is_terminal = sys.stderr.isatty()
        self._supervisor = Supervisor(self._log)
        self._room = Room(home, partial(self._log, "up"))
        self._writeback = Writeback(home / "postgres" / "base")
        self._instance: dict[str, Any] = {
            **{name: _plain(getattr(settings, name)) for name in settings.model_fields_set},
            "pid": os.getpid(),
            "home": str(home),
            "embedded": True,
            "base_url": settings.public_url,
        }

    def main(self) -> None:
        """Start, watch until a signal, stop. Raises: typer.Exit when something cannot start."""
        use_few_arenas()
        try:
            self._room.look()
            if self._start():
                self._welcome()
                self._supervisor.start(self._more_workers())
                self._supervisor.watch(self._note_processes, self._look)
        except (RuntimeError, TimeoutError, OSError) as error:
            self._log("up", f"error: {error}")
            raise typer.Exit(1) from None
        finally:
            self._log("up", "stopping")
            self._supervisor.stop()
            remove_instance(self._home)

    def _look(self) -> None:
        self._room.look()
        self._writeback.look()

    def _start(self) -> bool:
        """Start everything; False when a signal came before it was ready."""
        self._ask_redis()
        certificate = self._prepare_secrets()
        parts = [self._part(name, options) for name, options in PARTS.items()]
        if not self._settings.relays.get_secret_value():
            parts.insert(0, self._capture_relay(certificate))
        self._supervisor.start(self._servers())
        self._write_instance()
        make_ready(self._running_settings())  # while PostgreSQL starts
        if not self._supervisor.wait():
            return False
        if not self._is_prepared() and not self._prepare_database():
            return False
        self._supervisor.start(parts)
        is_ready = self._supervisor.wait()
        self._write_instance()
        return is_ready

    def _prepare_secrets(self) -> Certificate:
        settings, home = self._settings, self._home
        if settings.secret_key is None:
            self._instance["secret_key"] = read_or_make(home / "secret.key")
        names = list(dict.fromkeys(["localhost", "127.0.0.1", settings.hostname, settings.host]))
        certificate = find_or_make(home / "tls", [name for name in names if name not in ("0.0.0.0", "::")])  # noqa: S104
        if settings.tls_certificate is None:
            self._instance["tls_certificate"] = str(certificate.chain)
            self._instance["tls_key"] = str(certificate.key)
        return certificate

    def _servers(self) -> list[Program]:
        programs: list[Program] = []
        if self._settings.database_url is None:
            postgres = EmbeddedPostgres(self._home / "postgres")
            programs.append(postgres.program())
            self._instance["database_url"] = postgres.url()
        if self._settings.redis_url is None:
            redis = EmbeddedRedis(self._home / "redis")
            programs.append(redis.program())
            self._instance["redis_url"] = redis.url(COUNTER_DATABASE)
            self._instance["broker_url"] = redis.url(BROKER_DATABASE)
        return programs

    def _ask_redis(self) -> None:
        """What is elsewhere must be there: without it no part becomes ready. Raises: RuntimeError."""
        for name in ("redis_url", "broker_url"):
            url = getattr(self._settings, name)
            if url is None:
                continue
            try:
                server = asyncio.run(inspect_redis(url.get_secret_value()))
            except (HourpostError, ValueError) as error:
                cause = getattr(error, "cause", None) or error
                raise RuntimeError(f"HOURPOST_{name.upper()}: Redis does not answer ({cause})") from error
            fault = server.fault_as_counters if name == "redis_url" else server.fault_as_broker
            if fault is not None:
                raise RuntimeError(f"HOURPOST_{name.upper()}: {fault}")

    @property
    def _revision_file(self) -> Path:
        """Beside the data that it speaks of, so that it goes when they go."""
        return self._home / "postgres" / "hourpost.revision"

    def _is_prepared(self) -> bool:
        """Whether the embedded database is known to have this version's tables, and its first account."""
        if self._settings.database_url is not None or read_first_steps(self._home) is None:
            return False
        return self._read_revision() == newest_file_revision()

    def _read_revision(self) -> str | None:
        with suppress(FileNotFoundError):
            return self._revision_file.read_text().strip()
        return None

    def _prepare_database(self) -> bool:
        """Migrate and make the first account, in a process of its own that takes its memory with it.

        False when a signal came first. Raises: RuntimeError.
        """
        argv = (sys.executable, "-m", "hourpost.embedded.prepare", str(self._home))
        program = Program("up", argv, is_ready=lambda: True, noise=_NOISE)
        if not self._supervisor.run(program, "preparing the database"):
            return False
        if self._settings.database_url is None and not is_newer(self._read_revision(), newest_file_revision()):
            write_private(self._revision_file, newest_file_revision() + "\n")
        return True

    def _capture_relay(self, certificate: Certificate) -> Program:
        url = capture_part.capture_url(self._home, certificate)
        self._instance["relays"] = url
        return Program(
            name=capture_part.NAME,
            argv=(sys.executable, "-m", "hourpost.embedded.capture_part", str(self._home)),
            is_ready=readiness_file(self._home, capture_part.NAME).exists,
            prepare=partial(mark_starting, self._home, capture_part.NAME),
            work=partial(capture_part.serve, self._home, url, certificate),
            noise=_NOISE,
        )

    def _part(self, name: str, options: Options) -> Program:
        return Program(
            name=name,
            argv=(sys.executable, "-m", "hourpost", *words_of(name, options)),
            is_ready=readiness_file(self._home, name).exists,
            prepare=partial(mark_starting, self._home, name),
            environment={"HOURPOST_HOME": str(self._home)},
            noise=_NOISE,
            work=partial(live, name, options),
        )

    def _more_workers(self) -> list[Program]:
        """What shares the deliveries with the first worker; nobody waits for it at the start."""
        return [
            Program(
                name=f"worker-{number}",
                argv=(sys.executable, "-m", "hourpost", *words_of("worker", {"number": number})),
                is_ready=lambda: True,
                environment={"HOURPOST_HOME": str(self._home)},
                noise=_NOISE,
                work=partial(live, "worker", {"number": number}),
            )
            for number in range(2, self._settings.workers + 1)
        ]

    def _running_settings(self) -> Settings:
        """The settings with the servers that run here, as the parts read them."""
        return load_settings(**{name: value for name, value in self._instance.items() if name in Settings.model_fields})

    def _welcome(self) -> None:
        steps: FirstSteps | None = read_first_steps(self._home)
        if steps is None:
            raise RuntimeError(f"the first account was not made in {self._home}")
        console = Console(width=None if sys.stdout.isatty() else 120)
        with suppress(OSError):
            welcome(console, self._running_settings(), steps, time.monotonic() - self._began_at)
            sys.stdout.flush()

    def _note_processes(self) -> None:
        """Tell commands beside us of new processes; that they do not know them ends nothing."""
        try:
            self._write_instance()
        except OSError as error:
            self._log("up", f"cannot write down its processes: {error}")

    def _write_instance(self) -> None:
        write_instance(self._home, {**self._instance, "processes": self._supervisor.pids()})

    def _log(self, part: str, line: str) -> None:
        name = f"{part:>9}"
        if self._is_terminal:
            name = f"\033[{_COLOURS[sum(part.encode()) % len(_COLOURS)]}m{name}\033[0m"
        with suppress(OSError):
            sys.stderr.write(f"{name} │ {line}\n")
            sys.stderr.flush()


def _plain(value: Any) -> Any:
    """A setting as JSON holds it."""
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value
