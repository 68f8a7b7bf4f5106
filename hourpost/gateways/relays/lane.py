"""One relay at work: who holds its connections, who waits for one, and whether the relay can be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from hourpost.gateways.relays.breaker import Breaker, Trouble
from hourpost.gateways.relays.connection import RelayConnection
from hourpost.gateways.relays.exchange import Exchange, Surroundings
from hourpost.gateways.relays.health import Counts, Diary, LaneHealth, Patience, describe
from hourpost.gateways.relays.login import LoginFailed
from hourpost.gateways.relays.outcome import Outcome, Postponed
from hourpost.gateways.relays.pace import SLOW_SECONDS, SLOW_SHARE, Destinations, Pace, Places
from hourpost.gateways.relays.parcel import Parcel, find_obstacle, refuse
from hourpost.gateways.relays.spec import RelaySpec
from hourpost.gateways.relays.supply import SILENT_SECONDS, Supply
from hourpost.gateways.relays.waiting import Admission, Waiter, WaitingLine

_TRIES = 3
_OVERLAP_FAULTS = 3
_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_PROVING_PAUSE = 3.0
LOGIN_REFUSED = "a relay refuses our user name and password: it is tried every few minutes only"
_LOGIN_ADVICE = "correct HOURPOST_RELAYS and restart the worker, which then tries at once"

log = structlog.get_logger()


class Lane:
    """Sends parcels through one relay, over as many connections as there is demand for.

    Whoever holds a connection is in ``_holders``; a connection passes from one message straight to the next, and
    under overlap already at the final dot of the one before.
    """

    def __init__(
        self, spec: RelaySpec, around: Surroundings, *, hostname: str, patience: Patience, breaker: Breaker
    ) -> None:
        self.spec = spec
        self.is_closing = False
        self.is_quiet = asyncio.Event()
        self._around = around
        self._patience = patience
        self._breaker = breaker
        self._supply = Supply(spec, around, hostname)
        self._supply.on_ready = self._welcome
        self._supply.on_refused = self._login_failed
        self._supply.on_lost = self._grow
        self._destinations = Destinations()
        self.pace = Pace()
        self._waiting = WaitingLine()
        self._holders: dict[RelayConnection, Exchange] = {}
        self._places = Places(self._destinations)
        self._running = 0
        self._counts = Counts()
        self._overlaps = spec.overlap
        self._overlap_faults = 0
        self._diary = Diary(around.clock())

    # what the pool asks

    def seconds_closed(self, now: float) -> float:
        """How long this relay is to be left alone; one that has to prove itself gets one message at a time."""
        if self.is_closing:
            return _SHORTEST_PAUSE
        left = self._breaker.seconds_left(now)
        if left == 0 and self._breaker.is_tripped and (self._running or self._waiting):
            return _PROVING_PAUSE
        return left

    @property
    def has_room(self) -> bool:
        """Whether a message would find a connection at once, or one that can be opened; not while it is silent."""
        is_silent = self._supply.silent_seconds(self._around.clock()) > SILENT_SECONDS
        return not is_silent and self._supply.busy + len(self._waiting) < self._supply.ceiling

    def expected_wait(self, now: float, unknown_seconds: float = 0.0) -> float:
        """Seconds that one more message would wait, roughly; one takes ``unknown_seconds`` as long as none is known."""
        one = self.pace.seconds(now) or unknown_seconds
        silent = self._supply.silent_seconds(now)
        return max(one * (len(self._waiting) + 1) / self._supply.ceiling, silent if silent > SILENT_SECONDS else 0.0)

    async def send(self, parcel: Parcel) -> list[Outcome] | Postponed:
        """Sends a parcel, trying again where a used connection turns out to be closed (nothing was taken then)."""
        outcomes: list[Outcome] = []
        needs_fresh = False
        for _ in range(_TRIES):
            admission = await self._admit(parcel, needs_fresh)
            if not isinstance(admission, Exchange):
                return admission
            outcomes = await self._run(admission)
            if not admission.is_untouched:
                self._count(outcomes)
                return outcomes
            self._counts.tried_again += 1
            needs_fresh = not admission.is_given_up
            if not admission.is_boarded:
                # The relay has gone meanwhile, so the others that lie idle are dead as well.
                self._supply.close_idle()
        return Postponed("relay", _SHORTEST_PAUSE, f"{self.spec.name}: {outcomes[0].text or 'no free connection'}")

    def review(self, now: float) -> None:
        """Does what time demands; to be called every second or so."""
        self._destinations.review(now)
        self._supply.review(now)
        self._supply.close_idle(since=now - self._patience.idle)
        for domain in self._destinations.slow:
            _give(self._waiting.take_excess(domain, self._slow_share), self._crowded(domain))
        pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, self.expected_wait(now)))
        tired = self._waiting.take_older_than(now - self._patience.waiting)
        _give(tired, Postponed("relay", pause, f"no free connection to {self.spec.name}"))
        for exchange in [held for held in self._holders.values() if held.is_boarded]:
            if now - exchange.started_at > self._patience.behind and exchange.is_behind:
                exchange.abandon()

    def stop(self) -> None:
        """Takes nothing any more: what waits is given back, what is being sent goes on."""
        self.is_closing = True
        self._supply.stop()
        self._postpone_all(Postponed("relay", _SHORTEST_PAUSE, "shutting down"))
        if self._running == 0:
            self.is_quiet.set()

    def abort(self) -> None:
        """Ends what is being sent."""
        self._supply.abort()

    async def check(self) -> RelayConnection:
        """Logs in and out on a connection of its own. Raises: LoginFailed."""
        connection = await self._supply.log_in()
        connection.quit()
        return connection

    def health(self, now: float) -> LaneHealth:
        """How this relay does."""
        diary, last = self._diary, self._diary.last_outcome
        return LaneHealth(
            relay=self.spec.name,
            breaker=self._breaker.state(now),
            state_seconds=now - diary.turned_at,
            retry_in_seconds=self._breaker.seconds_left(now),
            connections=len(self._supply.live),
            idle=len(self._supply.idle),
            connecting=self._supply.connecting,
            most_connections=self._supply.ceiling,
            waiting=len(self._waiting),
            recent_seconds=self.pace.recent_seconds,
            median_seconds=diary.median_seconds,
            slow_destinations=tuple(sorted(self._destinations.slow)),
            last_fault=diary.last_fault,
            refuses_login=diary.trouble is Trouble.REFUSES_LOGIN,
            last_reply=diary.last_reply,
            last_reply_seconds=None if last is None else now - last.finished_at,
            counts=replace(self._counts),
        )

    # a message gets a connection

    async def _admit(self, parcel: Parcel, needs_fresh: bool) -> Admission:
        if self.is_closing:
            return Postponed("relay", _SHORTEST_PAUSE, "shutting down")
        if self._supply.idle and not needs_fresh and self._may_hold(parcel.destination):
            obstacle = find_obstacle(parcel, self._supply.idle[-1].capabilities)
            return self._refuse(parcel, obstacle) if obstacle else self._begin(self._supply.idle.pop(), parcel)
        crowd = self._find_crowd(parcel.destination)
        if crowd is not None:
            return crowd
        waiter = Waiter(parcel, self._around.clock(), needs_fresh=needs_fresh)
        self._waiting.add(waiter)
        self._grow()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise

    def _may_hold(self, domain: str) -> bool:
        return self._destinations.has_room(domain, self._supply.ceiling)

    def _find_crowd(self, domain: str) -> Postponed | None:
        """Sends messages to a slow destination away when as many wait as may be under way."""
        if domain not in self._destinations.slow or self._waiting.count_for(domain) < self._slow_share:
            return None
        return self._crowded(domain)

    @property
    def _slow_share(self) -> int:
        return max(1, int(self._supply.ceiling * SLOW_SHARE))

    def _crowded(self, domain: str) -> Postponed:
        seconds = 2 * self._destinations.pace(domain).seconds(self._around.clock())
        return Postponed("destination", min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, seconds)), f"{domain} is slow")

    def _begin(self, connection: RelayConnection, parcel: Parcel) -> Exchange:
        exchange = Exchange(connection, parcel, self._around)
        self._hold(connection, exchange)
        if connection.capabilities.pipelining:
            connection.write(exchange.begin())
        return exchange

    def _board(self, connection: RelayConnection) -> bytes:
        """The next message's envelope, to go out behind the final dot of the one that holds the connection."""
        before = self._holders[connection]
        if not self._may_overlap(connection, before):
            return b""
        waiter = self._next_for(connection, behind=before.parcel.destination)
        if waiter is None:
            return b""
        self.pace.let_go()
        exchange = Exchange(connection, waiter.parcel, self._around, is_boarded=True)
        self._hold(connection, exchange)
        self._counts.overlapped += 1
        waiter.future.set_result(exchange)
        return exchange.begin()

    def _next_for(self, connection: RelayConnection, behind: str | None = None) -> Waiter | None:
        """The next message that waits and that this relay can take; those that it cannot are told so.

        ``behind`` is the destination of the message whose answer the connection waits for: it has its place there.
        """

        def may_hold(domain: str) -> bool:
            return domain == behind or self._may_hold(domain)

        while (waiter := self._waiting.take(may_hold, for_fresh=not connection.has_sent)) is not None:
            if waiter.future.done():
                continue
            obstacle = find_obstacle(waiter.parcel, connection.capabilities)
            if obstacle is None:
                return waiter
            waiter.future.set_result(self._refuse(waiter.parcel, obstacle))
        return None

    def _refuse(self, parcel: Parcel, obstacle: tuple[int, str, str]) -> list[Outcome]:
        return refuse(parcel, self.spec.name, obstacle, self._around.clock())

    def _may_overlap(self, connection: RelayConnection, before: Exchange) -> bool:
        """Nobody is sent behind a message whose own answer may be long in coming, as far as that is known."""
        if not self._overlaps or self._breaker.is_tripped or not connection.capabilities.pipelining:
            return False
        pace = self._destinations.pace(before.parcel.destination)
        known = self.pace.recent_seconds if pace.recent_seconds is None else 0.0
        return known is not None and max(known, pace.seconds(self._around.clock())) < SLOW_SECONDS

    # and gives it back

    async def _run(self, exchange: Exchange) -> list[Outcome]:
        try:
            outcomes = await exchange.run(self._board)
        finally:
            self._end(exchange)
        self._judge(exchange, outcomes)
        return outcomes

    def _hold(self, connection: RelayConnection, exchange: Exchange) -> None:
        self._holders[connection] = exchange
        self._running += 1
        self.pace.begin(exchange.started_at)
        self._places.enter(connection, exchange.parcel.destination, exchange.started_at)

    def _end(self, exchange: Exchange) -> None:
        now = self._around.clock()
        seconds = now - exchange.started_at
        self.pace.ended(now, seconds)
        self._diary.ended(seconds)
        self._destinations.pace(exchange.parcel.destination).ended(now, seconds)
        self._running -= 1
        connection = exchange.connection
        self._places.leave(connection, exchange.parcel.destination)
        if self._holders.get(connection) is exchange:
            self.pace.let_go()
            del self._holders[connection]
            if connection.is_usable:
                self._free(connection)
        if self._running == 0 and self.is_closing:
            self.is_quiet.set()

    def _free(self, connection: RelayConnection) -> None:
        """Passes a connection on to who waits, or keeps it."""
        if self.is_closing:
            connection.quit()
            return
        waiter = None if self._breaker.is_tripped and self._running else self._next_for(connection)
        if waiter is not None:
            waiter.future.set_result(self._begin(connection, waiter.parcel))
        else:
            self._supply.keep(connection)

    def _withdraw(self, waiter: Waiter) -> None:
        """Undoes what a caller that was cancelled has been given, or takes it out of the line."""
        if waiter.future.cancelled():
            self._waiting.remove(waiter)
            return
        admission = waiter.future.result()
        if isinstance(admission, Exchange):
            admission.abandon()
            self._end(admission)

    # what it learns about the relay

    def _judge(self, exchange: Exchange, outcomes: list[Outcome]) -> None:
        if exchange.is_untouched:
            self._judge_overlap(exchange)
            return
        broken = next((outcome for outcome in outcomes if outcome.is_about_us), None)
        if broken is None:
            self._overlap_faults = 0 if exchange.is_boarded else self._overlap_faults
            if self._breaker.is_tripped:
                log.info("a relay works again", relay=self.spec.name)
                self._diary.turned_at = self._around.clock()
            self._breaker.succeeded()
            self._diary.trouble = None
        elif not (broken.withdrawn or (broken.ended_midway and self._supply.has_others(exchange.connection))):
            trouble = Trouble.AWAY if broken.code is None else Trouble.REFUSES
            self._failed(describe(broken.stage, broken.code, broken.text), trouble)
            if self._breaker.is_tripped:
                self._postpone_all()

    def _failed(self, fault: str, trouble: Trouble) -> None:
        if self._diary.last_fault is None and trouble is not Trouble.REFUSES_LOGIN:
            log.warning("a relay has failed", relay=self.spec.name, fault=fault)
        was_trusted, before, now = not self._breaker.is_tripped, self._diary.trouble, self._around.clock()
        self._diary.last_fault, self._diary.trouble = fault, trouble
        self._breaker.failed(now, trouble)
        if was_trusted and self._breaker.is_tripped:
            self._diary.turned_at = now
        is_new = trouble is not before and Trouble.REFUSES_LOGIN in (trouble, before)
        if is_new and trouble is Trouble.REFUSES_LOGIN:
            log.error(LOGIN_REFUSED, relay=self.spec.name, fault=fault, advice=_LOGIN_ADVICE)
        elif self._breaker.is_tripped and (was_trusted or is_new):
            log.warning("a relay fails and is tried from time to time only", relay=self.spec.name, fault=fault)

    def _judge_overlap(self, exchange: Exchange) -> None:
        """Stops overlapping with a relay that keeps answering the dot and then stumbles over what follows it."""
        if exchange.is_boarded and exchange.was_next:
            self._overlap_faults += 1
            self._overlaps = self._overlaps and self._overlap_faults < _OVERLAP_FAULTS

    def _count(self, outcomes: list[Outcome]) -> None:
        counts = self._counts
        self._diary.last_outcome = outcomes[-1]
        for outcome in outcomes:
            if outcome.is_accepted:
                counts.accepted += 1
            elif outcome.answer_lost:
                counts.answers_lost += 1
            elif outcome.code is not None and outcome.code >= 500:
                counts.refused += 1
            else:
                counts.deferred += 1

    def _welcome(self, connection: RelayConnection) -> None:
        self._counts.logins += 1
        self._free(connection)
        self._grow()

    def _login_failed(self, error: LoginFailed) -> None:
        self._counts.login_failures += 1
        fault = describe(error.stage, error.code, error.text)
        if self._supply.live:
            self._diary.last_fault = fault
            self._supply.lower_ceiling()
            return
        self._failed(fault, error.trouble)
        if self._breaker.is_tripped:
            self._postpone_all()
        else:
            waiter = self._waiting.take(lambda _: True, for_fresh=True)
            if waiter is not None and not waiter.future.done():
                waiter.future.set_result(self._postponed())
            self._grow()

    def _grow(self) -> None:
        """Has connections opened for those who wait."""
        if (
            self.is_closing
            or (self._supply.idle and not self._waiting.needs_fresh)
            or self._breaker.seconds_left(self._around.clock())
        ):
            return
        self._supply.grow(len(self._waiting), 1 if self._breaker.is_tripped else self._supply.ceiling)

    def _postponed(self) -> Postponed:
        seconds = max(_SHORTEST_PAUSE, self._breaker.seconds_left(self._around.clock()))
        reason = f"{self.spec.name}: {self._diary.last_fault or 'unavailable'}"
        return Postponed("relay", seconds, reason, is_away=self._breaker.is_tripped)

    def _postpone_all(self, postponed: Postponed | None = None) -> None:
        _give(self._waiting.take_older_than(float("inf")), postponed or self._postponed())


def _give(waiters: Iterable[Waiter], postponed: Postponed) -> None:
    for waiter in waiters:
        if not waiter.future.done():
            waiter.future.set_result(postponed)
