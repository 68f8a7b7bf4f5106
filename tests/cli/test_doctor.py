"""``hourpost doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from bench.sink_state import Config
from hourpost.cli.check import Level
from hourpost.cli.faults import list_faults, of_every_part
from hourpost.cli.relay_checks import _relay, check_relays
from hourpost.database import Database
from hourpost.flow.claim import enrol
from hourpost.gateways.relays import RelayCheck, Stage, parse_relay
from hourpost.rules.ids import new_id
from hourpost.rules.submission import MAX_MESSAGE_BYTES
from hourpost.settings import Settings
from tests.cli.conftest import Run
from tests.fakes.dns_server import DnsServer
from tests.fakes.scripted_relay import ScriptedRelay
from tests.fixtures.certificates import self_signed
from tests.gateways.conftest import RedisServer
from tests.gateways.relay_partners import sink_for


def examine(hourpost: Run) -> dict[str, Any]:
    """The checks by name; a relay is never there in these tests, so the exit code is 1."""
    done = hourpost("doctor", "--json")
    assert done.exit_code == 1
    return {check["name"]: check for check in json.loads(done.output)["checks"]}


def test_what_is_well_is_said_to_be(hourpost: Run) -> None:
    checks = examine(hourpost)
    well = {name for name, check in checks.items() if check["status"] == "ok"}
    assert well == {"settings", "database", "migrations", "redis", "broker", "clock", "tls", "dns", "secret key"}
    assert checks["relays"]["advice"].startswith("set HOURPOST_RELAYS")


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("HOURPOST_DATABASE_URL=postgresql://nobody@127.0.0.1:1/x", "database"),
        ("HOURPOST_REDIS_URL=redis://127.0.0.1:1/0", "redis"),
        ("HOURPOST_REDIS_URL=", "redis"),
        ("HOURPOST_BROKER_URL=redis://127.0.0.1:1/0", "broker"),
        ("HOURPOST_RELAYS=smtp://127.0.0.1:1?tls=none", "relay"),
        ("HOURPOST_RELAYS=ftp://127.0.0.1", "relays"),
        ("HOURPOST_DNS_SERVERS=junk", "dns"),
        ("HOURPOST_SECRET_KEY=short", "secret key"),
        ("HOURPOST_TLS_CERTIFICATE=missing.pem", "tls"),
    ],
)
def test_each_fault_is_found_with_what_to_do(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, setting: str, name: str
) -> None:
    variable, _, value = setting.partition("=")
    monkeypatch.setenv(variable, value)
    check = examine(hourpost)[name]
    assert check["status"] == "failed"
    assert variable in check["advice"]


def test_a_postgresql_that_ended_for_want_of_room_is_not_to_be_started(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "PG_VERSION").touch()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    monkeypatch.setenv("HOURPOST_DATABASE_URL", f"postgresql://hourpost@/hourpost?host={tmp_path}")
    check = examine(hourpost)["database"]
    assert "the disk of the database is full" in check["text"]
    assert check["advice"].startswith("make room on it")


@pytest.mark.parametrize(("revision", "status"), [("9999", "warning"), ("0001", "failed")])
def test_a_database_of_a_newer_version_is_no_fault_and_an_older_one_is(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, fresh_database_url: str, revision: str, status: str
) -> None:
    async def set_revision() -> None:
        database = Database(fresh_database_url, pool_size=1)
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
        await database.close()

    asyncio.run(set_revision())
    monkeypatch.setenv("HOURPOST_DATABASE_URL", fresh_database_url)
    check = examine(hourpost)["migrations"]
    assert (check["status"], "hourpost migrate" in check["advice"]) == (status, status == "failed")


@pytest.mark.parametrize(("days", "status"), [(90, "ok"), (5, "warning"), (-1, "failed")])
def test_a_certificate_is_told_before_it_ends(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: int, status: str
) -> None:
    certificate = self_signed(tmp_path, "mail.acme.test", days=days)
    monkeypatch.setenv("HOURPOST_TLS_CERTIFICATE", str(certificate.cert))
    monkeypatch.setenv("HOURPOST_TLS_KEY", str(certificate.key))
    assert examine(hourpost)["tls"]["status"] == status


def test_a_key_of_another_certificate_is_found(hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOURPOST_TLS_CERTIFICATE", str(self_signed(tmp_path, "a.test").cert))
    monkeypatch.setenv("HOURPOST_TLS_KEY", str(self_signed(tmp_path, "b.test").key))
    assert examine(hourpost)["tls"]["status"] == "failed"


def test_a_certificate_that_is_not_there_is_named(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOURPOST_TLS_CERTIFICATE", "/etc/hourpost/tls/chain.pem")
    monkeypatch.setenv("HOURPOST_TLS_KEY", str(self_signed(tmp_path, "b.test").key))
    said = examine(hourpost)["tls"]["text"]
    assert said.startswith("HOURPOST_TLS_CERTIFICATE: there is no file /etc/hourpost/tls/chain.pem")


def test_name_servers_may_be_away_where_only_reserved_names_are_used(
    hourpost: Run, name_server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_server.broken.add("example.com")
    assert examine(hourpost)["dns"]["status"] == "failed"
    monkeypatch.setenv("HOURPOST_EMBEDDED", "true")
    assert examine(hourpost)["dns"]["status"] == "warning"


@pytest.mark.parametrize(
    ("way", "check", "text", "advice"),
    [
        ("user:secret@{}?tls=none", RelayCheck("r:587", True, 0, "ok", offers_login=True), "can be read", "tls=none"),
        ("{}?tls=none", RelayCheck("r:587", True, 0, "ok"), "connected without a log-in, as none is set", "tls=none"),
        ("{}", RelayCheck("r:587", True, 0, "ok", tls_version="TLSv1.3", offers_login=True), "offers", "give user and"),
        ("user:secret@{}", RelayCheck("r", True, 0, "", takes_eight_bits=False), "can be read", "tls=none"),
        (
            "user:secret@{}",
            RelayCheck("r:587", True, 0, "", tls_version="TLSv1.3", takes_eight_bits=False),
            "8BITMIME",
            "another relay",
        ),
        (
            "user:secret@{}?tls=none",
            RelayCheck("r:587", False, 0, "no AUTH", Stage.AUTH),
            "no AUTH",
            "leave out tls=none",
        ),
        ("user:secret@{}", RelayCheck("r:587", False, 0, "no AUTH", Stage.AUTH), "no AUTH", "leave user and password"),
        ("user:secret@{}", RelayCheck("r:587", False, 0, "no", Stage.AUTH, 535), "no", "correct user and password"),
    ],
)
def test_a_relay_is_told_by_how_it_is_named(way: str, check: RelayCheck, text: str, advice: str) -> None:
    told = _relay(parse_relay(f"smtp://{way.format('r')}"), check)
    assert told.level is not Level.OK
    assert text in told.text
    assert advice in (told.advice or "")


@pytest.mark.parametrize(
    ("size", "text", "advice"),
    [
        (10_240_000, "logged in, TLSv1.3, 0 ms, up to 9.77 MB an email", "email above 9.77 MB bounces"),
        (MAX_MESSAGE_BYTES, "logged in, TLSv1.3, 0 ms", None),
        (None, "logged in, TLSv1.3, 0 ms", None),
    ],
)
def test_what_a_relay_takes_at_most_is_told_where_it_is_less_than_ours(
    size: int | None, text: str, advice: str | None
) -> None:
    check = RelayCheck("r:587", True, 0, "ok", tls_version="TLSv1.3", size_bytes=size)
    told = _relay(parse_relay("smtp://user:secret@r"), check)
    assert (told.level, told.text) == (Level.OK, f"r:587: {text}")
    assert (told.advice or "").startswith(advice or "")
    assert (told.advice is None) == (advice is None)


_HELLO = ["S: 220 mx", "C: EHLO *", "S: 250-mx"]


@pytest.mark.parametrize(
    ("lines", "options", "said", "advice"),
    [
        (["S: 421 too many connections"], "?tls=none", "at connect: 421 too many", "try again later"),
        (["S: 554 your address is blocked"], "?tls=none", "at connect: 554 your", "ask its operator"),
        (["S: 220 mx", "C: EHLO *", "S: 501 no host name"], "?tls=none", ": 501 no", "set HOURPOST_HOSTNAME"),
        ([*_HELLO, "S: 250 STARTTLS", "C: STARTTLS", "S: 454 not now"], "", "at tls: 454 not", "try again later"),
        ([*_HELLO, "S: 250 STARTTLS", "C: STARTTLS", "S: 502 never"], "", "at tls: 502 never", "ask its operator"),
        ([*_HELLO, "S: 250 AUTH PLAIN", "C: AUTH *", "S: 454 4.7.0 not now"], "?tls=none", ": 454 ", "try again later"),
        ([*_HELLO, "S: 250 AUTH PLAIN", "C: AUTH *", "S: 535 5.7.8 no"], "?tls=none", ": 535 ", "correct user"),
    ],
)
async def test_what_a_relay_answers_is_told_with_its_code_and_what_helps(
    lines: list[str], options: str, said: str, advice: str
) -> None:
    relay = ScriptedRelay(lines)
    port = await relay.start()
    try:
        relays = f"smtp://user:secret@127.0.0.1:{port}{options}"
        (check,) = await check_relays(Settings(_env_file=None, relays=relays))
    finally:
        await relay.stop()
    assert check.level is Level.FAILED
    assert said in check.text
    assert advice in (check.advice or "")


async def test_a_relay_whose_certificate_has_ended_is_its_operators_to_mend(tmp_path: Path) -> None:
    expired = self_signed(tmp_path, "127.0.0.1", days=-1)
    async with sink_for(Config("user", "secret", tls=expired.server_context())) as (_, port):
        relays = f"smtp://user:secret@127.0.0.1:{port}?ca={expired.cert}"
        (check,) = await check_relays(Settings(_env_file=None, relays=relays))
    assert "certificate has expired" in check.text
    assert "its operator has to renew" in (check.advice or "")


def test_what_is_read_in_a_database_that_is_away_is_not_called_wrong(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    monkeypatch.setenv("HOURPOST_SYSTEM_SENDER", "Hourpost <hello@post.example>")
    checks = examine(hourpost)
    for name in ("own mail", "postmaster"):
        assert checks[name]["status"] == "warning"
        assert checks[name]["text"] == "not looked at: the database is away"
        assert "HOURPOST_" not in checks[name]["advice"]


def test_that_nobody_reads_for_the_postmaster_is_told(hourpost: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    check = examine(hourpost)["postmaster"]
    assert check["status"] == "warning"
    assert check["text"].startswith("nobody reads what is for postmaster@localhost")
    monkeypatch.setenv("HOURPOST_POSTMASTER", "ada@nowhere.test")
    assert "which no mailbox here has" in examine(hourpost)["postmaster"]["text"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("HOURPOST_BASE_URL=mail.example.com", "must begin with https://"),
        ("HOURPOST_HOSTNAME=bad host", "is not a host name"),
        ("HOURPOST_CONTACT=x y", "write an address"),
        ("HOURPOST_HOST=192.0.2.1", "no address of this machine"),
        ("HOURPOST_TRUSTED_PROXIES=10.0.0.999", "'10.0.0.999' is no address"),
        ("HOURPOST_TRUSTED_PROXIES=127.0.0.1, proxy.internal", "'proxy.internal' is no address"),
        ("HOURPOST_TRUSTED_PROXIES=10.0.0.1/8", "nor a network such as"),
        ("HOURPOST_TRUSTED_PROXIES=*,10.0.0.1", "* alone is everybody"),
    ],
)
def test_what_no_part_starts_with_is_not_called_well(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch, setting: str, said: str
) -> None:
    variable, _, value = setting.partition("=")
    monkeypatch.setenv(variable, value)
    assert hourpost("web").exit_code == 2
    check = examine(hourpost)["settings"]
    assert check["status"] == "failed"
    assert check["text"].startswith(variable)
    assert said in check["text"]


@pytest.mark.parametrize("proxies", ["*", "127.0.0.1,::1", "10.0.0.0/8, 2001:db8::/32", "", " 10.0.0.1 ", "::1,"])
def test_proxies_that_the_web_server_understands_are_let_through(proxies: str) -> None:
    assert not list_faults(Settings(_env_file=None, trusted_proxies=proxies), of_every_part)


def test_people_see_the_advice_below_the_fault(hourpost: Run) -> None:
    done = hourpost("doctor")
    assert "FAILED   relays" in done.output
    assert "→ set HOURPOST_RELAYS" in done.output


def test_a_relay_that_refuses_the_log_in_of_the_workers_that_run_is_told(hourpost: Run, database: Database) -> None:
    told = {"relay": "mx.far.test:587", "state": "open", "state_seconds": 90.0, "last_fault": "auth: 535 5.7.8 no"}
    asyncio.run(_enrol(database.url, [_QUIET | told | {"refuses_login": True}]))
    check = examine(hourpost)["relay login"]
    assert check["status"] == "failed"
    assert "mx.far.test:587 refuses the log-in of 1 of 1 workers" in check["text"]
    assert check["text"].endswith("auth: 535 5.7.8 no")
    assert "restart the workers" in check["advice"]


_QUIET = {
    "in_use": 0,
    "connections": 0,
    "most_connections": 1,
    "waiting": 0,
    "median_seconds": None,
    "last_reply": None,
    "last_reply_seconds": None,
}


async def _enrol(url: str, relays: list[dict[str, Any]]) -> None:
    database, worker = Database(url, pool_size=2), new_id()
    async with database.transaction() as connection:
        await enrol(connection, worker, f"ada:{worker}", 60)
        statement = text("UPDATE workers SET relays = CAST(:relays AS jsonb), told_at = now() WHERE id = :id")
        await connection.execute(statement, {"relays": json.dumps(relays), "id": worker})
    await database.close()


def test_who_gets_in_is_said_and_that_everybody_does_for_nothing(
    hourpost: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_HOST", "0.0.0.0")
    monkeypatch.setenv("HOURPOST_SYSTEM_SENDER", "Hourpost <hello@post.example>")
    assert "any plan for nothing" in examine(hourpost)["sign-up"]["text"]
    monkeypatch.setenv("HOURPOST_SIGN_UP", "closed")
    check = examine(hourpost)["sign-up"]
    assert check["status"] == "ok"
    assert "by invitation" in check["text"]


def test_a_redis_that_takes_nothing_is_found(hourpost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As one does whose snapshot has failed, whose disk is full, or that is a replica."""
    server = RedisServer(tmp_path, "--min-replicas-to-write", "1")
    try:
        monkeypatch.setenv("HOURPOST_REDIS_URL", server.url)
        checks = examine(hourpost)
    finally:
        server.close()
    assert checks["redis"]["status"] == checks["broker"]["status"] == "failed"
    assert "it takes nothing: " in checks["redis"]["text"]
