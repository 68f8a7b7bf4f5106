"""Accept: orders in, receipts out; what arrives together shares one commit.

There is no timer: while a commit is in flight, what arrives waits, and goes into the next one together, with who comes
at the same moment. A second one is under way beside it where very many wait, or where the first takes long.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from uuid import UUID

import structlog

from hourpost.boarding import Boarding
from hourpost.database import STATEMENT_FAULTS, Database
from hourpost.errors import HourpostError, IdempotencyInFlight, ServiceUnavailable
from hourpost.flow import placing
from hourpost.flow.admit import admit
from hourpost.flow.earlier import Earlier, Known, find_earlier
from hourpost.flow.enqueue import Enqueue
from hourpost.flow.parting import part
from hourpost.flow.replay import replay
from hourpost.flow.store import Bundle, Fate, store
from hourpost.flow.teller import Teller
from hourpost.gateways import metrics
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.rules.delivery_state import State
from hourpost.rules.hour_tokens import Answer, Take, Taken
from hourpost.rules.submission import Order, Receipt
from hourpost.seldom import Seldom

_FLIGHTS = 2
_CROWD = 100  # emails; a commit costs about 2 ms whatever is in it, so two of a few cost more than they save
_CROWD_BYTES = 1024 * 1024
_LONG_SECONDS = 0.03
_PATIENCE_SECONDS = 0.005
_EMAILS_IN_A_FLIGHT = 500
_BYTES_IN_A_FLIGHT = 16 * 1024 * 1024
_TRIES = 4
_BEGIN_SECONDS = 2.0  # a PostgreSQL that stood still for longer must not store what was refused meanwhile
_BYTES_A_SECOND = 2 * 1024 * 1024  # a slow road to it

log = structlog.get_logger()
_say_uncounted = Seldom("the hour cannot be counted: holding")


@dataclass(slots=True, eq=False)
class _Pending:
    order: Order
    answer: asyncio.Future[Receipt]
    request: placing.Request = field(default_factory=lambda: placing.Request((), ()))
    answers: tuple[Answer, ...] = ()
    taken: Taken | None = None

    @property
    def key(self) -> tuple[UUID, str] | None:
        key = self.order.idempotency_key
        return (self.order.standing.account_id, key) if key else None

    @property
    def size_bytes(self) -> int:
        return sum(len(one.content) for one in self.order.submissions)

    def part(self) -> None:
        """Go on without what was refused, where the others of its order do not depend on it."""
        if self.order.tell is not None and self.taken is not None:
            parted = part(self.order, self.request, self.answers, self.taken)
            self.order, self.request, self.answers = parted

    def resolve(self, receipt: Receipt) -> None:
        if not self.answer.done():
            self.answer.set_result(receipt)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Intake:
    """The door's one way into the flow. One per process and event loop."""

    def __init__(self, database: Database, hour: Hour, enqueue: Enqueue, clock: Clock) -> None:
        self._database = database
        self._enqueue = enqueue
        self._clock = clock
        self._teller = Teller(hour, database, clock)
        self._queue: deque[_Pending] = deque()
        self._waiting_emails = self._waiting_bytes = 0
        self._departed_at = 0.0
        self._flights: set[asyncio.Task[None]] = set()
        self._boarding = Boarding(
            lambda: self._waiting_emails, _EMAILS_IN_A_FLIGHT, self._depart, patience_seconds=_PATIENCE_SECONDS
        )
        self._chores: set[asyncio.Task[None]] = set()
        self._keys: set[tuple[UUID, str]] = set()

    async def start(self) -> None:
        """Begin to take orders."""
        await self._enqueue.start()

    async def stop(self) -> None:
        """Wait until everything that was ordered is stored."""
        while self._queue or self._flights or self._chores:
            await asyncio.wait(self._flights | self._chores | {asyncio.create_task(asyncio.sleep(0))})
        await self._enqueue.stop()

    async def accept(self, order: Order) -> Receipt:
        """Store an order as a whole, or not at all; when this returns, it is committed.

        Raises:
            Forbidden: the account may not send.
            ValidationFailed: more recipients than the plan's whole hour.
            LimitExceeded: no room, and the order does not wait, or no more may wait, or the plan has ended unpaid.
            Conflict: its idempotency key was used for another body.
            IdempotencyInFlight: the first order with this key has not ended.
            ServiceUnavailable: PostgreSQL is away; whether it was stored is then not known.
        """
        order = admit(order)
        pending = _Pending(order, asyncio.get_running_loop().create_future())
        key = pending.key
        if key is None:
            return await self._enter(pending)
        if key in self._keys:
            raise IdempotencyInFlight("The first request with this idempotency key has not ended yet.")
        self._keys.add(key)
        pending.answer.add_done_callback(lambda _: self._keys.discard(key))
        return await self._enter(pending)

    async def _enter(self, pending: _Pending) -> Receipt:
        self._queue.append(pending)
        self._waiting_emails += len(pending.order.submissions)
        self._waiting_bytes += pending.size_bytes
        self._launch()
        return await asyncio.shield(pending.answer)  # who went away does not take back what is being stored

    @property
    def _may_depart(self) -> bool:
        if not self._flights:
            return True
        if len(self._flights) >= _FLIGHTS:
            return False
        is_crowd = self._waiting_emails >= _CROWD or self._waiting_bytes >= _CROWD_BYTES
        return is_crowd or monotonic() - self._departed_at > _LONG_SECONDS

    def _launch(self) -> None:
        if self._queue and self._may_depart:
            self._boarding.open()

    def _depart(self) -> None:
        self._departed_at = monotonic()
        flight = asyncio.create_task(self._fly(self._board()))
        self._flights.add(flight)
        flight.add_done_callback(self._land)
        self._launch()

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._launch()

    def _board(self) -> list[_Pending]:
        boarded, emails, size = [], 0, 0
        while self._queue and emails < _EMAILS_IN_A_FLIGHT and size < _BYTES_IN_A_FLIGHT:
            pending = self._queue.popleft()
            boarded.append(pending)
            emails += len(pending.order.submissions)
            size += pending.size_bytes
        self._waiting_emails -= emails
        self._waiting_bytes -= size
        return boarded

    async def _fly(self, boarded: list[_Pending]) -> None:
        try:
            with metrics.ACCEPT_COMMIT_SECONDS.time():
                await self._store_all(boarded)
        except Exception as error:  # the outermost loop of accepting: everybody on board must get an answer
            await self._divert(boarded, error)

    async def _divert(self, boarded: list[_Pending], error: Exception) -> None:
        """Answer a failed flight: one by one where a single order may have spoilt it, else the same error for all."""
        waiting = [pending for pending in boarded if not pending.answer.done()]
        if isinstance(error, STATEMENT_FAULTS) and len(waiting) > 1:
            await self._give_back(waiting)
            for pending in waiting:
                await self._fly([pending])
            return
        if isinstance(error, ServiceUnavailable):
            self._teller.doubt(one.order.standing.account_id for one in waiting if one.taken)
        elif not isinstance(error, HourpostError):
            log.error("accepting failed", error=repr(error))
            await self._give_back(waiting)
        for pending in waiting:
            pending.fail(error)

    async def _store_all(self, boarded: list[_Pending]) -> None:
        now = self._clock.now()
        orders = [pending.order for pending in boarded]
        async with self._database.hot_statements() as connection:
            earlier = await find_earlier(connection, orders)
        suppressed = earlier.suppressed
        todo = await self._answer_known(boarded, earlier.known)
        for pending in todo:
            pending.request = placing.request_of(pending.order, suppressed, now)
        for attempt in range(_TRIES):
            if not todo:
                return
            await self._ask_hour(todo, give_up=attempt == _TRIES - 1)
            todo = await self._commit(self._refuse(todo), earlier, now)
            if attempt:  # void again: nobody is filling the bucket, it was left behind
                self._teller.doubt(pending.order.standing.account_id for pending in todo if pending.taken)

    async def _answer_known(self, boarded: Iterable[_Pending], known: dict[tuple[UUID, str], Known]) -> list[_Pending]:
        todo = []
        for pending in boarded:
            found = known.get(pending.key) if pending.key else None
            if found is None:
                todo.append(pending)
                continue
            try:
                async with self._database.reading() as connection:
                    pending.resolve(await replay(connection, pending.order, found))
            except HourpostError as error:
                pending.fail(error)
        return todo

    async def _ask_hour(self, todo: Sequence[_Pending], *, give_up: bool) -> None:
        """Take tokens, one call for each account; without Redis, or a bucket that stays, everything is held."""
        groups: dict[UUID, list[_Pending]] = defaultdict(list)
        for pending in todo:
            pending.taken, pending.answers = None, placing.held_answers(pending.request)
            if pending.request.wants:
                groups[pending.order.standing.account_id].append(pending)
        if not groups or give_up:
            return
        takes = [
            Take(account, group[0].order.standing.limit, [want for one in group for want in one.request.wants])
            for account, group in groups.items()
        ]
        try:
            found = await self._teller.take(takes)
        except ServiceUnavailable as error:
            metrics.HOUR_UNCOUNTED.inc()
            _say_uncounted(cause=error.cause)
            return
        for taken, group in zip(found, groups.values(), strict=True):
            start = 0
            for pending in group:
                end = start + len(pending.request.wants)
                pending.taken, pending.answers = taken, taken.answers[start:end]
                start = end

    def _refuse(self, todo: Sequence[_Pending]) -> list[_Pending]:
        """Answer those for which there is no room, and give back what else they took; the others go on."""
        going, refused = [], []
        for pending in todo:
            pending.part()
            error = placing.refusal_of(pending.order, pending.answers, pending.taken) or _must_ask(pending)
            if error is None:
                going.append(pending)
            else:
                refused.append(pending)
                metrics.HOUR_DELIVERIES.labels("refused").inc()
                pending.fail(error)
        if refused:
            self._later(self._give_back(refused))
        return going

    async def _commit(self, todo: list[_Pending], earlier: Earlier, now: datetime) -> list[_Pending]:
        """Store those whose debit still stands; gives the ones whose debit must be made again."""
        suppressed = earlier.suppressed
        placements = [placing.place(one.order, one.request, one.answers, one.taken, suppressed, now) for one in todo]
        bundles = [
            Bundle(one.order, one.taken.reading.generation if one.taken else None, placement.stored)
            for one, placement in zip(todo, placements, strict=True)
        ]
        unseen = _held_unseen(zip(todo, placements, strict=True))
        async with self._database.hot_statements() as connection:
            seconds = _BEGIN_SECONDS + sum(one.size_bytes for one in todo) / _BYTES_A_SECOND
            fates = await store(connection, bundles, unseen, now, earlier.in_seconds(seconds))
        judged = list(zip(todo, placements, fates, strict=True))
        stored = [(one, placement) for one, placement, fate in judged if fate.is_confirmed and fate.is_new]
        _count(stored)
        self._tell(stored)
        if unseen:
            self._later(self._teller.tell_held(_held_unseen(stored), _generations(judged)))
        again = [one for one, _, fate in judged if not fate.is_confirmed]
        if doubles := [one for one, _, fate in judged if fate.is_confirmed and not fate.is_new]:
            await self._give_back(doubles)
            async with self._database.hot_statements() as connection:
                known = (await find_earlier(connection, [one.order for one in doubles])).known
            again += await self._answer_known(doubles, known)
        return again

    def _tell(self, placements: Iterable[tuple[_Pending, placing.Placement]]) -> None:
        for pending, placement in placements:
            usage = placing.usage_of(pending.taken) if pending.taken else None
            pending.resolve(Receipt(placement.placed, usage, errors=pending.order.errors))
            self._enqueue.ring(
                one.submission.email_id
                for one in placement.stored
                if any(row.state is State.QUEUED for row in one.rows)
            )

    async def _give_back(self, orders: Iterable[_Pending]) -> None:
        """Undo the debits of orders that were not stored."""
        for pending in orders:
            taken, pending.taken = pending.taken, None
            if taken is not None:
                await self._teller.give_back(taken, pending.answers)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _count(placements: Sequence[tuple[_Pending, placing.Placement]]) -> None:
    """Tell Prometheus of one commit; a few additions for all of it."""
    stored = [(pending.order.standing.test, one) for pending, placement in placements for one in placement.stored]
    metrics.ACCEPT_EMAILS_A_FLIGHT.observe(len(stored))
    doors = Counter((one.submission.source, "test" if test else "live") for test, one in stored)
    for (door, mode), count in doors.items():
        metrics.ACCEPTED_EMAILS.labels(door, mode).inc(count)
    for state, count in Counter(row.state for _, one in stored for row in one.rows).items():
        metrics.HOUR_DELIVERIES.labels(state.value).inc(count)


def _must_ask(pending: _Pending) -> ServiceUnavailable | None:
    """An order that does not wait cannot be held while the hour is not known."""
    if pending.taken is None and any(want.mode for want in pending.request.wants):
        return ServiceUnavailable("The hour cannot be counted now.", retry_after_seconds=2)
    return None


def _held_unseen(placements: Iterable[tuple[_Pending, placing.Placement]]) -> Counter[UUID]:
    """Deliveries of each account that wait without having asked its bucket."""
    rows = Counter[UUID]()
    for pending, placement in placements:
        if pending.taken is None and pending.request.wants:
            rows[pending.order.standing.account_id] += sum(
                row.state is State.HELD for stored in placement.stored for row in stored.rows
            )
    return rows


def _generations(judged: Iterable[tuple[_Pending, placing.Placement, Fate]]) -> dict[UUID, int]:
    """The generations of the accounts whose buckets were not asked."""
    return {
        pending.order.standing.account_id: fate.generation
        for pending, _, fate in judged
        if pending.taken is None and fate.generation is not None
    }
