"""The process around the application: it begins, says that it is ready, survives surprises, and ends when asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

import httpx
import pytest

from hourpost.embedded.readiness import mark_starting, readiness_file
from hourpost.errors import ServiceUnavailable
from hourpost.flow.accept import Intake
from hourpost.gateways.hour import RedisHour
from hourpost.settings import Settings
from tests.api.web.conftest import Customer


async def _break(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("a surprise")


async def _away(*_: Any, **__: Any) -> NoReturn:
    raise ServiceUnavailable("The database is not reachable.", retry_after_seconds=5)


def test_a_surprise_is_answered_with_500_and_an_id(owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Intake, "accept", _break)
    monkeypatch.setattr("hourpost.emails.queries.list_emails", _break)
    for answer in (owner.send(), owner.http.get("/v1/emails")):
        assert (answer.status_code, answer.json()["name"]) == (500, "application_error")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "surprise" not in answer.text


def test_a_server_that_is_away_is_503_with_a_time_to_come_back(
    owner: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Intake, "accept", _away)
    monkeypatch.setattr(RedisHour, "peek", _away)
    for answer in (owner.send(), owner.http.get("/v1/usage"), owner.http.get("/readyz")):
        assert (answer.status_code, answer.json()["name"]) == (503, "service_unavailable")
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_says_so_and_ends_when_it_is_asked(settings: Settings, ending: signal.Signals) -> None:
    mark_starting(settings.home, "web")
    assert settings.database_url is not None
    assert settings.redis_url is not None
    environment = os.environ | {
        "HOURPOST_HOME": str(settings.home),
        "HOURPOST_DATABASE_URL": settings.database_url.get_secret_value(),
        "HOURPOST_REDIS_URL": settings.redis_url.get_secret_value(),
        "HOURPOST_HTTP_PORT": str(settings.http_port),
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
    }
    child = subprocess.Popen([sys.executable, "-m", "hourpost", "web"], env=environment)
    try:
        deadline = time.monotonic() + 120
        while not readiness_file(settings.home, "web").exists():
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert httpx.get(f"http://127.0.0.1:{settings.http_port}/readyz").status_code == 200
        child.send_signal(ending)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
