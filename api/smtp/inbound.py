"""Port 25: takes mail for the mailboxes and routes of verified domains, and relays for nobody (RFC 5321)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID

from api.smtp.commands import MailRequest, RecipientRequest
from api.smtp.replies import Refusal, refuse, write_reply
from api.smtp.sasl import Login
from api.smtp.taken import Taken
from api.smtp.transaction import Transaction
from hourpost.errors import Forbidden, MailboxFull, NotAuthenticated
from hourpost.flow.receive import Envelope
from hourpost.gateways.metrics import INBOUND_RECIPIENTS
from hourpost.inbound.addressees import Addressee
from hourpost.mailboxes.queries import Recipient
from hourpost.rules.submission import MAX_MESSAGE_BYTES, Standing

_TRACE_BYTES = 1024  # the headers that we put on top count too: without them a message would pass here and never fit
_NO_RELAYING = "relaying denied: customers send over the submission ports 587 and 465"


class Receives(Protocol):
    """The way in."""

    async def find(self, address: str) -> Addressee | None:
        """Whom an address is for; None where it is of no verified domain. Raises: ServiceUnavailable."""
        ...

    async def find_postmaster(self, address: str, *, is_hosted: bool) -> Addressee | None:
        """Who reads for a postmaster without a mailbox; None for all other addresses. Raises: ServiceUnavailable."""
        ...

    async def receive(self, envelope: Envelope, raw: bytes) -> str:
        """Store a message; gives its id. Raises: ContentError, HourpostError."""
        ...


class Inbound:
    """The role of port 25."""

    offers_auth = False
    requires_tls = False
    recipients: int | None = 100  # RFC 5321 §4.5.3.1.8

    def __init__(self, receiver: Receives) -> None:
        self._receiver = receiver
        self._taken = Taken("incoming")

    async def log_in(self, login: Login, peer: str) -> Standing:
        """Nobody logs in here. Raises: NotAuthenticated."""
        raise NotAuthenticated("Log in on the submission ports.")

    def admit_sender(self, standing: Standing | None, request: MailRequest) -> None:
        """Anybody may begin, also with the null sender."""

    def admit_recipient(
        self, standing: Standing | None, transaction: Transaction, request: RecipientRequest
    ) -> Coroutine[Any, Any, None]:
        """Pass those who have a mailbox or a route here, and have room. Raises, when awaited: Refusal."""
        return self._find(transaction, request)

    async def _find(self, transaction: Transaction, request: RecipientRequest) -> None:
        address = request.address.spec
        found = await self._receiver.find(address)
        if found is None or not (found.is_open or transaction.mail.sender is None):
            found = await self._receiver.find_postmaster(address, is_hosted=found is not None) or found
        refusal = _why_not(found, address, transaction.mail) or _why_alone(found, transaction)
        INBOUND_RECIPIENTS.labels(refusal.reply[:9].decode("ascii") if refusal else "250 2.1.5").inc()
        if refusal is not None:
            raise refusal
        if found is not None and address not in transaction.recipients:
            transaction.addressees.append(found)

    async def take(self, login: Login | None, transaction: Transaction, content: bytes) -> bytes:
        """Have a message stored for all its recipients. Raises: ContentError, Refusal, HourpostError."""
        sender = transaction.mail.sender
        envelope = Envelope(transaction.hop, sender.spec if sender else "", tuple(transaction.addressees))
        try:
            incoming_id = await self._receiver.receive(envelope, content)
        except MailboxFull as error:
            raise refuse(452, "4.2.2", "a mailbox is full") from error
        except Forbidden as error:
            raise refuse(550, "5.1.1", error.message) from error
        self._taken.note(transaction, (incoming_id,), len(content), None)
        return write_reply(250, "2.0.0", f"stored as {incoming_id}")


def _why_not(found: Addressee | None, address: str, mail: MailRequest) -> Refusal | None:
    """Why a recipient gets nothing. The null sender may report on mail that any address of a domain has sent."""
    if found is None:
        return refuse(550, "5.7.1", _NO_RELAYING)
    if not found.is_open and mail.sender is not None:
        return refuse(550, "5.1.1", f"there is no mailbox {address} here")
    mailbox = found.mailbox
    if mailbox is not None and mailbox.used_bytes + mail.size_bytes + _TRACE_BYTES > mailbox.quota_bytes:
        return refuse(452, "4.2.2", "the mailbox is full")
    return None


def _why_alone(found: Addressee | None, transaction: Transaction) -> Refusal | None:
    """Why a recipient is to come in a transaction of its own: there is one answer to a message for all.

    An address that takes reports only would refuse any other mail for all of them, and without a word on its size, one
    mailbox that turns out to be too full for it would take all others along.
    """
    if found is None:
        return None
    if any(_asked_of(one) != _asked_of(found) for one in transaction.addressees):
        return refuse(452, "4.5.3", "send it by itself: that address, or one before, takes reports only")
    if transaction.mail.size_bytes or found.mailbox is None:
        return None
    mailboxes = {one.mailbox.mailbox_id: one.mailbox for one in transaction.addressees if one.mailbox is not None}
    if found.mailbox.mailbox_id in mailboxes:
        return None
    if mailboxes and any(map(_may_be_too_full, (found.mailbox, *mailboxes.values()))):
        return refuse(452, "4.5.3", "say its SIZE, or send it by itself: a mailbox may be too full for it")
    return None


def _asked_of(one: Addressee) -> UUID | None:
    """Whose mail a report has to be about; None for an address that takes any mail."""
    return None if one.is_open else one.account_id


def _may_be_too_full(mailbox: Recipient) -> bool:
    return mailbox.used_bytes + MAX_MESSAGE_BYTES + _TRACE_BYTES > mailbox.quota_bytes
