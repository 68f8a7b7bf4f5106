"""Submission: customers log in and send from their own verified domains (RFC 6409)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from api.smtp.commands import MailRequest, RecipientRequest
from api.smtp.dsn import describe
from api.smtp.message import fingerprint, read_submitted, write_received
from api.smtp.replies import refuse, write_accepted
from api.smtp.sasl import Login
from api.smtp.taken import Taken
from api.smtp.transaction import Transaction
from hourpost.aside import aside
from hourpost.errors import Forbidden, NotAuthenticated
from hourpost.flow.leaving import Accepts
from hourpost.gateways.clock import Clock
from hourpost.rules.addresses import Address
from hourpost.rules.canonical import SubmittedMessage, complete_headers
from hourpost.rules.control import Wishes
from hourpost.rules.ids import new_id, to_message_id, to_text
from hourpost.rules.submission import OnLimit, Order, SendingDomain, Standing, Submission

_WRONG_LOGINS = frozenset({NotAuthenticated.name, "invalid_login", "invalid_api_key"})
_MAY_SEND = frozenset({"full", "sending"})


class Standings(Protocol):
    """Knows credentials."""

    async def by_smtp_login(self, username: str, password: str, peer: str) -> Standing:
        """Whose login this is. Raises: NotAuthenticated, Forbidden, LimitExceeded, ServiceUnavailable."""
        ...


class Submitting:
    """The role of ports 587 and 465."""

    offers_auth = True
    requires_tls = True
    recipients: int | None = None

    def __init__(self, standings: Standings, intake: Accepts, clock: Clock, hostname: str) -> None:
        self._standings = standings
        self._intake = intake
        self._clock = clock
        self._hostname = hostname
        self._taken = Taken("submission")

    async def log_in(self, login: Login, peer: str) -> Standing:
        """Who this is, as of now. Raises: NotAuthenticated, Forbidden, LimitExceeded, ServiceUnavailable."""
        standing = await self._standings.by_smtp_login(login.username, login.password, peer)
        if standing.scope not in _MAY_SEND:
            raise Forbidden("restricted_api_key", "This key may not send.")
        return standing

    def admit_sender(self, standing: Standing | None, request: MailRequest) -> None:
        """Pass a sender of a verified domain, and the null sender of read receipts (RFC 6409 §3.2). Raises: Refusal."""
        if standing is None:
            raise refuse(530, "5.7.0", "authentication required: log in with AUTH first")
        if request.sender is not None:  # else From alone says on whose behalf
            _require_domain(standing, request.sender)

    def admit_recipient(self, standing: Standing | None, transaction: Transaction, request: RecipientRequest) -> None:
        """A customer may write to anybody."""

    async def take(self, login: Login | None, transaction: Transaction, content: bytes) -> bytes:
        """Hand a message to the flow; the reply says its id. Raises: HourpostError, ContentError, Refusal."""
        assert login is not None
        standing = await self._still_in(login, transaction.hop.client_address)
        self.admit_sender(standing, transaction.mail)
        order = await aside(len(content), lambda: self._read_order(standing, transaction, content), standing.account_id)
        receipt = await self._intake.accept(order)
        emails = tuple(to_text("em", placed.email_id) for placed in receipt.placed)
        self._taken.note(transaction, emails, len(content), login.username)
        return write_accepted(receipt)

    async def _still_in(self, login: Login, peer: str) -> Standing:
        """Who this is now; a credential that was revoked ends its session, and the client keeps the message."""
        try:
            return await self.log_in(login, peer)
        except (NotAuthenticated, Forbidden) as error:
            if error.name not in _WRONG_LOGINS:
                raise
            raise refuse(421, "4.7.0", "your access has changed, please log in again", ends=True) from error

    def _read_order(self, standing: Standing, transaction: Transaction, content: bytes) -> Order:
        now = self._clock.now()
        message, wishes = read_submitted(content, now)
        domains = [_require_domain(standing, sender) for sender in message.senders]
        submission = self._submission(transaction, message, domains[0], wishes, now)
        key = standing.key_within(message.idempotency_key)
        digest = fingerprint(content, submission.envelope_from, submission.recipients) if key is not None else b""
        return Order(standing, (submission,), key, digest)

    def _submission(
        self,
        transaction: Transaction,
        message: SubmittedMessage,
        domain: SendingDomain,
        wishes: Wishes,
        now: datetime,
    ) -> Submission:
        email_id = new_id()
        text_id = to_text("em", email_id)
        mail = transaction.mail
        message_id = to_message_id("em", email_id, message.header_from[0].domain)
        complete = complete_headers(message, message_id=message_id, date=now)
        return Submission(
            email_id=email_id,
            source="smtp",
            envelope_from=mail.sender.spec if mail.sender is not None else "",
            recipients=tuple(transaction.recipients),
            header_from=", ".join([address.text for address in message.header_from]),
            from_address=message.header_from[0].spec.lower(),
            domain_id=domain.id,
            subject=message.subject,
            message_id=complete.message_id or "",
            content=write_received(self._hostname, text_id, now, smtputf8=mail.smtputf8) + complete.raw,
            parts=_describe_parts(transaction),
            tags=message.tags or None,
            metadata=message.metadata,
            scheduled_at=wishes.scheduled_at,
            expires_at=wishes.expires_at,
            on_limit=wishes.on_limit or OnLimit.QUEUE,
        )


def _require_domain(standing: Standing, sender: Address) -> SendingDomain:
    domain = standing.sending_domain(sender.domain)
    if domain is None and sender.domain in standing.domains:
        raise refuse(550, "5.7.1", f"this credential may not send from {sender.domain}")
    if domain is None:
        raise refuse(550, "5.7.1", f"{sender.domain} is not a verified domain of this account; cannot send as it")
    if not standing.may_send_as(sender.spec):
        raise refuse(550, "5.7.1", f"{sender.spec} is no address of this mailbox; cannot send as it")
    return domain


def _describe_parts(transaction: Transaction) -> dict[str, Any]:
    mail = transaction.mail
    parts: dict[str, Any] = {"to": list(transaction.recipients), "cc": [], "bcc": [], "reply_to": []}
    dsn = describe(mail.options, {address: one.options for address, one in transaction.recipients.items()})
    if dsn:
        parts["dsn"] = dsn
    if mail.smtputf8:
        parts["smtputf8"] = True
    if mail.body is not None:
        parts["body"] = mail.body
    return parts
