"""Flight: the orders on board, from their tokens to their answers; one statement stores all of them.

What was known before of their recipients and keys is not asked first: the statement that stores them looks itself, and
leaves out whom it finds. A question of its own would be a sixth of a flight's time, for the few whom it concerns.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import structlog

from hourpost.database import Database
from hourpost.errors import HourpostError, ServiceUnavailable
from hourpost.flow import placing
from hourpost.flow.earlier import Known, find_earlier
from hourpost.flow.enqueue import Enqueue
from hourpost.flow.parting import part
from hourpost.flow.replay import replay
from hourpost.flow.server_time import ServerTime
from hourpost.flow.store import Bundle, Fate, store
from hourpost.flow.teller import Teller
from hourpost.gateways import metrics
from hourpost.gateways.clock import Clock
from hourpost.rules.delivery_state import State
from hourpost.rules.hour_tokens import Answer, Take, Taken
from hourpost.rules.submission import Order, Receipt
from hourpost.seldom import Seldom

_TRIES = 5  # of which one may only find whom it must look up
_MANY = 20  # recipients; of an order of more it is dearer to store all again than to ask first
_BEGIN_SECONDS = 2.0  # a PostgreSQL that stood still for longer must not store what was refused meanwhile
_BYTES_A_SECOND = 2 * 1024 * 1024  # a slow road to it
_FULL_SECONDS = 60.0  # for so long an account that found no room in its hour is asked about first
_FULL_ACCOUNTS = 10_000

_say_uncounted = Seldom("the hour cannot be counted: holding")
log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Passenger:
    """An order on its way, and who waits for its receipt."""

    order: Order
    answer: asyncio.Future[Receipt]
    request: placing.Request = field(default_factory=lambda: placing.Request((), ()))
    answers: tuple[Answer, ...] = ()
    taken: Taken | None = None

    @property
    def account_id(self) -> UUID:
        """Whose order it is."""
        return self.order.standing.account_id

    @property
    def key(self) -> tuple[UUID, str] | None:
        """Its idempotency key, which is its account's."""
        key = self.order.idempotency_key
        return (self.account_id, key) if key else None

    @property
    def size_bytes(self) -> int:
        """The bytes of its messages."""
        return sum(len(one.content) for one in self.order.submissions)

    @property
    def is_large(self) -> bool:
        """Whether it has many recipients."""
        mails = self.order.submissions
        return len(mails) > _MANY or sum(len(one.recipients) for one in mails) > _MANY

    @property
    def is_short(self) -> bool:
        """Whether the hour had no room for all of it."""
        return any(answer.held or answer.refusal is not None for answer in self.answers)

    def part(self) -> None:
        """Go on without what was refused, where the others of its order do not depend on it."""
        if self.order.tell is not None and self.taken is not None:
            parted = part(self.order, self.request, self.answers, self.taken)
            self.order, self.request, self.answers = parted

    def resolve(self, receipt: Receipt) -> None:
        """Answer who waits."""
        if not self.answer.done():
            self.answer.set_result(receipt)

    def fail(self, error: BaseException) -> None:
        """Tell who waits why there is no receipt."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class Ground:
    """What flights need; ``later`` takes work that nobody waits for."""

    database: Database
    teller: Teller
    enqueue: Enqueue
    clock: Clock
    time: ServerTime
    later: Callable[[Coroutine[None, None, None]], None]
    full: dict[UUID, float] = field(default_factory=dict)  # until when (monotonic) an account counts as out of room

    def must_look_up(self, passenger: Passenger) -> bool:
        """Whether what is known of an order is asked before its tokens are taken.

        Else it may take tokens that it does not need, and give them back: nothing where there are enough.
        """
        if passenger.is_large or not self.time.is_known:
            return True
        return self.full.get(passenger.account_id, 0.0) > monotonic()

    def note_full(self, accounts: Iterable[UUID]) -> None:
        """These had no room."""
        if len(self.full) >= _FULL_ACCOUNTS:
            self.full.clear()
        until = monotonic() + _FULL_SECONDS
        self.full.update(dict.fromkeys(accounts, until))

    async def give_back(self, passengers: Iterable[Passenger]) -> None:
        """Undo the debits of orders that were not stored."""
        for passenger in passengers:
            taken, passenger.taken = passenger.taken, None
            if taken is not None:
                await self.teller.give_back(taken, passenger.answers)


class Flight:
    """One departure: everybody on board is stored and answered, or is refused."""

    def __init__(self, ground: Ground, boarded: Sequence[Passenger]) -> None:
        self._ground = ground
        self._boarded = boarded
        self._now = ground.clock.now()
        self._suppressed: placing.Suppressed = set()
        self._seen: set[Passenger] = set()  # whose suppressed recipients and keys this flight has looked up

    async def fly(self) -> None:
        """Store all of them. Raises: ServiceUnavailable, asyncpg.PostgresError; then some may have no answer yet."""
        answered = await self._look_up([one for one in self._boarded if self._ground.must_look_up(one)])
        todo = [one for one in self._boarded if one not in answered]
        for attempt in range(_TRIES):
            if not todo:
                return
            going = self._refuse(await self._take(todo, give_up=attempt == _TRIES - 1))
            todo = await self._commit(going) if going else []
            if attempt:  # void again: nobody is filling the bucket, it was left behind
                self._ground.teller.doubt(one.account_id for one in todo if one.taken)
        for one in todo:
            one.fail(ServiceUnavailable("The database is busy with what concerns this.", retry_after_seconds=1))

    async def _look_up(self, passengers: Sequence[Passenger]) -> set[Passenger]:
        """Look up suppressed recipients and used keys; answer whose key was used, and give them."""
        if not passengers:
            return set()
        async with self._ground.database.hot_statements() as connection:
            earlier = await find_earlier(connection, [one.order for one in passengers])
        self._ground.time.tell(earlier.at)
        self._suppressed |= earlier.suppressed
        self._seen.update(passengers)
        known = {one: earlier.known[one.key] for one in passengers if one.key is not None and one.key in earlier.known}
        for one, found in known.items():
            await self._replay(one, found)
        return set(known)

    async def _replay(self, passenger: Passenger, found: Known) -> None:
        try:
            async with self._ground.database.reading() as connection:
                passenger.resolve(await replay(connection, passenger.order, found))
        except HourpostError as error:
            passenger.fail(error)

    async def _take(self, todo: Sequence[Passenger], *, give_up: bool) -> list[Passenger]:
        """Take tokens; gives those that are not answered.

        Nobody is held or refused for recipients who get nothing, nor for a key that was used: where an account has no
        room for all of its orders they are looked up, and ask again, all together: what one does not need another has.
        """
        await self._ask_hour(todo, give_up=give_up)
        full = {one.account_id for one in todo if one.is_short}
        if not full:
            return list(todo)
        self._ground.note_full(full)
        unsure = {one.account_id for one in todo if one not in self._seen}.intersection(full)
        again = [one for one in todo if one.account_id in unsure]
        going = await self._go_back(again)
        await self._ask_hour(going, give_up=give_up)
        answered = set(again).difference(going)
        return [one for one in todo if one not in answered]

    async def _ask_hour(self, todo: Sequence[Passenger], *, give_up: bool) -> None:
        """Take tokens, one call for each account; without Redis, or a bucket that stays, everything is held."""
        groups: dict[UUID, list[Passenger]] = defaultdict(list)
        for one in todo:
            one.request = placing.request_of(one.order, self._suppressed, self._now)
            one.taken, one.answers = None, placing.held_answers(one.request)
            if one.request.wants:
                groups[one.account_id].append(one)
        if not groups or give_up:
            return
        takes = [
            Take(account, group[0].order.standing.limit, [want for one in group for want in one.request.wants])
            for account, group in groups.items()
        ]
        try:
            found = await self._ground.teller.take(takes)
        except ServiceUnavailable as error:
            metrics.HOUR_UNCOUNTED.inc()
            _say_uncounted(cause=error.cause)
            return
        for taken, group in zip(found, groups.values(), strict=True):
            start = 0
            for one in group:
                end = start + len(one.request.wants)
                one.taken, one.answers = taken, taken.answers[start:end]
                start = end

    def _refuse(self, todo: Sequence[Passenger]) -> list[Passenger]:
        """Answer those for which there is no room, and give back what else they took; the others go on."""
        going, refused = [], []
        for one in todo:
            one.part()
            error = placing.refusal_of(one.order, one.answers, one.taken) or _must_ask(one)
            if error is None:
                going.append(one)
            else:
                refused.append(one)
                metrics.HOUR_DELIVERIES.labels("refused").inc()
                one.fail(error)
        if refused:
            self._ground.later(self._ground.give_back(refused))
        return going

    async def _commit(self, todo: list[Passenger]) -> list[Passenger]:
        """Store those whose debit still stands; gives the ones whose debit must be made again."""
        placements = [
            placing.place(one.order, one.request, one.answers, one.taken, self._suppressed, self._now) for one in todo
        ]
        generations = [one.taken.reading.generation if one.taken else None for one in todo]
        bundles = [
            Bundle(one.order, generation, placement.stored, one not in self._seen)
            for one, placement, generation in zip(todo, placements, generations, strict=True)
        ]
        unseen = _held_unseen(zip(todo, placements, strict=True))
        seconds = _BEGIN_SECONDS + sum(one.size_bytes for one in todo) / _BYTES_A_SECOND
        time, began_at = self._ground.time, monotonic()
        async with self._ground.database.hot_statements() as connection:
            fates, at, is_late = await store(connection, bundles, unseen, self._now, time.in_seconds(seconds))
        time.tell(at)
        if is_late:
            if monotonic() - began_at >= seconds:
                raise ServiceUnavailable("The database is too slow.", retry_after_seconds=5)
            await self._ground.give_back(todo)  # its clock was set, and nobody has waited
            return todo
        judged = list(zip(todo, placements, fates, strict=True))
        stored = [(one, placement) for one, placement, fate in judged if fate.is_confirmed and fate.is_new]
        _count(stored)
        self._tell(stored)
        if unseen:
            told = self._ground.teller.tell_held(_held_unseen(stored), _generations(judged))
            self._ground.later(told)
        again = [one for one, _, fate in judged if not fate.is_confirmed and not fate.is_barred]
        known = [one for one, _, fate in judged if fate.is_barred or (fate.is_confirmed and not fate.is_new)]
        return again + await self._go_back(known)

    async def _go_back(self, passengers: Sequence[Passenger]) -> list[Passenger]:
        """Give back what these took, and look them up; gives the ones that go on."""
        if not passengers:
            return []
        await self._ground.give_back(passengers)
        answered = await self._look_up(passengers)
        return [one for one in passengers if one not in answered]

    def _tell(self, placements: Iterable[tuple[Passenger, placing.Placement]]) -> None:
        for passenger, placement in placements:
            usage = placing.usage_of(passenger.taken) if passenger.taken else None
            passenger.resolve(Receipt(placement.placed, usage, errors=passenger.order.errors))
            self._ground.enqueue.ring(
                one.submission.email_id
                for one in placement.stored
                if any(row.state is State.QUEUED for row in one.rows)
            )


def _count(placements: Sequence[tuple[Passenger, placing.Placement]]) -> None:
    """Tell Prometheus of one commit; a few additions for all of it."""
    stored = [(passenger.order.standing.test, one) for passenger, placement in placements for one in placement.stored]
    metrics.ACCEPT_EMAILS_A_FLIGHT.observe(len(stored))
    doors = Counter((one.submission.source, "test" if test else "live") for test, one in stored)
    for (door, mode), count in doors.items():
        metrics.ACCEPTED_EMAILS.labels(door, mode).inc(count)
    for state, count in Counter(row.state for _, one in stored for row in one.rows).items():
        metrics.HOUR_DELIVERIES.labels(state.value).inc(count)


def _must_ask(passenger: Passenger) -> ServiceUnavailable | None:
    """An order that does not wait cannot be held while the hour is not known."""
    if passenger.taken is None and any(want.mode for want in passenger.request.wants):
        return ServiceUnavailable("The hour cannot be counted now.", retry_after_seconds=2)
    return None


def _held_unseen(placements: Iterable[tuple[Passenger, placing.Placement]]) -> Counter[UUID]:
    """Deliveries of each account that wait without having asked its bucket."""
    rows = Counter[UUID]()
    for passenger, placement in placements:
        if passenger.taken is None and passenger.request.wants:
            rows[passenger.account_id] += sum(
                row.state is State.HELD for stored in placement.stored for row in stored.rows
            )
    return rows


def _generations(judged: Iterable[tuple[Passenger, placing.Placement, Fate]]) -> dict[UUID, int]:
    """The generations of the accounts whose buckets were not asked."""
    return {
        passenger.account_id: fate.generation
        for passenger, _, fate in judged
        if passenger.taken is None and fate.generation is not None
    }
