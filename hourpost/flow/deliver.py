"""Deliver: one worker's loop. Claim in a short transaction, send with none open, settle.

Hints only say where to look first; what is due is found without them by the sweep.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow import verdict as verdicts
from hourpost.flow.claim import Claimed, claim, claim_suspect, load_contents, wake
from hourpost.flow.leases import Leases
from hourpost.flow.local import Claims
from hourpost.flow.sweep import return_orphans, return_strays
from hourpost.flow.verdict import Verdict
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.encryption import CannotDecrypt
from hourpost.gateways.metrics import CLAIMED_DELIVERIES, RETURNED_DELIVERIES
from hourpost.gateways.relays import ContentNotCanonical, Envelope, Outcome, Postponed, Relays
from hourpost.rules.report_wishes import read_wishes

_CLAIM_AT_ONCE = 250
_HINTS = 100_000
_SMALL_BYTES = 256 * 1024
_CROWD_PAUSE_SECONDS = 60.0  # where more wait for a relay than a worker can take; they are woken when one is back
_AFTER_SECONDS = 0.1  # a due moment is to be past, by PostgreSQL's millisecond
_LET_END_SECONDS = 12.0  # when it stops; what a relay leaves open for longer is cut, so that its outcome is known
_CUT_SECONDS = 3.0
_LARGE_AT_ONCE = 3  # contents above that, of up to 40 MB each, in memory at a time

log = structlog.get_logger()


class Signer(Protocol):
    """Gives the DKIM-Signature fields of an email."""

    async def sign(self, email: Claimed, content: Sequence[bytes]) -> bytes:
        """Header lines for the top; empty where nothing is signed. Raises: ServiceUnavailable, ValueError."""


class Local(Protocol):
    """Hands over what is for mailboxes of ours."""

    async def find(self, email: Claimed) -> Claims:
        """Which recipients have a mailbox here, by position. Raises: ServiceUnavailable."""

    async def deliver(
        self, email: Claimed, content: bytes, claims: Claims, may_end: Callable[[Claimed], Awaitable[bool]]
    ) -> list[Verdict]:
        """Hand an email to them; a verdict for each. Raises: ServiceUnavailable."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a worker does at once, how often it does its chores, and its sense of time and chance.

    For ``grace_seconds`` after PostgreSQL has started nobody is taken for dead: who lives could not renew meanwhile.
    """

    concurrency: int
    sweep_seconds: float
    renew_seconds: float
    grace_seconds: float
    clock: Clock = field(default_factory=SystemClock)
    jitter: Callable[[], float] = random.random


class Courier:
    """Delivers what is due until it is told to stop. One per worker process and event loop."""

    def __init__(
        self,
        database: Database,
        relays: Relays,
        signer: Signer,
        leases: Leases,
        pace: Pace,
        local: Local | None = None,
    ) -> None:
        self._database = database
        self._relays = relays
        self._signer = signer
        self._leases = leases
        self._pace = pace
        self._local = local
        self._clock = pace.clock
        self._jitter = pace.jitter
        self._began_at = self._clock.now()
        self._hints: deque[UUID] = deque(maxlen=_HINTS)
        self._look_at_due = True
        self._is_crowded = False  # more was due at the last claim than it could take
        self._is_away = False  # no relay could be asked, since one has last answered
        self._put_off_for_it: set[UUID] = set()  # emails whose verdict says so, while it is written
        self._wakes = False  # a relay is back: what was put off until then is due
        self._probe_at = datetime.min.replace(tzinfo=UTC)
        self._bell = asyncio.Event()
        self._stopping = False
        self._in_hand: set[tuple[UUID, int]] = set()
        self._ended: set[tuple[UUID, int]] = set()  # those of them whose final dot may be on the wire
        self._claiming = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._suspects: asyncio.Task[None] | None = None

    @property
    def in_hand(self) -> int:
        """Deliveries leased and not settled."""
        return len(self._in_hand)

    @property
    def _has_room(self) -> bool:
        """Whether a claim is worth its transaction: a quarter of the hands are free, so it takes many at once."""
        return len(self._in_hand) <= self._pace.concurrency * 3 // 4

    def hint(self, email_ids: Iterable[UUID]) -> None:
        """Look at these emails first. Call it on the courier's own loop."""
        self._hints.extend(email_ids)
        self._bell.set()

    async def run(self) -> None:
        """Work until ``stop``; then settle what is in hand."""
        await self._register()
        chores = [asyncio.create_task(chore) for chore in (self._renewing(), self._sweeping())]
        try:
            while not self._stopping:
                await self._bell.wait()
                self._bell.clear()
                await self._fill()
            if self._sending and (await asyncio.wait(self._sending, timeout=_LET_END_SECONDS))[1]:
                await self._relays.drain(_CUT_SECONDS)
            while self._sending:
                await asyncio.wait(self._sending)
        finally:
            for chore in chores:
                chore.cancel()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._bell.set()

    # claiming

    @property
    def _has_work(self) -> bool:
        return self._has_room and bool(self._hints or self._look_at_due or self._wakes)

    async def _fill(self) -> None:
        while not self._stopping and self._has_work:
            room = min(_CLAIM_AT_ONCE, self._pace.concurrency - len(self._in_hand))
            hinted = [self._hints.popleft() for _ in range(min(room, len(self._hints)))] or None
            try:
                if hinted is None and not self._look_at_due:
                    self._look_at_due = self._wakes = await self._wake(room)
                    continue
                claimed = await self._take(room, hinted)
            except ServiceUnavailable as error:
                log.warning("nothing can be claimed", cause=error.cause)
                self._look_at_due = True
                asyncio.get_running_loop().call_later(1.0, self._bell.set)
                return
            if hinted is None or claimed >= room:  # of hinted emails with many recipients some may be left
                self._look_at_due = self._is_crowded = claimed >= room

    async def _take(self, room: int, hinted: list[UUID] | None) -> int:
        async with self._claiming:
            emails, contents = await self._claim(room, hinted)
            for email in emails:
                self._begin(email, contents.get(email.content_id))
        return sum(len(email.recipients) for email in emails)

    async def _claim(self, room: int, hinted: list[UUID] | None) -> tuple[list[Claimed], dict[UUID, list[bytes]]]:
        async with self._database.hot_statements() as connection:
            emails = await claim(connection, self._leases.worker, self._clock.now(), room, hinted)
        found_by = "sweep" if hinted is None else "hint"
        CLAIMED_DELIVERIES.labels(found_by).inc(sum(len(email.recipients) for email in emails))
        small = list({email.content_id for email in emails if email.size_bytes <= _SMALL_BYTES and not email.test})
        try:
            return emails, await self._load(small)
        except ServiceUnavailable:  # they are leased: each loads its own, or waits
            return emails, {}

    async def _wake(self, most: int) -> bool:
        async with self._database.hot_statements() as connection:
            return await wake(connection, self._clock.now(), most, self._began_at) > 0

    async def _load(self, content_ids: Sequence[UUID]) -> dict[UUID, list[bytes]]:
        if not content_ids:
            return {}
        async with self._database.hot_statements() as connection:
            return await load_contents(connection, content_ids)

    def _begin(self, email: Claimed, content: list[bytes] | None) -> asyncio.Task[None]:
        self._in_hand.update(email.keys)
        task = asyncio.create_task(self._deliver(email, content))
        self._sending.add(task)
        task.add_done_callback(partial(self._done, email))
        return task

    def _done(self, email: Claimed, task: asyncio.Task[None]) -> None:
        self._in_hand.difference_update(email.keys)
        self._ended.difference_update(email.keys)
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:  # its rows are still leased to us
            log.error("a delivery was not settled", email_id=str(email.email_id), exc_info=task.exception())
        if self._has_work:
            self._bell.set()

    # sending

    async def _deliver(self, email: Claimed, content: list[bytes] | None) -> None:
        try:
            found = await self._attempt(email, content)
        except ServiceUnavailable:  # its content or its keys could not be read
            found = self._put_off(email, Postponed("relay", 5.0, "the database was away"))
        except CannotDecrypt as error:
            log.warning("mail cannot be signed", email_id=str(email.email_id), error=str(error))
            found = self._put_off(email, Postponed("relay", 60.0, "an error of ours; it is logged"))
        except Exception:  # the outermost loop of one delivery: whatever it was, its lease must end
            if not self._ended.isdisjoint(email.keys):  # it may have left: the sweep makes it unknown, as after a crash
                raise
            log.exception("a delivery stumbled", email_id=str(email.email_id))
            found = self._put_off(email, Postponed("relay", 60.0, "an error of ours; it is logged"))
        await self._leases.settle(email, found)
        if email.email_id in self._put_off_for_it:
            self._put_off_for_it.discard(email.email_id)
            self._wakes = self._wakes or not self._is_away

    def _put_off(self, email: Claimed, postponed: Postponed) -> list[Verdict]:
        now, jitter = self._clock.now(), self._jitter()
        if postponed.is_away:
            self._is_away, self._wakes = True, False
            self._put_off_for_it.add(email.email_id)
            if now >= self._probe_at:  # it finds out whether a relay is back
                self._probe_at, jitter = now + timedelta(seconds=postponed.seconds), 0.0
                asyncio.get_running_loop().call_later(postponed.seconds + _AFTER_SECONDS, self._look)
            elif self._is_crowded:
                postponed = replace(postponed, seconds=max(postponed.seconds, _CROWD_PAUSE_SECONDS))
        return [verdicts.of_postponed(email, one, postponed, now, jitter) for one in email.recipients]

    def _look(self) -> None:
        self._look_at_due = True
        self._bell.set()

    def _note_answer(self, outcomes: Sequence[Outcome]) -> None:
        if self._is_away and any(not (one.is_about_us or one.is_local) for one in outcomes):
            self._is_away, self._wakes = False, True

    async def _attempt(self, email: Claimed, content: list[bytes] | None) -> list[Verdict]:
        now = self._clock.now()
        left_out = [verdicts.suppressed(email, one, now) for one in email.recipients if one.is_suppressed]
        if not left_out:
            return await self._try(email, content)
        others = tuple(one for one in email.recipients if not one.is_suppressed)
        return left_out + (await self._try(email._replace(recipients=others), content) if others else [])

    async def _try(self, email: Claimed, content: list[bytes] | None) -> list[Verdict]:
        now = self._clock.now()
        if (found := verdicts.without_trying(email, now, self._jitter())) is not None:
            return found
        if content is not None:
            return await self._send(email, content)
        async with self._large:
            loaded = (await self._load([email.content_id])).get(email.content_id)
            if not loaded:
                return [verdicts.failed(email, one, now, "its content is missing") for one in email.recipients]
            return await self._send(email, loaded)

    async def _send(self, email: Claimed, content: list[bytes]) -> list[Verdict]:
        signature = await self._signer.sign(email, content) if email.domain_id else b""
        parts = [signature, *content] if signature else content
        smtputf8 = not _has_ascii_header(content[0])
        claims = await self._local.find(email) if self._local else None
        if self._local is None or not claims:
            return await self._relay(email, parts, smtputf8=smtputf8)
        found = await self._local.deliver(email, b"".join(parts), claims, self._may_end)
        others = tuple(one for one in email.recipients if one.position not in claims)
        if others:
            found += await self._relay(email._replace(recipients=others), parts, smtputf8=smtputf8)
        return found

    async def _may_end(self, email: Claimed) -> bool:
        is_allowed = await self._leases.may_end(email)
        if is_allowed:
            self._ended.update(email.keys)
        return is_allowed

    async def _relay(self, email: Claimed, parts: list[bytes], *, smtputf8: bool) -> list[Verdict]:
        addresses = tuple(one.address for one in email.recipients)
        envelope = Envelope(
            email.envelope_from, addresses, smtputf8=smtputf8, id=email.email_id, wishes=read_wishes(email.wishes)
        )
        try:
            result = await self._relays.send(envelope, parts, partial(self._may_end, email))
        except ContentNotCanonical as error:
            now = self._clock.now()
            return [verdicts.failed(email, one, now, str(error)) for one in email.recipients]
        now = self._clock.now()
        if isinstance(result, Postponed):
            return self._put_off(email, result)
        self._note_answer(result)
        pairs = zip(email.recipients, result, strict=True)
        return [verdicts.of_outcome(email, one, outcome, now, self._jitter()) for one, outcome in pairs]

    # chores

    async def _renewing(self) -> None:
        while True:
            await asyncio.sleep(self._pace.renew_seconds)
            try:
                await self._leases.renew()
            except ServiceUnavailable as error:
                log.warning("the lease was not renewed", cause=error.cause)
            except Exception:  # a worker whose leases run out is no worker
                log.exception("the lease was not renewed")

    async def _sweeping(self) -> None:
        while True:
            self._look()
            try:
                await self._sweep()
            except ServiceUnavailable as error:
                log.warning("the sweep failed", cause=error.cause)
            except Exception:  # the next one may do better, and without any, what is lost stays lost
                log.exception("the sweep failed")
            await asyncio.sleep(self._pace.sweep_seconds * (0.5 + self._jitter() / 2))

    async def _sweep(self) -> None:
        await self._leases.renew()  # which sees whether PostgreSQL's clock was set
        returned = 0
        if self._leases.tell_the_living:
            async with self._database.transaction() as connection:
                returned = await return_orphans(connection, self._clock.now(), self._pace.grace_seconds)
        if returned:
            RETURNED_DELIVERIES.inc(returned)
            log.warning("deliveries of a lost worker were put back", deliveries=returned)
        await self._return_strays()
        if self._suspects is None or self._suspects.done():
            self._suspects = asyncio.create_task(self._try_suspects())

    async def _return_strays(self) -> None:
        """What is ours and in nobody's hand: also a claim that PostgreSQL made long after we had given it up."""
        async with self._claiming, self._database.transaction() as connection:
            await return_strays(connection, self._leases.worker, self._in_hand, self._clock.now())

    async def _try_suspects(self) -> None:
        """One after the other, so that poison is found out and what only stood beside it is not kept waiting."""
        try:
            while not self._stopping and (task := await self._take_suspect()) is not None:
                await asyncio.wait([task])
        except ServiceUnavailable as error:
            log.warning("no suspect can be claimed", cause=error.cause)

    async def _take_suspect(self) -> asyncio.Task[None] | None:
        async with self._claiming:
            async with self._database.transaction() as connection:
                suspect = await claim_suspect(connection, self._leases.worker, self._clock.now())
            return self._begin(suspect, None) if suspect else None

    async def _register(self) -> None:
        while not self._stopping:
            try:
                await self._leases.renew()
                self._wakes = await self._wake(_CLAIM_AT_ONCE)  # since the last worker's end its relays may be others
            except ServiceUnavailable as error:
                log.warning("the worker waits for the database", cause=error.cause)
                await asyncio.sleep(1)
            else:
                return


def _has_ascii_header(first: bytes) -> bool:
    """Whether every relay can take the header; raw UTF-8 in it needs SMTPUTF8 (RFC 6531)."""
    return first.isascii() or first.partition(b"\r\n\r\n")[0].isascii()
