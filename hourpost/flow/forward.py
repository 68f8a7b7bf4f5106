"""Forward: what leaves because a message came in: it goes on from its mailbox, or is answered, as an email.

That takes its tokens as any other email of the account does, and is stored in the transaction of the message itself:
queued as far as the hour has room, held for the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database, HotStatement
from hourpost.errors import RolledBack, ServiceUnavailable
from hourpost.flow import placing
from hourpost.flow.earlier import find_earlier
from hourpost.flow.store import FORWARD, Bundle, Fate, Stored, store
from hourpost.flow.teller import Teller
from hourpost.gateways import metrics
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.mailboxes.queries import Recipient
from hourpost.rules.delivery_state import State
from hourpost.rules.hour_tokens import Answer, Take, Taken
from hourpost.rules.ids import new_id
from hourpost.rules.incoming import IncomingHeader
from hourpost.rules.plans import hourly_limit
from hourpost.rules.submission import Order, SendingDomain, Standing, Submission
from hourpost.seldom import Seldom

HELD_CHANNEL = "held"
"""PostgreSQL's NOTIFY of an account of which something is held that may have room: the schedule listens."""

Ring = Callable[[Iterable[UUID]], None]
"""Tells the workers that deliveries of these emails are due; returns at once and never raises."""

_RING = HotStatement(
    "SELECT pg_notify(CAST(:channel AS text), account) FROM unnest(CAST(:accounts AS text[])) AS w(account)"
)
_LIMITS = HotStatement("SELECT id, plan, own_limit, suspended_at FROM accounts WHERE id = ANY(:accounts::uuid[])")

log = structlog.get_logger()
_say_uncounted = Seldom("the hour cannot be counted: holding what goes on")


@dataclass(frozen=True, slots=True)
class Leaving:
    """An email that leaves an account by itself; what it says is the account's own where it has a ``domain``.

    ``mailbox_id``: whose INBOX is told where it does not arrive.
    """

    account_id: UUID
    submission: Submission
    domain: SendingDomain | None = None
    mailbox_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """A message and the mailbox that sends it on. ``sender`` is empty where nobody is to hear of a failure."""

    mailbox: Recipient
    sender: str
    header: IncomingHeader
    content: bytes = field(repr=False)
    id: UUID = field(default_factory=new_id)

    @property
    def leaving(self) -> Leaving:
        """What leaves."""
        return Leaving(self.mailbox.account_id, _submission(self), mailbox_id=self.mailbox.mailbox_id)


@dataclass(slots=True, eq=False)
class _Share:
    """What of a message goes on from one account, and what the hour has said of it."""

    order: Order
    request: placing.Request
    answers: tuple[Answer, ...]
    taken: Taken | None = None
    generation: int | None = None  # of the account's bucket when it was stored
    emails: tuple[Stored, ...] = ()

    @property
    def account(self) -> UUID:
        return self.order.standing.account_id

    @property
    def unseen(self) -> int:
        """How many wait of which the bucket knows nothing: it was not asked, or its waiting room is full."""
        asked = zip(self.request.wants, self.answers, strict=True)
        return sum(want.tokens for want, answer in asked if self.taken is None or answer.refusal is not None)

    def wait(self) -> None:
        """Hold all of it, as if the hour had not been asked."""
        self.taken, self.answers = None, placing.held_answers(self.request)

    @property
    def queued(self) -> list[UUID]:
        """The emails of which something leaves now."""
        return [one.submission.email_id for one in self.emails if any(row.state is State.QUEUED for row in one.rows)]


class Onward:
    """What leaves because of one message, the tokens taken; ``store`` is what is written with the message."""

    def __init__(self, shares: Sequence[_Share], suppressed: placing.Suppressed, teller: Teller, now: datetime) -> None:
        self.shares = shares
        self._suppressed = suppressed
        self._teller = teller
        self._now = now

    def reaches_all(self, mailbox: Recipient) -> bool:
        """Whether nobody whom a mailbox forwards to is suppressed."""
        return not any((mailbox.account_id, address.lower()) in self._suppressed for address in mailbox.forward_to)

    async def store(self, connection: asyncpg.Connection) -> None:
        """Store them in the caller's transaction, which may be tried again; what was taken in vain is held."""
        fates = await self._write(connection, self.shares)
        void = [share for share, fate in zip(self.shares, fates, strict=True) if not fate.is_confirmed]
        if void:  # as in accept: nobody is filling the bucket, or somebody just has
            self._teller.doubt(share.account for share in void)
            for share in void:
                share.wait()
            await self._write(connection, void)

    async def _write(self, connection: asyncpg.Connection, shares: Sequence[_Share]) -> list[Fate]:
        bundles = []
        for share in shares:
            placement = placing.place(
                share.order, share.request, share.answers, share.taken, self._suppressed, self._now
            )
            share.emails = placement.stored
            bundles.append(Bundle(share.order, share.taken.reading.generation if share.taken else None, share.emails))
        unseen = [share.account for share in shares if share.unseen]
        fates = (await store(connection, bundles, unseen, self._now)).fates
        for share, fate in zip(shares, fates, strict=True):
            share.generation = fate.generation
        return fates


