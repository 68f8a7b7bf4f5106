"""Receive: a message that came from outside, judged, marked and stored; what follows from it shares its commit.

Into mailboxes, on to where they forward; and what it says of mail that we sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from uuid import UUID

import asyncpg

from hourpost.database import Database
from hourpost.errors import Forbidden, HourpostError
from hourpost.flow.forward import Forward, Forwarding
from hourpost.flow.reports import record_report
from hourpost.gateways import metrics
from hourpost.gateways.authentication import Authenticates, Received
from hourpost.gateways.clock import Clock
from hourpost.inbound.addressees import PREFIX, Addressee, find_addressees
from hourpost.inbound.answers import Answer, find_answered, tell_answer
from hourpost.mailboxes.parcels import NewMessage, Target
from hourpost.mailboxes.store import MailStore
from hourpost.rules.authentication import Authentication, write_results
from hourpost.rules.bounces import Report, read_report
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.incoming import Hop, IncomingHeader, read_incoming, without_forged_results, write_trace

_REMEMBERED = 20_000
_REMEMBERED_SECONDS = 2.0  # whether it is still there, and has room, the commit sees

Work = Callable[[asyncpg.Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was said before the message came; ``sender`` is empty for the null sender."""

    hop: Hop
    sender: str
    addressees: tuple[Addressee, ...]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message ready to be stored."""

    id: UUID
    envelope: Envelope
    header: IncomingHeader
    content: bytes = field(repr=False)  # with its trace
    authentication: Authentication | None = None
    report: Report | None = None

    @property
    def is_junk(self) -> bool:
        """Whether it goes to Junk: whose name it bears does not want it delivered."""
        return self.authentication is not None and self.authentication.is_rejected


class Receiver:
    """The door's one way in. One per process and event loop."""

    def __init__(
        self,
        database: Database,
        store: MailStore,
        authenticator: Authenticates,
        forwarding: Forwarding,
        clock: Clock,
        hostname: str,
    ) -> None:
        self._database = database
        self._store = store
        self._authenticator = authenticator
        self._forwarding = forwarding
        self._clock = clock
        self._hostname = hostname
        self._known: dict[str, tuple[float, Addressee]] = {}

    async def find(self, address: str) -> Addressee | None:
        """Whom an address is for; None where it is of no verified domain. Raises: ServiceUnavailable."""
        known = self._known.get(address)
        if known is not None and known[0] > monotonic():
            return known[1]
        async with self._database.reading() as connection:
            found = (await find_addressees(connection, [address])).get(address)
        if found is not None and found.is_open:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[address] = (monotonic() + _REMEMBERED_SECONDS, found)
        return found

    async def receive(self, envelope: Envelope, raw: bytes) -> str:
        """Store a message for all its addressees or for none; gives its id. When this returns, it is committed.

        Raises:
            ContentError: its form, or a loop.
            Forbidden: a report for an address without a mailbox that is not about mail of ours.
            MailboxFull, NotFound: one of the mailboxes; nothing was stored.
            ServiceUnavailable: whether it was stored is then not known.
        """
        header = read_incoming(raw)
        received = Received(
            envelope.hop.client_address, envelope.hop.client_name, envelope.sender, header.from_domains, raw
        )
        found = await self._authenticator.authenticate(received)
        incoming_id = new_id()
        text_id = to_text(PREFIX, incoming_id)
        only = envelope.addressees[0].address if len(envelope.addressees) == 1 else ""
        trace = write_trace(envelope.hop, self._hostname, text_id, envelope.sender, self._clock.now(), only)
        content = trace + write_results(self._hostname, found) + without_forged_results(raw, header, self._hostname)
        report = read_report(raw, header, is_null_sender=not envelope.sender)
        incoming = Incoming(incoming_id, envelope, header, content, found, report)
        await self._keep(incoming)
        metrics.INBOUND_MESSAGES.labels("junk" if incoming.is_junk else "report" if report else "message").inc()
        return text_id

    async def _keep(self, incoming: Incoming) -> None:
        forwards, generations = _forwards(incoming), dict[UUID, int]()
        works = await self._plan(incoming)
        works += [partial(self._forwarding.store, generations=generations, forward=one) for one in forwards]
        await self._store_with(incoming, works)
        if forwards:
            await self._forwarding.tell(forwards, generations)

    async def _store_with(self, incoming: Incoming, works: list[Work]) -> None:
        targets = _targets(incoming)
        if not targets:
            async with self._database.hot_transaction() as connection:
                await _run_all(works, connection)
            return
        new = NewMessage(incoming.content, received_at=self._clock.now())
        also = partial(_run_all, works) if works else None
        for outcome in await self._store.deliver(new, targets, is_whole=True, also=also):
            if isinstance(outcome, HourpostError):
                raise outcome

    async def _plan(self, incoming: Incoming) -> list[Work]:
        """What else is written with the message."""
        works: list[Work] = []
        accounts = dict.fromkeys(one.account_id for one in incoming.envelope.addressees)
        if incoming.report is not None:
            works += [partial(self._report, incoming, incoming.report, account) for account in accounts]
        elif any(not one.is_open for one in incoming.envelope.addressees):
            raise Forbidden(
                "restricted_api_key", "That address takes reports about mail it has sent, and no other mail."
            )
        elif incoming.header.references and not incoming.header.is_automatic and not incoming.is_junk:
            works += await self._plan_answers(incoming, list(accounts))
        return works

    async def _plan_answers(self, incoming: Incoming, accounts: Sequence[UUID]) -> list[Work]:
        works: list[Work] = []
        detail = {
            "from": incoming.header.from_text,
            "subject": incoming.header.subject,
            "message_id": incoming.header.message_id,
            "inbound_id": to_text(PREFIX, incoming.id),
        }
        async with self._database.hot_statements() as connection:
            for account in accounts:
                email_id = await find_answered(connection, account, incoming.header.references)
                if email_id is not None:
                    answer = Answer(account, email_id, incoming.envelope.sender, detail)
                    works.append(partial(tell_answer, answer=answer, now=self._clock.now()))
        return works

    async def _report(
        self, incoming: Incoming, report: Report, account_id: UUID, connection: asyncpg.Connection
    ) -> None:
        source = {"source": "report", "report_id": to_text(PREFIX, incoming.id)}
        told = await record_report(connection, account_id, report, source, self._clock.now())
        if not told and not any(one.is_open for one in incoming.envelope.addressees):
            raise Forbidden("restricted_api_key", "That report is not about an email that left from here.")


