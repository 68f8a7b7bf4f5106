"""`hourpost up`: the whole service on this machine, on embedded servers where none are configured."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import ssl
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import typer
from rich.console import Console

from hourpost.cli.welcome import welcome
from hourpost.embedded.capture_relay import serve_capture_relay
from hourpost.embedded.certificate import Certificate, find_or_make
from hourpost.embedded.first_steps_file import FirstSteps, read_first_steps
from hourpost.embedded.instance import read_instance, remove_instance, write_instance
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import Program, run
from hourpost.embedded.readiness import mark_starting, readiness_file
from hourpost.embedded.redis import BROKER_DATABASE, COUNTER_DATABASE, EmbeddedRedis
from hourpost.embedded.secrets import read_or_make, write_private
from hourpost.embedded.supervisor import Supervisor, stop_on_signals
from hourpost.settings import Settings, load_settings
from migrations.revision import newest_file_revision

app = typer.Typer()

# The schedule runs beside the courier here: a process of its own would cost 75 MB and change nothing on one machine.
_PARTS = {"web": ("web",), "worker": ("worker", "--with-scheduler"), "smtp": ("smtp",)}
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_black")


@app.command()
def up() -> None:
    """Run everything on this machine: PostgreSQL, Redis, web, worker, scheduler, SMTP. Ctrl-C stops all of it.

    Servers that HOURPOST_DATABASE_URL, HOURPOST_REDIS_URL or HOURPOST_RELAYS name are used; the others are started
    here, with their data in HOURPOST_HOME. A second run keeps the data.
    """
    settings = load_settings()
    home = settings.home.resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(home):
        Run(settings, home).main()


def _lock(home: Path) -> IO[str]:
    """Hold the home for this process. Raises: typer.Exit when another one has it."""
    file = (home / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = read_instance(home).get("pid", "unknown")
        typer.echo(f"error: Hourpost already runs in {home} (process {pid}).", err=True)
        typer.echo("       Stop it first, or set HOURPOST_HOME (and other ports) for a second one.", err=True)
        raise typer.Exit(1) from None
    return file


class Run:
    """One run of everything, from the first process to the last."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self._began_at = time.monotonic()
        self._settings = settings
        self._home = home
        self._console = Console(stderr=True)
        self._log_lock = threading.Lock()
        self._supervisor = Supervisor(self._log)
        self._instance: dict[str, Any] = {
            "pid": os.getpid(),
            "home": str(home),
            "embedded": True,
            "base_url": settings.public_url,
        }

    def main(self) -> None:
        """Start, watch until a signal, stop. Raises: typer.Exit when something cannot start."""
        stop_on_signals(self._supervisor)
        try:
            steps = self._start()
            welcome(self._console, self._running(), steps, time.monotonic() - self._began_at)
            self._supervisor.watch(self._write_instance)
        except (RuntimeError, TimeoutError, OSError) as error:
            self._log("up", f"error: {error}")
            raise typer.Exit(1) from None
        finally:
            self._log("up", "stopping")
            self._supervisor.stop()
            remove_instance(self._home)

    def _start(self) -> FirstSteps:
        certificate = self._prepare_secrets()
        if not self._settings.relays.get_secret_value():
            self._instance["relays"] = self._start_capture_relay(certificate)
        servers, parts = self._servers(), [self._part(name) for name in _PARTS]
        self._write_instance()
        steps = read_first_steps(self._home) if self._is_prepared() else None
        if steps is not None:  # the parts spend their first second on imports: PostgreSQL is there before them
            self._supervisor.start([*servers, *parts])
        else:
            self._supervisor.start(servers)
            steps = self._prepare_database()
            self._supervisor.start(parts)
        self._write_instance()
        return steps

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

    def _is_prepared(self) -> bool:
        """Whether the embedded database is known to have this version's tables."""
        if self._settings.database_url is not None:
            return False
        with suppress(FileNotFoundError):
            return (self._home / "revision").read_text().strip() == newest_file_revision()
        return False

    def _prepare_database(self) -> FirstSteps:
        """Migrate and make the first account, in a process of its own that takes its memory with it."""
        run((sys.executable, "-m", "hourpost.embedded.prepare", str(self._home)))
        write_private(self._home / "revision", newest_file_revision() + "\n")
        steps = read_first_steps(self._home)
        if steps is None:
            raise RuntimeError(f"the first account was not made in {self._home}")
        return steps

    def _start_capture_relay(self, certificate: Certificate) -> str:
        """Serve it from a thread of this process, which has little else to do; gives its URL."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        password = secrets.token_urlsafe(16)
        ready: list[int] = []
        listening = threading.Event()

        async def serve() -> None:
            server = await serve_capture_relay(
                "127.0.0.1", 0, self._home / "captured", username="hourpost", password=password, tls_context=context
            )
            ready.append(server.sockets[0].getsockname()[1])
            listening.set()
            await server.serve_forever()

        threading.Thread(target=lambda: asyncio.run(serve()), name="capture relay", daemon=True).start()
        if not listening.wait(10.0):
            raise TimeoutError("the capture relay did not start")
        authority = quote(str(certificate.authority), safe="/")
        return f"smtp://hourpost:{password}@127.0.0.1:{ready[0]}?tls=starttls&ca={authority}"

    def _part(self, name: str) -> Program:
        ready = readiness_file(self._home, name)
        return Program(
            name=name,
            argv=(sys.executable, "-m", "hourpost", *_PARTS[name]),
            is_ready=ready.exists,
            prepare=lambda: mark_starting(self._home, name),
            environment={"HOURPOST_HOME": str(self._home)},
        )

    def _running(self) -> Settings:
        known = {name: value for name, value in self._instance.items() if name in Settings.model_fields}
        return load_settings(**known)

    def _write_instance(self) -> None:
        write_instance(self._home, {**self._instance, "processes": self._supervisor.pids()})

    def _log(self, part: str, line: str) -> None:
        colour = _COLOURS[sum(part.encode()) % len(_COLOURS)]
        with self._log_lock, suppress(OSError):
            self._console.print(f"[{colour}]{part:>9}[/] │ ", end="", highlight=False)
            self._console.out(line, highlight=False)