class Forwarding:
    """Takes the tokens of what goes on, and tells the workers, the buckets and the schedule once it is stored."""

    def __init__(self, database: Database, hour: Hour, ring: Ring, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._teller = Teller(hour, database, clock)

    @asynccontextmanager
    async def onward(self, leaving: Sequence[Leaving]) -> AsyncIterator[Onward]:
        """Take the tokens of emails that the block stores and commits; those of a block that fails are given back.

        Raises: ServiceUnavailable.
        """
        onward = await self._ask(leaving)
        try:
            yield onward
        except Exception as error:
            is_known = isinstance(error, RolledBack) or not isinstance(error, ServiceUnavailable)
            if not is_known:  # whether they are stored
                self._doubt(onward)
            else:
                for share in onward.shares:
                    if share.taken is not None:
                        await self._teller.give_back(share.taken, share.answers)
            raise
        except BaseException:
            self._doubt(onward)
            raise
        await self._tell(onward.shares)

    def _doubt(self, onward: Onward) -> None:
        self._teller.doubt(share.account for share in onward.shares if share.taken is not None)

    async def _ask(self, leaving: Sequence[Leaving]) -> Onward:
        now = self._clock.now()
        grouped: dict[tuple[UUID, SendingDomain | None], list[Leaving]] = defaultdict(list)
        for one in leaving:
            grouped[one.account_id, one.domain].append(one)
        orders = [_order(account, domain, several) for (account, domain), several in grouped.items()]
        accounts = list({account for account, _ in grouped})
        async with self._database.hot_statements() as connection:
            suppressed = (await find_earlier(connection, orders)).suppressed
            owners = {row.id: row for row in await _LIMITS.run(connection, {"accounts": accounts})}
        shares = [_share(order, owners.get(order.standing.account_id), suppressed, now) for order in orders]
        await self._take([share for share in shares if share.request.wants and share.order.standing.limit])
        return Onward(shares, suppressed, self._teller, now)

    async def _take(self, shares: Sequence[_Share]) -> None:
        """Take tokens, one call for all; without Redis everything is held."""
        if not shares:
            return
        takes = [Take(share.account, share.order.standing.limit, share.request.wants) for share in shares]
        try:
            found = await self._teller.take(takes)
        except ServiceUnavailable as error:
            metrics.HOUR_UNCOUNTED.inc()
            _say_uncounted(cause=error.cause)
            return
        for share, taken in zip(shares, found, strict=True):
            share.taken, share.answers = taken, taken.answers

    async def _tell(self, shares: Sequence[_Share]) -> None:
        """Tell the workers what leaves; of what nobody has counted the buckets, then the schedule."""
        states = Counter(row.state for share in shares for one in share.emails for row in one.rows)
        for state, count in states.items():
            metrics.HOUR_DELIVERIES.labels(state.value).inc(count)
        self._ring([email_id for share in shares for email_id in share.queued])
        unseen = Counter[UUID]()
        for share in shares:
            unseen[share.account] += share.unseen
        unseen = +unseen
        if not unseen:
            return
        generations = {share.account: share.generation for share in shares if share.generation is not None}
        await self._teller.tell_held(unseen, {a: number for a, number in generations.items() if a in unseen})
        try:
            async with self._database.hot_statements() as connection:
                await _RING.run(connection, {"channel": HELD_CHANNEL, "accounts": list(map(str, unseen))})
        except (ServiceUnavailable, asyncpg.PostgresError) as error:  # it is stored: nobody is to send it again
            log.warning("the schedule was not told what is held", cause=repr(error))


def _share(order: Order, owner: Any, suppressed: placing.Suppressed, now: datetime) -> _Share:
    """What goes on from an account that may send as much as its row says; nothing now where it is suspended."""
    if owner is not None and owner.suspended_at is None:
        limit = hourly_limit(owner.plan, owner.own_limit)
        order = replace(order, standing=replace(order.standing, plan=owner.plan, limit=limit))
    request = placing.request_of(order, suppressed, now)
    return _Share(order, request, placing.held_answers(request))


def _order(account_id: UUID, domain: SendingDomain | None, leaving: Sequence[Leaving]) -> Order:
    """What leaves one account; how much it may send is not known yet."""
    standing = Standing(
        account_id=account_id,
        credential_id=None,
        kind=FORWARD,
        scope="sending",
        test=False,
        plan=None,
        limit=0,
        suspended=False,
        only_domain_id=None,
        domains={} if domain is None else {domain.name: domain},
        files_for={one.submission.from_address.lower(): one.mailbox_id for one in leaving if one.mailbox_id},
    )
    return Order(standing, tuple(one.submission for one in leaving))


def _submission(forward: Forward) -> Submission:
    """The message as it came, with the mailbox as the sender that hears of failures: of all where it has no copy."""
    address, header = forward.mailbox.address, forward.header
    wishes = {} if forward.mailbox.keeps_forwarded else {"dsn": {"ret": "FULL"}}
    return Submission(
        email_id=forward.id,
        source=FORWARD,
        envelope_from=address if forward.sender else "",
        recipients=forward.mailbox.forward_to,
        header_from=header.from_text,
        from_address=address,
        domain_id=None,
        subject=header.subject,
        message_id=header.message_id,
        content=f"Delivered-To: {address}\r\n".encode() + _without_return_path(forward.content),
        parts={"to": list(forward.mailbox.forward_to), "cc": [], "bcc": [], "reply_to": [], **wishes},
    )


def _without_return_path(content: bytes) -> bytes:
    """Only the last server writes a Return-Path (RFC 5321 §4.4); ours is the first line."""
    return content[content.find(b"\r\n") + 2 :] if content.startswith(b"Return-Path:") else content
