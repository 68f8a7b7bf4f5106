"""The mail that Hourpost has written to somebody: the newest one that the intake has stored."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from hourpost.database import Database
from hourpost.settings import EMBEDDED_DOMAIN

_NEWEST = text(
    "SELECT e.id, e.content_id, e.subject FROM emails e JOIN deliveries d ON d.email_id = e.id"
    " WHERE d.address = :address ORDER BY e.id DESC LIMIT 1"
)
_OWN_DOMAIN = text("UPDATE domains SET status = :status WHERE name = :name")
_CHUNKS = text("SELECT bytes FROM content_chunks WHERE content_id = :id ORDER BY number")


async def newest_mail(database: Database, address: str) -> tuple[str, str]:
    """Subject and text. Some mails are written once the answer has left, so it is waited for."""
    deadline = time.monotonic() + 20
    while (row := await _newest(database, address)) is None:
        assert time.monotonic() < deadline, f"nothing was mailed to {address}"
        await asyncio.sleep(0.02)
    async with database.reading() as connection:
        chunks = (await connection.execute(_CHUNKS, {"id": row.content_id})).scalars().all()
    message = email.message_from_bytes(b"".join(chunks), policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return row.subject, body.get_content()


async def _newest(database: Database, address: str) -> Any:
    async with database.reading() as connection:
        return (await connection.execute(_NEWEST, {"address": address})).one_or_none()


@asynccontextmanager
async def own_mail_stopped(database: Database) -> AsyncIterator[None]:
    """Meanwhile our own mail has no way out, as where nobody has set whom it is from."""
    await _set_own_domain(database, "pending")
    try:
        yield
    finally:
        await _set_own_domain(database, "verified")


async def _set_own_domain(database: Database, status: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(_OWN_DOMAIN, {"status": status, "name": EMBEDDED_DOMAIN})


async def link_in(database: Database, address: str) -> str:
    """Path and query of the link in the newest mail."""
    found = re.search(r"https?://[^/\s]+(/\S+)", (await newest_mail(database, address))[1])
    assert found is not None
    return found.group(1)
