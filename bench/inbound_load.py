"""Load on port 25: servers of others that bring mail for mailboxes, in clear and without a login."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from bench.letters import Messages, Sender
from bench.smtp_load import Session, SmtpLoad
from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from hourpost.mailboxes.changes import NewMailbox, create_mailbox

_STRANGER = Sender("ada@elsewhere.test", "")
_QUOTA_BYTES = 10 * 1024**3


class Arrivals(Messages):
    """Messages from elsewhere, to the mailboxes in turn."""

    def __init__(self, addresses: Sequence[str], size_bytes: int, run: str) -> None:
        super().__init__(_STRANGER, size_bytes, run)
        self._addresses = addresses

    def envelope(self, number: int) -> bytes:
        """MAIL, RCPT and DATA."""
        to = self._addresses[number % len(self._addresses)]
        return f"MAIL FROM:<{_STRANGER.address}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()


class InboundLoad(SmtpLoad):
    """Brings messages over ``sessions`` sessions, one under way on each."""

    def __init__(self, port: int, arrivals: Arrivals, sessions: int = 32) -> None:
        super().__init__(port, _STRANGER, arrivals, sessions)

    async def _open(self) -> Session:
        loop = asyncio.get_running_loop()
        _, session = await loop.create_connection(lambda: _Visitor(self), "127.0.0.1", self._port)
        return session


class _Visitor(Session):
    """A session that does not log in."""

    def _introduced(self, line: bytes) -> None:
        self.ready.set_result(None)


async def add_mailboxes(url: str, domain: str, count: int, password: str = "a password of the bench") -> list[str]:
    """Mailboxes of the account that has verified ``domain``; gives their addresses."""
    password_hash = await hash_password(password)
    database = Database(url, pool_size=1, application="bench")
    try:
        account = await _account_of(url, domain)
        addresses = [f"box{number}@{domain}" for number in range(count)]
        async with database.transaction() as connection:
            for address in addresses:
                new = NewMailbox(address, password_hash, quota_bytes=_QUOTA_BYTES)
                await create_mailbox(connection, account, new, datetime.now(UTC))
    finally:
        await database.close()
    return addresses


async def _account_of(url: str, domain: str) -> UUID:
    connection = await asyncpg.connect(url)
    try:
        account: UUID = await connection.fetchval(
            "SELECT account_id FROM domains WHERE name = $1 AND status = 'verified'", domain
        )
    finally:
        await connection.close()
    return account


async def count_messages(url: str, addresses: Sequence[str]) -> int:
    """How many messages lie in the mailboxes."""
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM messages m JOIN folders f ON f.id = m.folder_id"
                " JOIN mailboxes b ON b.id = f.mailbox_id WHERE b.address = ANY($1)",
                addresses,
            )
        )
    finally:
        await connection.close()
