"""RETR of a whole mailbox, pipelined and one by one, beside Dovecot where installed: ``python -m bench.pop3``.

1,000 messages of 7 KB on loopback, TLS off on both sides; both take turns.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

from bench.dovecot import PASSWORD, Dovecot, is_installed
from hourpost.accounts.changes import NewAccount, create_account
from hourpost.database import Database
from hourpost.domains.changes import Findings, add_domain, prepare_domain, record_findings
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import spawn, stop, wait_until_ready
from hourpost.embedded.redis import EmbeddedRedis
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from migrations.upgrade import upgrade

MESSAGES = 1000
ROUNDS = 7


class Client:
    """A client that counts bytes and looks at none of them."""

    def __init__(self, port: int, user: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read(b"\r\n")
        for line in (f"USER {user}", f"PASS {PASSWORD}"):
            self.ask(line.encode(), b"\r\n")

    def ask(self, line: bytes, end: bytes) -> int:
        """The size of one answer."""
        self._socket.sendall(line + b"\r\n")
        return self._read(end)

    def retrieve_pipelined(self) -> int:
        """The size of all messages, asked for in one write."""
        self._socket.sendall(b"".join(b"RETR %d\r\n" % number for number in range(1, MESSAGES + 1)) + b"NOOP\r\n")
        return self._read(b"\r\n.\r\n+OK\r\n")

    def retrieve_in_turn(self) -> int:
        """The size of all messages, each asked for when the one before is here."""
        return sum(self.ask(b"RETR %d" % number, b"\r\n.\r\n") for number in range(1, MESSAGES + 1))

    def close(self) -> None:
        """Leave, and delete nothing."""
        self.ask(b"RSET", b"\r\n")
        self.ask(b"QUIT", b"\r\n")
        self._socket.close()

    def _read(self, end: bytes) -> int:
        size, tail = 0, b""
        while not tail.endswith(end):
            came = self._socket.recv(1 << 20)
            if not came:
                raise ConnectionError(f"the server closed after {tail[-80:]!r}")
            size += len(came)
            tail = tail[-16:] + came[-200:]
        return size


def rate(port: int, user: str, retrieve: Callable[[Client], int]) -> float:
    """Messages a second."""
    client = Client(port, user)
    began_at = time.perf_counter()
    size = retrieve(client)
    seconds = time.perf_counter() - began_at
    client.close()
    assert size > MESSAGES * 6000, size
    return MESSAGES / seconds


def letter(number: int) -> bytes:
    """A message of about 7 KB."""
    head = (
        f"Received: from mx.example.net by mail.bench.test with ESMTPS id {number}; Mon, 1 Jun 2026 10:00:00 +0000\r\n"
        f"Date: Mon, 1 Jun 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.net>\r\nTo: Bob <bob@bench.test>\r\n"
        f"Subject: Letter number {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\n"
    )
    return (head + f"The quick brown fox number {number} jumps over the lazy dog, again.\r\n" * 105).encode()


async def make_mailbox(database: Database) -> UUID:
    """A mailbox on a domain of its own."""
    now = datetime.now(UTC)
    domain = await prepare_domain("bench.test", Cipher("a secret of the bench, long enough"))
    async with database.transaction() as connection:
        account = await create_account(connection, NewAccount("Bench", "bench@bench.test", "path"), now)
        added = await add_domain(connection, account.id, domain, now)
        await record_findings(connection, account.id, added.id, Findings(owned=True, signs=True), now)
        mailbox = await create_mailbox(connection, account.id, NewMailbox("bob@bench.test", "no hash"), now)
    return mailbox.id


async def fill(database_url: str, redis_url: str, contents: list[bytes]) -> UUID:
    """A mailbox with these messages."""
    database = Database(database_url)
    await upgrade(database)
    store = MailStore(database, RedisFolderFeed(redis_url), SystemClock())
    await store.start()
    mailbox_id = await make_mailbox(database)
    inbox_id = (await store.read(get_folder, mailbox_id, "INBOX")).id
    for start in range(0, len(contents), 500):
        await store.append_all(mailbox_id, inbox_id, [NewMessage(one) for one in contents[start : start + 500]])
    await store.stop()
    await database.close()
    return mailbox_id


def compare(port: int, mailbox_id: UUID, dovecot: Dovecot | None) -> None:
    """Print the median of some rounds, in which both take turns."""
    for name, retrieve in (("pipelined", Client.retrieve_pipelined), ("one by one", Client.retrieve_in_turn)):
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append(rate(port, str(mailbox_id), retrieve))
            if dovecot is not None:
                theirs.append(rate(dovecot.pop3_port, "ann", retrieve))
        line = f"POP3 RETR, {name:<12} {median(mine):>10,.0f} msg/s"
        if theirs:
            line += f"   Dovecot {median(theirs):>10,.0f}   ratio {median(mine) / median(theirs):.2f}"
        print(line, flush=True)


def main() -> None:
    """Prepare both, measure, end."""
    contents = [letter(number) for number in range(MESSAGES)]
    with tempfile.TemporaryDirectory(prefix="hourpost-pop3-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Dovecot works as another user
        postgres, redis = EmbeddedPostgres(folder / "postgres"), EmbeddedRedis(folder / "redis")
        programs = [postgres.program(), redis.program()]
        children = [spawn(program, output=subprocess.DEVNULL) for program in programs]
        dovecot = Dovecot(folder / "dovecot") if is_installed() else None
        try:
            for program, child in zip(programs, children, strict=True):
                wait_until_ready(program, child)
            mailbox_id = asyncio.run(fill(postgres.url(), redis.url(), contents))
            if dovecot is not None:
                dovecot.start()
                dovecot.fill("ann", contents)
            argv = [sys.executable, "-m", "bench.pop3_door", postgres.url(), redis.url()]
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as door:
                assert door.stdout is not None
                compare(int(door.stdout.readline()), mailbox_id, dovecot)
                door.kill()
        finally:
            if dovecot is not None:
                dovecot.stop()
            for program, child in zip(programs, children, strict=True):
                stop(program, child)


if __name__ == "__main__":
    main()
