"""Keep: a message that is ready goes into its mailboxes, and what follows from it shares its commit.

To the webhooks of routes, on to where a mailbox forwards it, and into the events of our own mail that it answers or
reports on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic
from uuid import UUID

import asyncpg

from hourpost.database import Database, HotStatement
from hourpost.errors import Forbidden, HourpostError, NotFound, ServiceUnavailable
from hourpost.flow.auto_reply import Reply, list_replies
from hourpost.flow.forward import Forward, Forwarding
from hourpost.flow.reports import is_about_forward, record_report
from hourpost.gateways.authentication.dmarc_policies import organisation_of
from hourpost.gateways.clock import Clock
from hourpost.inbound.addressees import PREFIX, Addressee, Route, find_addressees, find_postmaster
from hourpost.inbound.answers import Answer, find_answered, tell_answer
from hourpost.inbound.arrivals import Arrival, store_arrival
from hourpost.mailboxes.auto_replies import AlreadyReplied
from hourpost.mailboxes.parcels import NewMessage, Target, address_moved
from hourpost.mailboxes.queries import Recipient
from hourpost.mailboxes.store import MailStore
from hourpost.rules.authentication import Authentication
from hourpost.rules.bounces import Report
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.incoming import IncomingHeader

_SMALL_BYTES = 256 * 1024
_REMEMBERED = 20_000
_REMEMBERED_SECONDS = 2.0  # whether it is still there, and has room, the commit sees

_DISOWNED = HotStatement(
    "SELECT 1 FROM unnest(CAST(:names AS text[]), CAST(:accounts AS uuid[])) AS w(name, account) WHERE NOT EXISTS"
    " (SELECT FROM domains d WHERE d.name = w.name AND d.account_id = w.account AND d.status = 'verified') LIMIT 1"
)

_OF_SERVERS = re.compile(r"mailer-daemon|postmaster|abuse|microsoftexchange[0-9a-f]+")

Work = Callable[[asyncpg.Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message ready to be stored for ``addressees``; ``sender`` is empty for the null sender.

    ``content_id`` is for who wants to find it again; with ``is_stored`` its bytes are there already.
    """

    id: UUID
    sender: str
    addressees: tuple[Addressee, ...]
    header: IncomingHeader
    content: bytes = field(repr=False)  # with its trace
    authentication: Authentication | None = None
    report: Report | None = None
    content_id: UUID | None = None
    is_stored: bool = False

    @property
    def is_junk(self) -> bool:
        """Whether it goes to Junk: whose name it bears does not want it delivered as if it were theirs."""
        return self.authentication is not None and self.authentication.is_unwanted

    @property
    def may_answer(self) -> bool:
        """Whether somebody has written it, and as an answer to something: no machine has a null sender for that."""
        return bool(self.header.references and self.sender and not self.header.is_automatic and not self.is_junk)

    @property
    def speaks_for(self) -> str:
        """The From domain, where those who run its mail are known to have written this; else empty.

        Users of a domain send from its servers too, so the name has to be one that no user has.
        """
        author = self.header.find_author()
        if self.authentication is None or author is None or (author.domain,) != self.header.from_domains:
            return ""
        is_theirs = self.authentication.is_from(author.domain, organisation_of)
        return author.domain if _OF_SERVERS.fullmatch(author.local.lower()) and is_theirs else ""

    @property
    def is_trusted(self) -> bool:
        """Whether nothing says that its sender is another one."""
        return not self.is_junk and (self.authentication is None or self.authentication.spf.result != "fail")


