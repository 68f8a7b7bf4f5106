"""Accept: orders in, receipts out; what arrives together shares one commit.

There is no timer: while a commit is in flight, what arrives waits, and goes into the next one together, with who comes
at the same moment. A second one is under way beside it where very many wait, or where the first takes long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from time import monotonic
from uuid import UUID

import structlog

from hourpost.boarding import Boarding
from hourpost.database import STATEMENT_FAULTS, Database
from hourpost.errors import HourpostError, IdempotencyInFlight, RolledBack, ServiceUnavailable
from hourpost.flow.admit import admit
from hourpost.flow.enqueue import Enqueue
from hourpost.flow.flight import Flight, Ground, Passenger
from hourpost.flow.server_time import ServerTime
from hourpost.flow.teller import Teller
from hourpost.gateways import metrics
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.rules.submission import Order, Receipt

_FLIGHTS = 2
_CROWD = 100  # emails; a commit costs about 2 ms whatever is in it, so two of a few cost more than they save
_CROWD_BYTES = 1024 * 1024
_LONG_SECONDS = 0.03
_PATIENCE_SECONDS = 0.005
_EMAILS_IN_A_FLIGHT = 500
_BYTES_IN_A_FLIGHT = 16 * 1024 * 1024

log = structlog.get_logger()


class Intake:
    """The door's one way into the flow. One per process and event loop."""

    def __init__(self, database: Database, hour: Hour, enqueue: Enqueue, clock: Clock) -> None:
        self._enqueue = enqueue
        self._teller = Teller(hour, database, clock)
        self._ground = Ground(database, self._teller, enqueue, clock, ServerTime(), self._later)
        self._queue: deque[Passenger] = deque()
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
            RolledBack: it was not, twice: others were at the same tables.
        """
        order = admit(order)
        passenger = Passenger(order, asyncio.get_running_loop().create_future())
        key = passenger.key
        if key is None:
            return await self._enter(passenger)
        if key in self._keys:
            raise IdempotencyInFlight("The first request with this idempotency key has not ended yet.")
        self._keys.add(key)
        passenger.answer.add_done_callback(lambda _: self._keys.discard(key))
        return await self._enter(passenger)

    async def _enter(self, passenger: Passenger) -> Receipt:
        self._queue.append(passenger)
        self._waiting_emails += len(passenger.order.submissions)
        self._waiting_bytes += passenger.size_bytes
        self._launch()
        return await asyncio.shield(passenger.answer)  # who went away does not take back what is being stored

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

    def _board(self) -> list[Passenger]:
        boarded, emails, size = [], 0, 0
        while self._queue and emails < _EMAILS_IN_A_FLIGHT and size < _BYTES_IN_A_FLIGHT:
            passenger = self._queue.popleft()
            boarded.append(passenger)
            emails += len(passenger.order.submissions)
            size += passenger.size_bytes
        self._waiting_emails -= emails
        self._waiting_bytes -= size
        return boarded

    async def _fly(self, boarded: list[Passenger], *, is_second: bool = False) -> None:
        try:
            with metrics.ACCEPT_COMMIT_SECONDS.time():
                await Flight(self._ground, boarded).fly()
        except Exception as error:  # the outermost loop of accepting: everybody on board must get an answer
            await self._divert(boarded, error, is_second=is_second)

    async def _divert(self, boarded: list[Passenger], error: Exception, *, is_second: bool) -> None:
        """Answer a failed flight: one by one where a single order may have spoilt it, else the same error for all.

        A deadlock, with a migration say, is nobody's fault: all of them fly a second time.
        """
        waiting = [passenger for passenger in boarded if not passenger.answer.done()]
        if isinstance(error, RolledBack):
            log.warning("accepting was rolled back", is_tried_again=not is_second, cause=error.cause)
            await self._ground.give_back(waiting)
            if not is_second:
                await self._fly(waiting, is_second=True)
                return
        if isinstance(error, STATEMENT_FAULTS) and len(waiting) > 1:
            await self._ground.give_back(waiting)
            for passenger in waiting:
                await self._fly([passenger])
            return
        if isinstance(error, ServiceUnavailable):
            self._teller.doubt(one.order.standing.account_id for one in waiting if one.taken)
        elif not isinstance(error, HourpostError):
            log.error("accepting failed", error=repr(error))
            await self._ground.give_back(waiting)
        for passenger in waiting:
            passenger.fail(error)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
