"""`hourpost up` from outside: what it prints works, what dies comes back, and nothing outlives it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import stat
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import dkim
import psutil
import pytest

from tests.embedded.running import RunningUp, alive, eventually
from tests.fixtures.ports import free_ports

LONGEST_SOCKET_PATH = 108
PARTS = ("postgres", "redis", "capture", "web", "worker", "smtp", "imap", "pop3")

NewUp = Callable[..., RunningUp]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """One that all tests may use and none may stop, in a home with a space."""
    running = RunningUp(tmp_path_factory.mktemp("up") / "my home", HOURPOST_METRICS_PORT=str(free_ports(5)))
    try:
        yield running.wait()
    finally:
        running.end()


@pytest.fixture
def new_up(tmp_path: Path) -> Iterator[NewUp]:
    """Starts others; all end with the test."""
    started: list[RunningUp] = []

    def begin(home: str = "home", **settings: str) -> RunningUp:
        started.append(RunningUp(tmp_path / home, **settings))
        return started[-1]

    yield begin
    for one in started:
        one.end()


def test_the_printed_curl_line_puts_an_email_through_the_relay(up: RunningUp) -> None:
    answer = json.loads(up.paste("curl "))
    assert answer["id"].startswith("em_")
    message_id = answer["message_id"].encode()
    eventually(lambda: any(message_id in mail for mail in up.captured()))
    mail = next(mail for mail in up.captured() if message_id in mail)
    assert b"X-Envelope-To: you@example.net\r\n" in mail
    assert b"\r\n\r\nIt works." in mail


def test_an_attempt_is_kept_with_its_relay_its_tls_and_the_reply(up: RunningUp) -> None:
    email_id = json.loads(up.paste("curl "))["id"]
    address, key = re.findall(r"(http://\S+)|(Bearer \w+)", up.pasted("curl "))
    request = urllib.request.Request(f"{address[0]}/{email_id}/attempts", headers={"Authorization": key[1]})
    attempts: list[dict[str, object]] = []
    eventually(lambda: attempts.extend(json.load(urllib.request.urlopen(request, timeout=30))["data"]) or attempts)
    (attempt,) = attempts
    assert (attempt["number"], attempt["outcome"], attempt["tls"]) == (1, "sent", "TLSv1.3")
    assert str(attempt["reply"]).startswith("captured as ")
    assert str(attempt["relay"]).startswith("127.0.0.1:")


def test_what_leaves_is_signed_and_verifies_by_the_records_of_its_domain(up: RunningUp) -> None:
    message_id = json.loads(up.paste("curl "))["message_id"].encode()
    eventually(lambda: any(message_id in mail for mail in up.captured()))
    mail = next(mail for mail in up.captured() if message_id in mail)
    told = json.loads(up.call("domain", "verify", "--account", "Acme", "acme.test", "--json").stdout)
    records = {f"{record['name']}.": record["value"].encode() for record in told["records"]}
    assert dkim.DKIM(mail).verify(0, dnsfunc=lambda name, **_: records.get(name.decode()))


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
def test_the_printed_swaks_line_puts_an_email_through_the_relay(up: RunningUp) -> None:
    before = len(up.captured())
    assert "queued as em_" in up.paste("swaks ")
    eventually(lambda: len(up.captured()) == before + 1)


def test_the_printed_python_lines_put_an_email_through_the_relay(up: RunningUp) -> None:
    before = len(up.captured())
    up.paste(shlex.quote(sys.executable))
    eventually(lambda: len(up.captured()) == before + 1)


def test_the_table_names_every_door_and_the_dashboard_answers(up: RunningUp) -> None:
    said = up.said()
    for name, door in (
        ("SMTP submission", "SUBMISSION"),
        ("SMTP inbound", "SMTP"),
        ("IMAP", "IMAPS"),
        ("POP3", "POP3S"),
    ):
        assert re.search(rf"│ {name} .*127\.0\.0\.1:{up.ports[door]}\b", said), name
    address = re.search(r"│ Dashboard +│ (\S+)", said)
    assert address is not None
    with urllib.request.urlopen(address[1], timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")


def test_commands_talk_to_the_running_instance(up: RunningUp) -> None:
    accounts = json.loads(up.call("account", "list", "--json").stdout)
    assert [account["name"] for account in accounts["data"]] == ["Acme", "Hourpost"]


def test_where_captured_mail_lies_is_said_where_somebody_waits_for_it(up: RunningUp) -> None:
    folder = str(up.home / "captured")
    with urllib.request.urlopen(f"http://127.0.0.1:{up.ports['HTTP']}/signup/mailed", timeout=10) as page:
        assert folder in page.read().decode()
    checks = json.loads(up.call("doctor", "--json").stdout)["checks"]
    relay = next(check for check in checks if check["name"] == "relay")
    assert (relay["status"], folder in relay["text"], "HOURPOST_RELAYS" in relay["advice"]) == ("ok", True, True)


def test_every_part_serves_metrics_of_its_own(up: RunningUp) -> None:
    base = int(up.environment["HOURPOST_METRICS_PORT"])
    for port in range(base, base + 5):  # worker, smtp, imap, pop3, the second worker
        eventually(partial(_has_metrics, port))


def test_what_is_secret_is_readable_by_its_owner_only(up: RunningUp) -> None:
    names = ("secret.key", "first-steps.json", "instance.json", "tls/key.pem", "redis/redis.conf", "redis/password")
    for name in names:
        assert stat.S_IMODE((up.home / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(up.home.stat().st_mode) == 0o700


def test_a_second_one_in_the_same_home_is_refused_with_the_process_that_runs(up: RunningUp) -> None:
    second = up.call("up")
    assert second.returncode == 1
    assert f"already runs in {up.home} (process {up.process.pid})" in second.stderr
    assert up.process.poll() is None


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_is_there_again(up: RunningUp, part: str) -> None:
    killed = up.kill(part)
    eventually(lambda: up.pid_of(part) not in (None, killed))
    eventually(lambda: _is_ready(up))
    before = len(up.captured())
    up.paste("curl ")
    eventually(lambda: len(up.captured()) > before)


def test_it_goes_on_though_it_cannot_write_down_its_processes(up: RunningUp) -> None:
    in_its_way = up.home / f"instance.json.{up.process.pid}.new"
    in_its_way.mkdir()
    up.kill("pop3")
    eventually(lambda: "cannot write down its processes" in up.said())
    in_its_way.rmdir()
    killed = up.kill("imap")
    eventually(lambda: up.pid_of("imap") not in (None, killed))
    assert up.process.poll() is None


def test_processes_are_named_by_their_part(up: RunningUp) -> None:
    pid = up.pid_of("worker")
    assert pid is not None
    assert "worker" in psutil.Process(pid).cmdline()


def test_two_homes_run_at_once_and_a_clean_stop_keeps_the_data(up: RunningUp, new_up: NewUp) -> None:
    other = new_up("/".join(["a very long way down"] * 6)).wait()
    assert len(os.fsencode(other.home)) > LONGEST_SOCKET_PATH
    assert up.process.poll() is None
    family = other.family()
    created = other.call("account", "create", "--name", "Kept", "--email", "kept@kept.test")
    assert created.returncode == 0, created.stderr
    assert other.stop() == 0
    assert alive(family) == []
    assert not (other.home / "instance.json").exists()
    other.start()
    other.wait()
    assert "Kept" in other.call("account", "list").stdout


def test_nothing_outlives_a_killed_supervisor_and_the_home_starts_again_whatever_was_killed(new_up: NewUp) -> None:
    running = new_up().wait()
    family = running.family()
    running.process.kill()
    running.process.wait(5)
    eventually(lambda: alive(family) == [])
    running.start()
    running.wait()
    running.paste("curl ")
    family = running.family()
    for process in family:
        with suppress(psutil.NoSuchProcess):  # the first, the supervisor, takes the others along
            process.kill()
    running.process.wait(5)
    eventually(lambda: alive(family) == [])
    running.start()
    running.wait()
    eventually(running.captured)


def test_a_port_that_is_taken_ends_everything_with_a_clear_message(new_up: NewUp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        metrics = {"HOURPOST_METRICS_PORT": str(port - 1)}
        running = new_up(HOURPOST_HTTP_PORT=str(port), HOURPOST_IMAP_PORT=str(port), **metrics)
        assert running.process.wait(60) == 1
    assert f"error: 127.0.0.1:{port} (HOURPOST_METRICS_PORT, of smtp): Address already in use" in running.said()
    for name in ("HTTP", "IMAP"):
        assert f"error: 127.0.0.1:{port} (HOURPOST_{name}_PORT): Address already in use" in running.said()
    assert "Traceback" not in running.said()
    assert not (running.home / "postgres").exists()
    assert not (running.home / "instance.json").exists()


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("HOURPOST_REDIS_URL", "redis://127.0.0.1:1/0", "error: HOURPOST_REDIS_URL: Redis does not answer"),
        ("HOURPOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x", "error: preparing the database failed: "),
        ("HOURPOST_TLS_CERTIFICATE", "missing.pem", "error: HOURPOST_TLS_CERTIFICATE is set, but HOURPOST_TLS_KEY"),
    ],
)
def test_what_is_set_and_not_there_is_told_in_a_line(new_up: NewUp, name: str, address: str, said: str) -> None:
    running = new_up(**{name: address})
    assert running.process.wait(90) == 1
    assert said in running.said()
    assert "Traceback" not in running.said()


def _has_metrics(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return b"process_start_time_seconds" in answer.read()
    except OSError:
        return False


def _is_ready(up: RunningUp) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{up.ports['HTTP']}/readyz", timeout=10) as answer:
            is_ready = answer.status == 200
        socket.create_connection(("127.0.0.1", up.ports["SUBMISSION"]), 10).close()
    except OSError:
        return False
    return is_ready
