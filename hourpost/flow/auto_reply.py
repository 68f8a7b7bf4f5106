"""Auto-reply: what a mailbox answers by itself to a message that comes in, as an email of its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from asyncpg import Connection

from hourpost.flow.forward import Leaving
from hourpost.inbound.addressees import Addressee
from hourpost.mailboxes.auto_replies import AutoReplier, find_auto_repliers, note_auto_reply
from hourpost.rules.addresses import Address, AddressError, parse_address
from hourpost.rules.auto_reply import may_be_answered, write_reply
from hourpost.rules.header_text import find_unsafe
from hourpost.rules.ids import new_id, to_message_id
from hourpost.rules.incoming import IncomingHeader
from hourpost.rules.submission import SendingDomain, Submission

SOURCE = "auto_reply"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that nobody wrote, and whose it is."""

    mailbox_id: UUID
    sender: str
    leaving: Leaving

    async def note(self, connection: Connection, now: datetime) -> None:
        """Write down who was told. Raises: AlreadyReplied."""
        await note_auto_reply(connection, self.mailbox_id, self.sender, now)


async def list_replies(
    connection: Connection, addressees: Sequence[Addressee], sender: str, header: IncomingHeader, now: datetime
) -> list[Reply]:
    """The auto-replies that a message calls forth, one a mailbox."""
    asked = {one.mailbox.mailbox_id: one.address.lower() for one in addressees if one.mailbox}
    try:
        receiver = parse_address(sender)
    except AddressError:
        return []
    replies = []
    for one in await find_auto_repliers(connection, list(asked), sender, now):
        # One that gets the rest of its domain is known by what was written to, too
        if may_be_answered(header, sender, {*one.own, asked[one.mailbox_id]}):
            replies.append(_reply(one, _giver(one, asked[one.mailbox_id]), receiver, header, now))
    return replies


def _giver(one: AutoReplier, asked: str) -> Address:
    """The mailbox by the address that was written to, where that is its own."""
    address = parse_address(asked if asked in one.own else one.own[0])
    return address if find_unsafe(one.name) else replace(address, display_name=one.name)


def _reply(one: AutoReplier, giver: Address, receiver: Address, header: IncomingHeader, now: datetime) -> Reply:
    email_id = new_id()
    message_id = to_message_id("em", email_id, giver.domain)
    subject, content = write_reply(one.reply, header, (giver, receiver), message_id, now)
    submission = Submission(
        email_id=email_id,
        source=SOURCE,
        envelope_from="",  # nobody is to hear of a failure, and no machine to answer (RFC 5230 §5.1)
        recipients=(receiver.spec,),
        header_from=giver.text,
        from_address=giver.spec,
        domain_id=one.domain_id,
        subject=subject,
        message_id=message_id,
        content=content,
        parts={"to": [receiver.text], "cc": [], "bcc": [], "reply_to": []},
    )
    domain = SendingDomain(one.domain_id, giver.domain, one.signs)
    return Reply(one.mailbox_id, receiver.spec, Leaving(one.account_id, submission, domain))
