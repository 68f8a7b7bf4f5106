"""What a home holds: its lock, its secrets, its certificate, its first account, and how to reach what runs in it."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import text

from hourpost.accounts.queries import get_named_account
from hourpost.credentials.standing import StandingCache
from hourpost.database import Database
from hourpost.embedded.certificate import find_or_make
from hourpost.embedded.first_steps import prepare_first_account
from hourpost.embedded.instance import instance_settings_of, read_instance, remove_instance, write_instance
from hourpost.embedded.lock import HomeTaken, lock_home
from hourpost.embedded.ports import keep_port
from hourpost.embedded.secrets import read_or_make
from tests.cast import CIPHER
from tests.fakes.clock import FakeClock


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("HOURPOST_"):
            monkeypatch.delenv(name)


def test_a_home_is_held_by_one_process_which_the_other_is_told(tmp_path: Path) -> None:
    with lock_home(tmp_path):
        with pytest.raises(HomeTaken) as told:
            lock_home(tmp_path)
        assert told.value.pid == str(os.getpid())
    lock_home(tmp_path).close()


def test_the_lock_ends_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, pathlib; from hourpost.embedded.lock import lock_home\n"
        "held = lock_home(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    lock_home(tmp_path).close()


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "secret.key"
    made = read_or_make(path)
    assert len(made) >= 43
    assert read_or_make(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["secret.key"]


def test_a_port_stays_the_same(tmp_path: Path) -> None:
    assert keep_port(tmp_path / "port") == keep_port(tmp_path / "port")


def test_an_unreadable_memory_of_a_port_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("nonsense\n")
    assert keep_port(tmp_path / "port") > 0


def test_the_certificate_is_one_that_clients_can_verify(tmp_path: Path) -> None:
    made = find_or_make(tmp_path / "tls", ["localhost", "127.0.0.1"])
    client = ssl.create_default_context(cafile=made.authority)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.chain, made.key)
    for name in ("localhost", "127.0.0.1"):
        assert shake_hands(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server, "mail.example")
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


def test_the_certificate_is_kept_until_it_lacks_a_name(tmp_path: Path) -> None:
    first = find_or_make(tmp_path, ["localhost"]).chain.read_bytes()
    assert find_or_make(tmp_path, ["localhost"]).chain.read_bytes() == first
    renewed = x509.load_pem_x509_certificate(find_or_make(tmp_path, ["localhost", "10.1.2.3"]).chain.read_bytes())
    names = renewed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "10.1.2.3"]
    assert renewed.not_valid_after_utc > datetime.now(UTC)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    """Both sides of a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=name)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(6):
        for side in (asking, answering):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    return done == {asking, answering}


def test_settings_come_from_what_runs_in_the_home(tmp_path: Path) -> None:
    write_instance(tmp_path, {"pid": os.getpid(), "database_url": "postgresql://embedded/x", "http_port": 9999})
    settings = instance_settings_of(tmp_path)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://embedded/x"
    assert settings.http_port == 9999
    assert stat.S_IMODE((tmp_path / "instance.json").stat().st_mode) == 0o600


def test_what_is_set_wins_over_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_instance(tmp_path, {"pid": os.getpid(), "database_url": "postgresql://embedded/x", "http_port": 9999})
    monkeypatch.setenv("HOURPOST_DATABASE_URL", "postgresql://mine/x")
    settings = instance_settings_of(tmp_path)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://mine/x"
    assert settings.http_port == 9999


def test_an_instance_whose_supervisor_was_killed_counts_for_nothing(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    write_instance(tmp_path, {"pid": int(ended.stdout), "database_url": "postgresql://embedded/x"})
    assert instance_settings_of(tmp_path).database_url is None


def test_after_a_clean_stop_there_is_no_instance(tmp_path: Path) -> None:
    write_instance(tmp_path, {"pid": os.getpid()})
    remove_instance(tmp_path)
    remove_instance(tmp_path)
    assert read_instance(tmp_path) == {}


async def test_the_first_account_can_send_and_is_made_once(tmp_path: Path, fresh_database: Database) -> None:
    steps = await prepare_first_account(tmp_path, fresh_database, CIPHER, FakeClock())
    assert await prepare_first_account(tmp_path, fresh_database, CIPHER, FakeClock()) == steps
    standings = StandingCache(fresh_database, FakeClock())
    assert (await standings.by_token(steps.api_key)).account_id
    assert (await standings.by_smtp_login(steps.smtp_username, steps.smtp_password)).account_id
    async with fresh_database.reading() as connection:
        account = await get_named_account(connection, steps.email)
        verified = await connection.execute(text("SELECT name FROM domains WHERE verified_at IS NOT NULL"))
        assert verified.scalars().all() == [steps.domain]
    assert account.plan == "path"


async def test_a_file_that_outlived_its_database_is_made_anew(tmp_path: Path, fresh_database: Database) -> None:
    steps = await prepare_first_account(tmp_path, fresh_database, CIPHER, FakeClock())
    async with fresh_database.transaction() as connection:
        await connection.execute(text("TRUNCATE accounts, users CASCADE"))
    again = await prepare_first_account(tmp_path, fresh_database, CIPHER, FakeClock())
    assert again.api_key != steps.api_key
    assert (await StandingCache(fresh_database, FakeClock()).by_token(again.api_key)).account_id


async def test_an_account_that_outlived_its_file_gets_new_keys(tmp_path: Path, fresh_database: Database) -> None:
    await prepare_first_account(tmp_path / "old", fresh_database, CIPHER, FakeClock())
    again = await prepare_first_account(tmp_path / "new", fresh_database, CIPHER, FakeClock())
    assert (await StandingCache(fresh_database, FakeClock()).by_token(again.api_key)).account_id
    assert again.password == "(as it was)"
