"""Local: deliveries to mailboxes of ours, handed over without a relay; otherwise like any other.

A message has the same bytes at every attempt, and is known by an id made from the email's, so that an attempt whose
outcome was never written is found again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import blake2b
from time import monotonic
from uuid import UUID

from hourpost.database import Database, HotStatement
from hourpost.errors import HourpostError, MailboxFull
from hourpost.flow.claim import Claimed
from hourpost.flow.keep import Incoming, Keeper
from hourpost.flow.verdict import Try, Verdict, delivered, of_refused, of_withdrawn, refused
from hourpost.gateways.clock import Clock
from hourpost.inbound.addressees import Addressee
from hourpost.rules.ids import to_text
from hourpost.rules.incoming import read_incoming, without_forged_results, write_own_trace
from hourpost.rules.line_ends import ContentError

_FIND = HotStatement(
    "SELECT f.mailbox_id FROM messages m JOIN folders f ON f.id = m.folder_id"
    " WHERE m.content_id = ANY(CAST(:contents AS uuid[]))"
)
_BYTES = HotStatement("SELECT bytes FROM content_chunks WHERE content_id = :content ORDER BY number")

Claims = dict[int, Addressee]
"""Recipients of an email that are of ours, by their position."""


class LocalDelivery:
    """One per worker process and event loop. What goes to other domains costs nothing."""

    def __init__(self, database: Database, keeper: Keeper, clock: Clock, hostname: str) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock
        self._hostname = hostname

    async def find(self, email: Claimed) -> Claims:
        """Which recipients have a mailbox here. Raises: ServiceUnavailable."""
        found = {}
        for one in email.recipients:
            if one.may_be_here and (addressee := await self._keeper.find(one.address)) and addressee.is_open:
                found[one.position] = addressee
        return found

    async def deliver(
        self, email: Claimed, content: bytes, claims: Claims, may_end: Callable[[Claimed], Awaitable[bool]]
    ) -> list[Verdict]:
        """Hand an email to the mailboxes of ``claims``; a verdict for each. Raises: ServiceUnavailable."""
        here = email._replace(recipients=tuple(one for one in email.recipients if one.position in claims))
        started = monotonic()
        try:
            whole = self._incoming(here, content, tuple(claims.values()), content_id(email.email_id))
        except ContentError as loop:
            return [refused(here, one, loop, self._clock.now()) for one in here.recipients]
        if not await may_end(here):
            return [of_withdrawn(here, one, self._clock.now()) for one in here.recipients]
        errors = await self._keep_all(here, whole, claims)
        seconds, now = monotonic() - started, self._clock.now()
        return [
            delivered(here, one, seconds, now)
            if (error := errors.get(one.position)) is None
            else of_refused(here, one, _attempt(error, seconds), now, random.random())  # noqa: S311  # jitter
            for one in here.recipients
        ]

    async def _keep_all(self, email: Claimed, whole: Incoming, claims: Claims) -> dict[int, HourpostError]:
        """Who did not get it, and why: together where that goes, else each by itself."""
        had: set[UUID] = set()
        if any(one.attempts > 1 for one in email.recipients):
            had = await self._find_earlier(email)
        elif await self._try(whole) is None:
            return {}
        errors = {}
        for position, addressee in claims.items():
            if addressee.mailbox is not None and addressee.mailbox.mailbox_id in had:
                continue
            alone = replace(whole, addressees=(addressee,), content_id=content_id(email.email_id, position))
            error = await self._try(await self._as_before(alone))
            if error is not None:
                errors[position] = error
        return errors

    async def _try(self, incoming: Incoming) -> HourpostError | None:
        try:
            await self._keeper.keep(incoming)
        except HourpostError as error:  # also where nobody knows whether it was stored: the next attempt looks
            return error
        return None

    async def _find_earlier(self, email: Claimed) -> set[UUID]:
        """The mailboxes that an earlier attempt reached."""
        contents = [content_id(email.email_id), *(content_id(email.email_id, one.position) for one in email.recipients)]
        async with self._database.hot_statements() as connection:
            return {row.mailbox_id for row in await _FIND.run(connection, {"contents": contents})}

    async def _as_before(self, incoming: Incoming) -> Incoming:
        """The message with the bytes that are stored, where an earlier attempt has stored them."""
        async with self._database.hot_statements() as connection:
            rows = await _BYTES.run(connection, {"content": incoming.content_id})
        return replace(incoming, content=b"".join(row.bytes for row in rows), is_stored=True) if rows else incoming

    def _incoming(self, email: Claimed, content: bytes, addressees: tuple[Addressee, ...], known_as: UUID) -> Incoming:
        header = read_incoming(content)
        text_id = to_text("em", email.email_id)
        trace = write_own_trace(self._hostname, text_id, email.envelope_from, email.leaves_at)
        raw = trace + without_forged_results(content, header, self._hostname)
        return Incoming(email.email_id, email.envelope_from, addressees, header, raw, content_id=known_as)


def content_id(email_id: UUID, position: int | None = None) -> UUID:
    """The UUIDv7 of the message that an email becomes here: for all its mailboxes together, or for one alone."""
    name = b"all" if position is None else b"%d" % position
    digest = blake2b(email_id.bytes + name, digest_size=8).digest()
    return UUID(bytes=email_id.bytes[:8] + bytes([digest[0] & 0x3F | 0x80]) + digest[1:])


def _attempt(error: HourpostError, seconds: float) -> Try:
    is_full = isinstance(error, MailboxFull)
    code, enhanced = (452, "4.2.2") if is_full else (451, "4.3.0")
    return Try("mailbox", "dot", code, enhanced, error.message, None, seconds)
