"""The commands that run a part, without what they need."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourpost.cli.faults import list_faults, of_certificate
from hourpost.database import Database
from hourpost.settings import Settings, load_settings
from tests.cast import make_account, make_domain
from tests.cli.conftest import Done, Run
from tests.fixtures.certificates import self_signed
from tests.gateways.conftest import nodes_of_a_cluster


@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "imap", "pop3", "migrate"])
def test_a_part_without_servers_says_which_settings_are_missing(
    hourpost: Run, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOURPOST_DATABASE_URL")
    done = hourpost(part)
    assert done.exit_code == 2
    assert "HOURPOST_DATABASE_URL" in done.error


def test_a_worker_without_a_relay_says_so_without_a_traceback(hourpost: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOURPOST_RELAYS", "")
    done = hourpost("worker")
    assert done.exit_code == 2
    assert "HOURPOST_RELAYS is not set" in words_of(done)


@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "imap", "pop3"])
def test_a_part_without_a_secret_key_says_so_without_a_traceback(
    hourpost: Run, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_RELAYS", "smtp://user:password@127.0.0.1:1")
    monkeypatch.setenv("HOURPOST_SECRET_KEY", "")  # as in a copy of deploy/example.env
    done = hourpost(part)
    assert done.exit_code == 2
    assert "HOURPOST_SECRET_KEY is not set: all parts need the same" in words_of(done)


@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "imap", "pop3"])
def test_no_part_begins_with_a_secret_key_that_opens_nothing_of_what_is_stored(
    hourpost: Run, part: str, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore with the wrong one: mail would be taken that nobody can sign."""
    name = asyncio.run(seal_a_domain(fresh_database_url))
    monkeypatch.setenv("HOURPOST_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("HOURPOST_RELAYS", "smtp://user:password@127.0.0.1:1")
    monkeypatch.setenv("HOURPOST_SECRET_KEY", "another secret key of somebody")
    done = hourpost(part)
    assert done.exit_code == 2
    said = f"opens the DKIM keys of {name}"
    assert "HOURPOST_SECRET_KEY is not the key of this database" in words_of(done)
    assert said in words_of(done)
    if part == "web":
        checks = {one["name"]: one for one in json.loads(hourpost("doctor", "--json").output)["checks"]}
        assert checks["secret key"]["status"] == "failed"
        assert said in checks["secret key"]["text"]
        sealing = ("webhook", "create", "--account", "Acme", "--event", "email.sent", "https://acme.example/hooks")
        assert said in hourpost(*sealing).error


async def seal_a_domain(url: str) -> str:
    database = Database(url)
    domain = await make_domain(database, await make_account(database))
    await database.close()
    return domain.name


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


@pytest.mark.parametrize(("end", "value"), [("\n", ""), ("\r\n", ""), ("", ""), ("\n\n", "\n")])
def test_a_secret_may_stand_in_a_file_without_its_last_line_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str, value: str
) -> None:
    (tmp_path / "key").write_text(f"a secret in a file{end}", newline="")
    monkeypatch.setenv("HOURPOST_STRIPE_SECRET_KEY_FILE", str(tmp_path / "key"))
    settings = load_settings()
    assert settings.stripe_secret_key is not None
    assert settings.stripe_secret_key.get_secret_value() == f"a secret in a file{value}"
    assert "stripe_secret_key" in settings.model_fields_set


