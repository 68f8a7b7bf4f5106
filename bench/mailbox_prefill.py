"""Mailboxes of a fresh account, each with an app password."""

from __future__ import annotations

from datetime import UTC, datetime

from hourpost.database import Database
from hourpost.mailboxes.app_passwords import Service, create_app_password
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from tests.cast import make_account, make_domain


async def add_mailboxes(url: str, count: int) -> list[tuple[str, str]]:
    """Their addresses and passwords."""
    database, now = Database(url, pool_size=2), datetime.now(UTC)
    account = await make_account(database)
    domain = await make_domain(database, account)
    made = []
    async with database.transaction() as connection:
        for number in range(count):
            new = NewMailbox(f"user{number}@{domain.name}", "no password", quota_bytes=100 * 1024**3)
            mailbox = await create_mailbox(connection, account.id, new, now)
            place = (account.id, mailbox.id)
            issued = await create_app_password(connection, place, "bench", [Service.IMAP, Service.POP3], now)
            made.append((mailbox.address, issued.secret))
    await database.close()
    return made