class Keeper:
    """One per process and event loop."""

    def __init__(self, database: Database, store: MailStore, forwarding: Forwarding, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._forwarding = forwarding
        self._clock = clock
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

    async def find_postmaster(self, chosen: str) -> Addressee | None:
        """Who reads what is for a postmaster without a mailbox; ``chosen`` may be empty. Raises: ServiceUnavailable."""
        async with self._database.reading() as connection:
            return await find_postmaster(connection, chosen)

    async def keep(self, incoming: Incoming) -> None:
        """Store a message for all its addressees or for none; when this returns, it is committed.

        Raises:
            Forbidden: for an address without a mailbox, what is no report about mail of ours.
            MailboxFull: one of the mailboxes.
            ServiceUnavailable: whether it was stored is then not known; or a folder has gone since it was looked up.
        """
        works, replies = await self._plan(incoming), await self._list_replies(incoming)
        try:
            await self._keep(incoming, works, replies)
        except AlreadyReplied:
            await self._keep(incoming, works, [])
        except NotFound as error:  # Junk, which not every mailbox has: next time it goes to INBOX
            self._known.clear()
            raise ServiceUnavailable("The mailbox is changing.", retry_after_seconds=2, cause=repr(error)) from error

    async def _keep(self, incoming: Incoming, works: list[Work], replies: list[Reply]) -> None:
        forwards = await self._list_forwards(incoming)
        leaving = [one.leaving for one in forwards] + [one.leaving for one in replies]
        if not leaving:
            return await self._store_with(incoming, (), works)
        notes = [partial(one.note, now=self._clock.now()) for one in replies]
        async with self._forwarding.onward(leaving) as onward:
            going_on = {one.mailbox.mailbox_id for one in forwards if onward.reaches_all(one.mailbox)}
            await self._store_with(incoming, going_on, [*works, *notes, onward.store])

    async def _store_with(self, incoming: Incoming, forwarded: Collection[UUID], works: list[Work]) -> None:
        targets = _targets(incoming, forwarded)
        if apart := _unchecked(incoming, targets):
            works = [partial(_check_owners, apart), *works]
        if not targets:
            async with self._database.hot_transaction() as connection:
                await _run_all(works, connection)
            return
        new = NewMessage(incoming.content, received_at=self._clock.now(), content_id=incoming.content_id)
        also = partial(_run_all, works) if works else None
        stored_id = incoming.content_id if incoming.is_stored else None
        for outcome in await self._store.deliver(new, targets, stored_content_id=stored_id, is_whole=True, also=also):
            if isinstance(outcome, HourpostError):
                raise outcome

    async def _plan(self, incoming: Incoming) -> list[Work]:
        """What else is written with the message."""
        works: list[Work] = []
        accounts = dict.fromkeys(one.account_id for one in incoming.addressees)
        if incoming.report is not None:
            works += [partial(self._report, incoming, incoming.report, account) for account in accounts]
        elif any(not one.is_open for one in incoming.addressees):
            raise Forbidden(
                "restricted_api_key", "That address takes reports about mail it has sent, and no other mail."
            )
        elif incoming.may_answer:
            works += await self._plan_answers(incoming, list(accounts))
        return works + await self._plan_arrivals(incoming)

    async def _list_forwards(self, incoming: Incoming) -> list[Forward]:
        """What goes on; nothing that tells of what went on before, and would go the same way in vain."""
        forwards = _forwards(incoming)
        if not forwards or incoming.report is None:
            return forwards
        async with self._database.hot_statements() as connection:
            return [one for one in forwards if not await _tells_of(connection, one.mailbox, incoming.report)]

    async def _list_replies(self, incoming: Incoming) -> list[Reply]:
        """What is answered by itself: nothing to whom another may have used the name of."""
        answering = [one for one in incoming.addressees if one.mailbox and one.mailbox.has_auto_reply]
        if not answering or not incoming.sender or incoming.report is not None or not incoming.is_trusted:
            return []
        async with self._database.hot_statements() as connection:
            return await list_replies(connection, answering, incoming.sender, incoming.header, self._clock.now())

    async def _plan_arrivals(self, incoming: Incoming) -> list[Work]:
        """What the webhooks of routes are told is read before any lock is taken; each address counts once."""
        works: list[Work] = []
        now = self._clock.now()
        for one in {one.address.lower(): one for one in incoming.addressees}.values():
            if one.route is not None:
                # The first is known by the id that stands in its trace and in `email.replied`
                arrival_id = new_id() if works or incoming.content_id is not None else incoming.id
                arrival = _arrival(incoming, arrival_id, one, one.route, now)
                is_small = len(arrival.content) <= _SMALL_BYTES
                told = arrival.tell() if is_small else await asyncio.to_thread(arrival.tell)
                works.append(partial(store_arrival, arrival=arrival, told=told))
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
                    answer = Answer(account, email_id, incoming.sender, detail)
                    works.append(partial(tell_answer, answer=answer, now=self._clock.now()))
        return works

    async def _report(
        self, incoming: Incoming, report: Report, account_id: UUID, connection: asyncpg.Connection
    ) -> None:
        source = {"source": "report", "report_id": to_text(PREFIX, incoming.id)}
        now, domain = self._clock.now(), incoming.speaks_for
        is_ours = await record_report(connection, account_id, report, source, now, speaks_for=domain)
        if not is_ours and not any(one.is_open for one in incoming.addressees):
            raise Forbidden("restricted_api_key", "That report is not about an email that left from here.")


async def _run_all(works: Sequence[Work], connection: asyncpg.Connection) -> None:
    for work in works:
        await work(connection)


async def _check_owners(addressees: Sequence[Addressee], connection: asyncpg.Connection) -> None:
    """For those of whom no mailbox asks whose their address is as it stores. Raises: ServiceUnavailable."""
    names, accounts = [_domain(one) for one in addressees], [one.account_id for one in addressees]
    if await _DISOWNED.run(connection, {"names": names, "accounts": accounts}):
        raise address_moved()


async def _tells_of(connection: asyncpg.Connection, mailbox: Recipient, report: Report) -> bool:
    return await is_about_forward(connection, mailbox.account_id, mailbox.mailbox_id, report)


def _targets(incoming: Incoming, forwarded: Collection[UUID]) -> list[Target]:
    """The folders it goes to, each mailbox once; a mailbox that has no copies keeps what does not go on from it."""
    targets: dict[UUID, Target] = {}
    for one in incoming.addressees:
        mailbox = one.mailbox
        if mailbox is None or _is_uncopied(mailbox, forwarded):
            continue
        folder = (mailbox.junk_id if incoming.is_junk else None) or mailbox.inbox_id
        targets[mailbox.mailbox_id] = Target(mailbox.mailbox_id, folder, domain=_domain(one))
    return list(targets.values())


def _unchecked(incoming: Incoming, targets: Sequence[Target]) -> list[Addressee]:
    """Those without a copy, and those whose mailbox is addressed in another domain as well: a target asks for one."""
    asked = {target.mailbox_id: target.domain for target in targets}
    return [
        one
        for one in incoming.addressees
        if one.mailbox is not None and asked.get(one.mailbox.mailbox_id) != _domain(one)
    ]


def _is_uncopied(mailbox: Recipient | None, forwarded: Collection[UUID]) -> bool:
    return mailbox is not None and mailbox.mailbox_id in forwarded and not mailbox.keeps_forwarded


def _domain(one: Addressee) -> str:
    return one.address.rpartition("@")[2].lower()


def _arrival(
    incoming: Incoming, arrival_id: UUID, addressee: Addressee, route: Route, received_at: datetime
) -> Arrival:
    return Arrival(
        id=arrival_id,
        route=route,
        recipient=addressee.address.lower(),
        envelope_from=incoming.sender,
        header_from=incoming.header.from_text,
        subject=incoming.header.subject,
        message_id=incoming.header.message_id,
        authentication=incoming.authentication,
        content=incoming.content,
        received_at=received_at,
    )


def _forwards(incoming: Incoming) -> list[Forward]:
    """Where it goes on to; junk goes nowhere, and nothing goes twice through one mailbox."""
    if incoming.is_junk:
        return []
    been = {value.strip().lower() for name, value in incoming.header.fields if name == b"delivered-to"}
    mailboxes = {one.mailbox.mailbox_id: one.mailbox for one in incoming.addressees if one.mailbox}
    return [
        Forward(mailbox, incoming.sender, incoming.header, incoming.content)
        for mailbox in mailboxes.values()
        if mailbox.forward_to and mailbox.address.encode() not in been
    ]
