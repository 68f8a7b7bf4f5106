"""`hourpost pop3` itself, with clients that people use: real log-ins, mail that goes at QUIT, and a clean end."""

from __future__ import annotations

import asyncio
import os
import poplib
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from hourpost.embedded.readiness import mark_starting, readiness_file
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.app_passwords import Service, create_app_password, revoke_app_password
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.messages import list_uids
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from tests.cast import make_account, make_domain
from tests.fixtures.certificates import Certificate
from tests.fixtures.ports import free_port

PASSWORD = "the mailbox's own 1"
LETTERS = (
    b"Subject: one\r\nFrom: a@b.test\r\n\r\nhello\r\n",
    b"Subject: two\r\nFrom: a@b.test\r\n\r\n.\r\n..\r\nbye\r\n",
)


@dataclass
class Running:
    """`hourpost pop3`, its ports, and what it was started with."""

    process: subprocess.Popen[bytes]
    port: int
    tls_port: int
    certificate: Certificate
    environment: dict[str, str]


@dataclass
class Owner:
    """Who has a mailbox with two letters."""

    running: Running
    username: str
    app_password: str
    account_id: Any
    mailbox_id: Any
    app_password_id: Any

    def connect(self, password: str) -> poplib.POP3_SSL:
        context = ssl.create_default_context(cafile=str(self.running.certificate.cert))
        client = poplib.POP3_SSL("localhost", self.running.tls_port, context=context, timeout=20)
        client.user(self.username)
        client.pass_(password)
        return client


