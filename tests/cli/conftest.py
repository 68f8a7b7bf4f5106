"""The command line on the database of the tests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from typer.testing import CliRunner

from hourpost.cli import main
from hourpost.database import Database
from tests.fakes.dns_server import DnsServer, run_dns_server


@dataclass
class Done:
    """What a command left behind."""

    exit_code: int
    output: str
    error: str

    @property
    def json(self) -> Any:
        assert self.exit_code == 0, self.error
        return json.loads(self.output)


Run = Callable[..., Done]


@pytest.fixture
def name_server() -> Iterator[DnsServer]:
    """In a thread of its own, as commands run an event loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = run_dns_server()
    yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(5)
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


@pytest.fixture
def hourpost(
    database: Database, redis_url: str, name_server: DnsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs a command as an operator does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOURPOST_DATABASE_URL", database.url)
    monkeypatch.setenv("HOURPOST_REDIS_URL", redis_url)
    monkeypatch.setenv("HOURPOST_SECRET_KEY", "a secret of the tests, long enough")
    monkeypatch.setenv("HOURPOST_DNS_SERVERS", name_server.address)

    # A part that begins sets up the logs of its process, which is the tests': on an output that is closed behind it.
    configure = structlog.configure
    monkeypatch.setattr(structlog, "configure", partial(_configure_for_now, configure))

    def run(*arguments: str, stdin: str = "") -> Done:
        try:
            result = CliRunner().invoke(main, list(arguments), input=stdin)
        finally:
            structlog.reset_defaults()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def _configure_for_now(configure: Callable[..., None], **settings: Any) -> None:
    configure(**{**settings, "cache_logger_on_first_use": False})


@pytest.fixture
def acme(hourpost: Run) -> str:
    """The id of an account of this test alone."""
    unique = uuid4().hex[:12]
    made = hourpost(
        "account", "create", "--name", f"Acme {unique}", "--email", f"{unique}@acme.test", "--plan", "path", "--json"
    )
    return str(made.json["id"])