def test_a_secret_of_a_file_is_no_unknown_setting_and_a_port_of_one_is(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("sk_of_a_file\n")
    (tmp_path / ".env").write_text(f"HOURPOST_API_KEY_FILE={tmp_path}/key\n")
    monkeypatch.setenv("HOURPOST_HTTP_PORT_FILE", str(tmp_path / "key"))
    done = hourpost("settings", "--json")
    assert "HOURPOST_HTTP_PORT_FILE is no setting" in done.error
    assert "API_KEY_FILE is" not in done.error
    rows = {one["variable"]: one for one in done.json}
    assert rows["HOURPOST_API_KEY"]["value"] == "****"
    assert "HOURPOST_API_KEY_FILE" in rows["HOURPOST_API_KEY"]["meaning"]
    assert "_FILE" not in rows["HOURPOST_HTTP_PORT"]["meaning"]


@pytest.mark.parametrize(
    ("content", "other", "said"),
    [
        (None, "", "HOURPOST_SECRET_KEY_FILE: {} cannot be read: No such file or directory"),
        (b"\xff\xff", "", "HOURPOST_SECRET_KEY_FILE: {} is no UTF-8 text"),
        (b"a key", "another", "HOURPOST_SECRET_KEY and HOURPOST_SECRET_KEY_FILE are both set: one of them is enough"),
    ],
)
def test_a_secret_that_is_not_to_be_had_from_its_file_is_told(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, other: str, said: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("HOURPOST_SECRET_KEY", other)
    monkeypatch.setenv("HOURPOST_SECRET_KEY_FILE", str(file))
    for words in ("web", "settings", "account list"):
        done = hourpost(*words.split())
        assert (done.exit_code, done.error) == (2, f"error: {said.format(file)}\n")


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


CANNOT_BE = {
    "HOURPOST_RELAYS": "relay.example.com:587",
    "HOURPOST_SECRET_KEY": "short",
    "HOURPOST_SYSTEM_SENDER": "nobody",
    "HOURPOST_CONTACT": "nobody",
    "HOURPOST_BASE_URL": "post.example.com",
    "HOURPOST_DNS_SERVERS": "one.example",
    "HOURPOST_HOSTNAME": "mail.example.com\r\nRCPT",
    "HOURPOST_TLS_KEY": "/nowhere/key.pem",
}
EVERYWHERE = set(CANNOT_BE) - {"HOURPOST_RELAYS", "HOURPOST_TLS_KEY"}


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("up", set(CANNOT_BE)),
        ("web", EVERYWHERE),
        ("scheduler", EVERYWHERE),
        ("worker", EVERYWHERE),
        ("imap", EVERYWHERE),
    ],
)
def test_what_cannot_work_is_all_told_before_anything_starts(
    hourpost: Run, part: str, names: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOURPOST_HOME", str(tmp_path))
    monkeypatch.setenv("HOURPOST_RELAY", "smtp://user:password@host")
    for name, value in CANNOT_BE.items():
        monkeypatch.setenv(name, value)
    done = hourpost(part)
    assert done.exit_code in (1, 2)
    warning = "warning: HOURPOST_RELAY is no setting; is HOURPOST_RELAYS meant?\n"
    assert (warning in done.error) == (part == "up")
    error = done.error.replace(warning, "")
    assert {name for name in CANNOT_BE if name in error} == names
    assert "short" not in done.error
    assert "Traceback" not in done.error


@pytest.mark.parametrize(
    ("setting", "part", "said"),
    [
        ("HOURPOST_DATABASE_URL=junk", "web", "HOURPOST_DATABASE_URL must look like postgresql://"),
        ("HOURPOST_REDIS_URL=junk", "web", "HOURPOST_REDIS_URL must look like redis://"),
        ("HOURPOST_BROKER_URL=amqp://u:p@host", "worker", "HOURPOST_BROKER_URL must look like redis://"),
        ("HOURPOST_RELAYS=smtp://u:p@two words@host:587", "worker", "write one in a password as %20"),
        ("HOURPOST_TLS_CERTIFICATE=missing.pem", "smtp", "HOURPOST_TLS_KEY is not"),
        ("HOURPOST_TLS_KEY=missing.pem", "pop3", "HOURPOST_TLS_CERTIFICATE is not"),
    ],
)
def test_a_part_says_which_of_its_settings_cannot_work(
    hourpost: Run, setting: str, part: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, _, value = setting.partition("=")
    monkeypatch.setenv(variable, value)
    done = hourpost(part)
    assert done.exit_code == 2
    assert said in words_of(done)


def test_a_certificate_that_is_not_there_or_not_the_keys_is_told(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOURPOST_TLS_CERTIFICATE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("HOURPOST_TLS_KEY", str(self_signed(tmp_path, "b.test").key))
    assert "there is no file" in words_of(hourpost("imap"))
    monkeypatch.setenv("HOURPOST_TLS_CERTIFICATE", str(self_signed(tmp_path, "a.test").cert))
    assert "cannot be used together" in words_of(hourpost("imap"))


@pytest.mark.parametrize(
    ("part", "first", "second"),
    [("smtp", "SMTP", "SUBMISSION"), ("imap", "IMAP", "IMAPS"), ("pop3", "POP3", "POP3S"), ("up", "SMTP", "IMAP")],
)
def test_two_equal_ports_are_told(
    hourpost: Run, part: str, first: str, second: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (first, second):
        monkeypatch.setenv(f"HOURPOST_{name}_PORT", "45871")
    monkeypatch.setenv("HOURPOST_HOME", str(tmp_path / "home"))
    done = hourpost(part)
    assert done.exit_code == (1 if part == "up" else 2)
    assert f"127.0.0.1:45871 (HOURPOST_{second}_PORT): it is HOURPOST_{first}_PORT too" in words_of(done)


@pytest.mark.parametrize("part", ["web", "smtp", "imap", "pop3"])
def test_a_port_that_is_taken_is_told(hourpost: Run, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "HTTP" if part == "web" else part.upper()
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv(f"HOURPOST_{name}_PORT", str(other.getsockname()[1]))
        done = hourpost(part)
    assert done.exit_code == 2
    assert f"(HOURPOST_{name}_PORT): Address already in use" in words_of(done)


@pytest.mark.parametrize(("name", "other"), [("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")])
def test_a_certificate_or_key_that_may_not_be_read_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, other: str
) -> None:
    made = self_signed(tmp_path, "a.test")
    paths = {"CERTIFICATE": made.cert, "KEY": made.key}
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != paths[name] and may(path, mode))  # root may read all
    settings = Settings(_env_file=None, tls_certificate=made.cert, tls_key=made.key)
    (fault,) = list_faults(settings, of_certificate)
    assert fault == f"HOURPOST_TLS_{name}: {paths[name]} may not be read by the user that we run as"
    assert f"HOURPOST_TLS_{other}" not in fault


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('HOURPOST_HTTP_PORT="8030', ".env: line 2 cannot be read as NAME=value, and is left out"),
        ("HOURPOST_HTTP_PRT=8025", "HOURPOST_HTTP_PRT is no setting; is HOURPOST_HTTP_PORT meant?"),
    ],
)
@pytest.mark.parametrize("words", ["settings", "doctor", "up"])
def test_a_line_of_the_env_file_that_sets_nothing_is_told(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, line: str, said: str
) -> None:
    monkeypatch.setenv("HOURPOST_BASE_URL", "so that nothing starts")
    (tmp_path / ".env").write_text(f"HOURPOST_LOG_LEVEL=error\n{line}\n")
    command = [sys.executable, "-m", "hourpost", words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    told = done.stdout if words == "doctor" else done.stderr
    assert told.count(said) == 1
    assert "python-dotenv" not in done.stderr


def test_an_env_file_in_another_encoding_is_told_or_read(hourpost: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOURPOST_LOG_LEVEL=error\n", "utf-16")
    for words in ("settings", "account list", "doctor", "up", "web"):
        done = hourpost(*words.split())
        assert done.exit_code == 2
        assert done.error == f"error: {tmp_path}/.env is no UTF-8 text; save it as UTF-8\n"
    (tmp_path / ".env").write_text("HOURPOST_HTTP_PORT=8030\n", "utf-8-sig")
    assert "8030" in hourpost("settings", "--json").output


def test_where_nothing_runs_is_said_by_its_whole_path(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOURPOST_DATABASE_URL")
    for words in ("account list", "doctor"):
        assert f"Nothing runs in {tmp_path}/var; " in hourpost(*words.split()).error


@pytest.mark.parametrize("part", ["up", "smtp", "imap", "pop3"])
@pytest.mark.parametrize("home", ["/proc/x", "{}/file/home"])
def test_a_home_that_cannot_be_written_is_told(
    hourpost: Run, part: str, home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOURPOST_HOME", home.format(tmp_path))
    done = hourpost(part)
    assert done.exit_code in (1, 2)
    assert "HOURPOST_HOME: " in done.error
    assert "cannot be written: N" in words_of(done)  # No such file or directory, Not a directory


def test_the_tables_of_a_database_that_does_not_answer_are_not_brought_up_to_date(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    done = hourpost("migrate")
    assert done.exit_code == 1
    assert done.error.startswith("error: ")