@contextmanager
def run(database_url: str, redis_url: str, tls: Certificate, home: Path) -> Iterator[Running]:
    port, tls_port = free_port(), free_port()
    environment = {
        **os.environ,
        "HOURPOST_HOME": str(home),
        "HOURPOST_DATABASE_URL": database_url,
        "HOURPOST_REDIS_URL": redis_url,
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
        "HOURPOST_POP3_PORT": str(port),
        "HOURPOST_POP3S_PORT": str(tls_port),
        "HOURPOST_TLS_CERTIFICATE": str(tls.cert),
        "HOURPOST_TLS_KEY": str(tls.key),
        "HOURPOST_LOG_LEVEL": "warning",
    }
    mark_starting(home, "pop3")
    process = subprocess.Popen([sys.executable, "-m", "hourpost", "pop3"], env=environment)
    try:
        ends_at = time.monotonic() + 30
        while not readiness_file(home, "pop3").exists():
            assert process.poll() is None, "it ended before it listened"
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        yield Running(process, port, tls_port, tls, environment)
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def running(
    database_url: str, redis_url: str, tls: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with run(database_url, redis_url, tls, tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest_asyncio.fixture
async def store(database: Database, redis_url: str) -> AsyncIterator[MailStore]:
    opened = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
    await opened.start()
    yield opened
    await opened.stop()


@pytest_asyncio.fixture
async def owner(running: Running, database: Database, store: MailStore) -> Owner:
    account = await make_account(database)
    domain = await make_domain(database, account)
    new = NewMailbox(f"ann@{domain.name}", await hash_password(PASSWORD), "Ann", 1024**3)
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        mailbox = await create_mailbox(connection, account.id, new, now)
        issued = await create_app_password(connection, (account.id, mailbox.id), "phone", [Service.POP3], now)
    inbox = await store.read(get_folder, mailbox.id, "INBOX")
    await store.append_all(mailbox.id, inbox.id, [NewMessage(letter) for letter in LETTERS])
    return Owner(running, new.address, issued.secret, account.id, mailbox.id, issued.app_password.id)


async def in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def count(store: MailStore, owner: Owner) -> int:
    inbox = await store.read(get_folder, owner.mailbox_id, "INBOX")
    return len(await store.read(list_uids, inbox.id))


async def test_poplib_fetches_and_empties_a_mailbox(owner: Owner, store: MailStore) -> None:
    def talk() -> None:
        client = owner.connect(PASSWORD)
        assert client.stat() == (2, sum(map(len, LETTERS)))
        for number, letter in enumerate(LETTERS, 1):
            _, lines, _ = client.retr(number)
            assert b"".join(line + b"\r\n" for line in lines) == letter
            client.dele(number)
        assert len(client.uidl()[1]) == 0
        client.quit()

    await in_thread(talk)
    assert await count(store, owner) == 0


async def test_an_app_password_opens_it_until_it_is_revoked(owner: Owner, database: Database) -> None:
    client = await in_thread(lambda: owner.connect(owner.app_password))
    async with database.transaction() as connection:
        place = (owner.account_id, owner.mailbox_id)
        await revoke_app_password(connection, place, owner.app_password_id, datetime.now(UTC))
    with pytest.raises(poplib.error_proto, match="AUTH"):
        await in_thread(client._getresp)
    client.close()
    with pytest.raises(poplib.error_proto, match="AUTH"):
        await in_thread(lambda: owner.connect(owner.app_password))


async def test_a_wrong_password_is_refused(owner: Owner) -> None:
    with pytest.raises(poplib.error_proto, match="AUTH"):
        await in_thread(lambda: owner.connect("wrong"))


async def test_stls_and_its_capabilities(owner: Owner) -> None:
    def talk() -> None:
        client = poplib.POP3("localhost", owner.running.port, timeout=20)
        assert "STLS" in client.capa()
        client.stls(ssl.create_default_context(cafile=str(owner.running.certificate.cert)))
        assert client.capa()["SASL"] == ["PLAIN"]
        client.user(owner.username)
        client.pass_(owner.app_password)
        assert client.top(2, 1)[1] == [b"Subject: two", b"From: a@b.test", b"", b"."]
        client.quit()

    await in_thread(talk)


async def test_it_says_that_it_is_well(owner: Owner) -> None:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hourpost", "health", "pop3", env=owner.running.environment, stdout=subprocess.PIPE
    )
    assert (await asked.communicate())[0] == b"ok\n"


async def call(*argv: str, environment: dict[str, str] | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *argv, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode("utf-8", "replace")
    return output


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_reads_a_message(owner: Owner) -> None:
    url = f"pop3s://localhost:{owner.running.tls_port}/2"
    trust = ("--cacert", str(owner.running.certificate.cert))
    user = ("--user", f"{owner.username}:{owner.app_password}")
    assert await call("curl", "--silent", "--show-error", *trust, *user, url) == LETTERS[1]


@pytest.mark.skipif(shutil.which("mpop") is None, reason="mpop is not installed")
async def test_mpop_fetches_with_pipelining(owner: Owner, store: MailStore, tmp_path: Path) -> None:
    config, mailbox = tmp_path / "mpoprc", tmp_path / "mbox"
    config.write_text(
        f"account ann\nhost localhost\nport {owner.running.port}\ntls on\ntls_starttls on\npipelining on\n"
        f"tls_trust_file {owner.running.certificate.cert}\nuser {owner.username}\npassword {owner.app_password}\n"
        f"auth plain\nkeep off\ndelivery mbox {mailbox}\nuidls_file {tmp_path / 'uidls'}\n"
    )
    config.chmod(0o600)
    await call("mpop", "--file", str(config), "--all-accounts")
    assert mailbox.read_bytes().count(b"Subject: ") == 2
    assert b"\n.\n..\nbye\n" in mailbox.read_bytes()
    assert await count(store, owner) == 0


@pytest.mark.skipif(shutil.which("fetchmail") is None, reason="fetchmail is not installed")
async def test_fetchmail_fetches_and_deletes(owner: Owner, store: MailStore, tmp_path: Path) -> None:
    config, mailbox = tmp_path / "fetchmailrc", tmp_path / "mbox"
    config.write_text(
        f'poll localhost proto pop3 port {owner.running.tls_port} uidl user "{owner.username}"'
        f' password "{owner.app_password}" ssl sslcertfile "{owner.running.certificate.cert}" sslcertck'
        f' no rewrite fetchall mda "cat >> {mailbox}"\n'
    )
    config.chmod(0o600)
    files = ("--pidfile", str(tmp_path / "pid"), "--idfile", str(tmp_path / "ids"))
    await call("fetchmail", "--fetchmailrc", str(config), *files, environment={"HOME": str(tmp_path)})
    assert mailbox.read_bytes().count(b"Subject: ") == 2
    assert await count(store, owner) == 0


async def test_sigterm_says_goodbye_ends_and_removes_nothing(
    owner: Owner, store: MailStore, database_url: str, redis_url: str, tls: Certificate, tmp_path: Path
) -> None:
    with run(database_url, redis_url, tls, tmp_path) as own:
        owner.running = own
        client = await in_thread(lambda: owner.connect(PASSWORD))
        await in_thread(lambda: client.dele(1))
        own.process.send_signal(signal.SIGTERM)
        with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            await in_thread(client._getresp)
        client.close()
        assert await in_thread(lambda: own.process.wait(20)) == 0
    assert await count(store, owner) == 2
