"""The commands that run a part, without what they need."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hourpost.settings import Settings
from tests.cli.conftest import Done, Run
from tests.gateways.conftest import nodes_of_a_cluster


@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "imap", "pop3", "migrate"])
def test_a_part_without_servers_says_which_settings_are_missing(
    hourpost: Run, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOURPOST_DATABASE_URL")
    done = hourpost(part)
    assert done.exit_code == 2
    assert "HOURPOST_DATABASE_URL" in done.error


@pytest.mark.parametrize("words", ["settings", "up", "web", "worker", "account list"])
def test_settings_that_cannot_be_are_all_named_without_a_traceback(
    hourpost: Run, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"HTTP_PORT": "eighty", "LEASE_SECONDS": "1", "OUTGOING_NETWORKS": "10.0.0.0/99", "LOG_FORMAT": "loud"}
    for name, value in wrong.items():
        monkeypatch.setenv(f"HOURPOST_{name}", value)
    done = hourpost(*words.split())
    assert done.exit_code == 2
    lines = done.error.splitlines()
    assert sorted(line.split(":")[1].strip() for line in lines) == sorted(f"HOURPOST_{name}" for name in wrong)
    assert "eighty" not in done.error


def test_settings_are_listed_with_their_whole_names_and_without_their_secrets(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HOURPOST_SECRET_KEY", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw==")
    done = hourpost("settings")
    assert done.exit_code == 0
    for name in Settings.model_fields:
        assert f"HOURPOST_{name.upper()} " in done.output
    assert "c2VjcmV0" not in done.output


def words_of(done: Done) -> str:
    """The error, out of its box."""
    return " ".join(done.error.replace("│", " ").split())


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nodes_of_a_cluster(tmp_path_factory.mktemp("cluster")) as server:
        yield server.url


@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "imap", "pop3"])
def test_no_part_begins_on_a_redis_cluster(
    hourpost: Run, part: str, cluster_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would find MOVED at the first key that lies on another node."""
    monkeypatch.setenv("HOURPOST_EMBEDDED", "false")
    monkeypatch.setenv("HOURPOST_BROKER_URL", cluster_url)
    done = hourpost(part)
    assert done.exit_code == 2
    assert "HOURPOST_BROKER_URL: it is a Redis cluster, which Celery cannot use" in words_of(done)
    monkeypatch.setenv("HOURPOST_REDIS_URL", cluster_url)
    done = hourpost(part)
    assert done.exit_code == 2
    assert "HOURPOST_REDIS_URL: it is a Redis cluster of 2 nodes" in words_of(done)


def test_doctor_names_a_redis_cluster(hourpost: Run, cluster_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "BROKER_URL"):
        monkeypatch.setenv(f"HOURPOST_{name}", cluster_url)
    done = hourpost("doctor", "--json")
    assert done.exit_code == 1
    faults = {one["name"]: one["text"] for one in json.loads(done.output)["checks"] if one["status"] == "failed"}
    assert "cluster of 2 nodes" in faults["redis"]
    assert "cluster, which Celery cannot use" in faults["broker"]
