"""`hourpost smtp` itself, on PostgreSQL and Redis: what is answered is stored, and SIGTERM ends it cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.queries import Account
from hourpost.credentials.changes import Issued, revoke_credential
from hourpost.credentials.queries import Kind
from hourpost.database import Database
from hourpost.domains.queries import Domain
from hourpost.rules.ids import from_text
from tests.cast import make_account, make_domain, make_key, make_smtp_login
from tests.fixtures.certificates import Certificate
from tests.fixtures.ports import free_port


@dataclass
class Cast:
    """A customer of the process on ``port``."""

    port: int
    tls: ssl.SSLContext
    database: Database
    account: Account
    domain: Domain
    login: Issued

    def connect(self, username: str | None = None, password: str | None = None) -> smtplib.SMTP:
        smtp = smtplib.SMTP_SSL("localhost", self.port, context=self.tls, timeout=20)
        smtp.login(username or self.login.credential.username or "", password or self.login.secret)
        return smtp

    def send(self, smtp: smtplib.SMTP, *headers: str, body: str = "hello") -> str:
        """The reply to a message of ours to b and c."""
        lines = [f"From: a@{self.domain.name}", "Subject: Real", *headers, "", body, ""]
        smtp.mail(f"bounce@{self.domain.name}")
        smtp.rcpt("b@example.net")
        smtp.rcpt("c@example.net")
        code, reply = smtp.data("\r\n".join(lines))
        return f"{code} {reply.decode()}"

    async def rows(self, statement: str, **values: object) -> list[Any]:
        async with self.database.reading() as connection:
            return list(await connection.execute(text(statement), values))


@dataclass
class Running:
    """`hourpost smtp`, and the port of its submission under TLS."""

    process: subprocess.Popen[bytes]
    port: int


@asynccontextmanager
async def run(
    database_url: str, redis_url: str, tls: Certificate, home: Path, *, inbound: int = 0
) -> AsyncIterator[Running]:
    port = free_port()
    environment = {
        "HOURPOST_HOME": str(home),
        "HOURPOST_HOSTNAME": "mail.test",
        "HOURPOST_DATABASE_URL": database_url,
        "HOURPOST_REDIS_URL": redis_url,
        "HOURPOST_SECRET_KEY": "a secret of the tests, long enough",
        "HOURPOST_SMTP_PORT": str(inbound),
        "HOURPOST_SUBMISSION_PORT": "0",
        "HOURPOST_SUBMISSIONS_PORT": str(port),
        "HOURPOST_TLS_CERTIFICATE": str(tls.cert),
        "HOURPOST_TLS_KEY": str(tls.key),
        "HOURPOST_LOG_LEVEL": "warning",
    }
    process = start({**os.environ, **environment})
    try:
        await listens(port, process)
        yield Running(process, port)
    finally:
        process.kill()
        process.wait(10)


def start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hourpost", "smtp"], env=environment)


@pytest_asyncio.fixture(scope="module")
async def running(
    database_url: str, redis_url: str, tls: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """One process for those who leave it running."""
    async with run(database_url, redis_url, tls, tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest_asyncio.fixture
async def cast(running: Running, database: Database, tls: Certificate) -> Cast:
    account = await make_account(database)
    domain, login = await make_domain(database, account), await make_smtp_login(database, account)
    context = ssl.create_default_context(cafile=str(tls.cert))
    return Cast(running.port, context, database, account, domain, login)


async def listens(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + 20
    while True:
        assert process.poll() is None, "it ended before it listened"
        assert time.monotonic() < ends_at
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def test_what_is_answered_250_is_stored_whole(cast: Cast) -> None:
    reply = await in_thread(lambda: cast.send(cast.connect()))
    assert reply.startswith("250 2.0.0 queued as em_")
    email_id = from_text("em", reply.split()[-1])
    (mail,) = await cast.rows("SELECT * FROM emails WHERE id = :id", id=email_id)
    (chunk,) = await cast.rows("SELECT bytes FROM content_chunks WHERE content_id = :id", id=email_id)
    deliveries = await cast.rows("SELECT address, state FROM deliveries WHERE email_id = :id ORDER BY 1", id=email_id)
    assert (mail.account_id, mail.source, mail.subject) == (cast.account.id, "smtp", "Real")
    assert mail.envelope_from == f"bounce@{cast.domain.name}"
    assert bytes(chunk.bytes).endswith(f"From: a@{cast.domain.name}\r\nSubject: Real\r\n\r\nhello\r\n".encode())
    assert [tuple(row) for row in deliveries] == [("b@example.net", "queued"), ("c@example.net", "queued")]


async def test_a_retry_with_its_key_gets_the_same_id(cast: Cast) -> None:
    def talk() -> list[str]:
        with cast.connect() as smtp:
            first = cast.send(smtp, "Idempotency-Key: k", "Message-ID: <1@x.test>")
            again = cast.send(smtp, "Idempotency-Key: k", "Message-ID: <2@x.test>")
            return [first, again, cast.send(smtp, "Idempotency-Key: k", body="another")]

    first, again, other = await in_thread(talk)
    assert first == again
    assert first.startswith("250 2.0.0 queued as em_")
    assert other.startswith("550 5.5.4")
    assert len(await cast.rows("SELECT 1 FROM emails WHERE account_id = :id", id=cast.account.id)) == 1


async def test_an_api_key_is_a_password_for_any_user(cast: Cast) -> None:
    key = await make_key(cast.database, cast.account)
    reply = await in_thread(lambda: cast.send(cast.connect("resend", key.secret)))
    assert reply.startswith("250")


async def test_over_the_hour_mail_is_held_or_refused_for_now(cast: Cast) -> None:
    async with cast.database.transaction() as connection:
        await connection.execute(text("UPDATE accounts SET own_limit = 3 WHERE id = :id"), {"id": cast.account.id})

    def talk() -> list[str]:
        with cast.connect() as smtp:
            return [cast.send(smtp), cast.send(smtp), cast.send(smtp, "X-On-Limit: reject")]

    first, held, refused = await in_thread(talk)
    assert first.startswith("250 2.0.0 queued as em_")
    assert "; leaves about " in held
    assert held.endswith("Z")
    assert refused.startswith("452 4.4.5")


async def test_a_retry_of_what_is_held_is_told_when_it_leaves_too(cast: Cast) -> None:
    async with cast.database.transaction() as connection:
        await connection.execute(text("UPDATE accounts SET own_limit = 2 WHERE id = :id"), {"id": cast.account.id})

    def talk() -> list[str]:
        with cast.connect() as smtp:
            return [cast.send(smtp)] + [cast.send(smtp, "Idempotency-Key: k") for _ in range(2)]

    _, held, again = await in_thread(talk)
    assert "; leaves about " in held
    assert again == held


async def test_a_revoked_credential_sends_nothing_more(cast: Cast) -> None:
    smtp = await in_thread(cast.connect)
    async with cast.database.transaction() as connection:
        await revoke_credential(connection, cast.account.id, Kind.SMTP, cast.login.credential.id, datetime.now(UTC))
    await asyncio.sleep(0.2)
    assert (await in_thread(lambda: cast.send(smtp))).startswith("421 4.7.0")


async def test_sigterm_says_goodbye_and_ends(
    cast: Cast, database_url: str, redis_url: str, tls: Certificate, tmp_path: Path
) -> None:
    async with run(database_url, redis_url, tls, tmp_path) as own:
        cast.port = own.port
        smtp = await in_thread(cast.connect)
        own.process.send_signal(signal.SIGTERM)
        code, reply = await in_thread(smtp.getreply)
        smtp.close()
        assert (code, reply[:5]) == (421, b"4.3.2")
        assert await in_thread(lambda: own.process.wait(10)) == 0