async def _run_all(works: Sequence[Work], connection: asyncpg.Connection) -> None:
    for work in works:
        await work(connection)


def _targets(incoming: Incoming) -> list[Target]:
    """The folders it goes to, each mailbox once."""
    targets: dict[UUID, Target] = {}
    for one in incoming.envelope.addressees:
        mailbox = one.mailbox
        if mailbox is None or (mailbox.forward_to and not mailbox.keeps_forwarded and not incoming.is_junk):
            continue
        folder = (mailbox.junk_id if incoming.is_junk else None) or mailbox.inbox_id
        targets[mailbox.mailbox_id] = Target(mailbox.mailbox_id, folder)
    return list(targets.values())


def _forwards(incoming: Incoming) -> list[Forward]:
    """Where it goes on to; junk goes nowhere, and nothing goes twice through one mailbox."""
    if incoming.is_junk:
        return []
    been = {value.strip().lower() for name, value in incoming.header.fields if name == b"delivered-to"}
    mailboxes = {one.mailbox.mailbox_id: one.mailbox for one in incoming.envelope.addressees if one.mailbox}
    return [
        Forward(mailbox, incoming.envelope.sender, incoming.header, incoming.content)
        for mailbox in mailboxes.values()
        if mailbox.forward_to and mailbox.address.encode() not in been
    ]
