"""Sending again: a new email with the content and the recipients of an earlier one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.emails.queries import get_email, read_content
from hourpost.errors import Forbidden, NotFound
from hourpost.rules.ids import new_id
from hourpost.rules.mime import format_date
from hourpost.rules.submission import Order, Standing, Submission

_NEW_EACH_TIME = re.compile(rb"(?im)^(?:message-id|date):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")


async def read_again(connection: AsyncConnection, email_id: UUID, standing: Standing, now: datetime) -> Order:
    """The order that sends an email of the standing's account once more, with a Message-ID and a date of its own.

    What was a test stays one: nothing of it leaves this time either. What was forwarded is a mail of the account's own
    now: it is known by its new Message-ID, and the mailbox needs not get it back.

    Raises: NotFound; Forbidden when its domain is not one to send from any more.
    """
    email = await get_email(connection, standing.account_id, email_id)
    content = await read_content(connection, email)
    if not content:
        raise NotFound("The content of this email is no longer kept, so it cannot be sent again.")
    statement = select(tables.Email.envelope_from, tables.Email.from_address).where(tables.Email.id == email.id)
    envelope_from, from_address = (await connection.execute(statement)).one()
    name = from_address.rpartition("@")[2]
    domain = standing.sending_domain(name)
    if domain is None:
        raise Forbidden("domain_not_verified", f"The domain {name} is not verified for this account any more.")
    new, is_forward = new_id(), email.source == "forward"
    message_id = f"<{new.hex}@{domain.name}>"
    submission = Submission(
        email_id=new,
        source="mailbox" if is_forward else email.source,
        envelope_from=envelope_from,
        recipients=tuple(one.address for one in email.deliveries),
        header_from=email.header_from,
        from_address=from_address,
        domain_id=domain.id,
        subject=email.subject,
        message_id=message_id,
        content=_renew(content, message_id, now),
        parts={name: part for name, part in email.parts.items() if not (is_forward and name == "dsn")},
        tags=email.tags,
        metadata=email.metadata,
    )
    return Order(replace(standing, test=standing.test or email.test), (submission,))


def _renew(content: bytes, message_id: str, now: datetime) -> bytes:
    """The content with another Message-ID and date: receivers fold what has the same one."""
    head, separator, body = content.partition(b"\r\n\r\n")
    kept = _NEW_EACH_TIME.sub(b"", head + b"\r\n")
    new = f"Message-ID: {message_id}\r\nDate: {format_date(now)}\r\n".encode()
    return new + kept.removesuffix(b"\r\n") + separator + body
