"""All relays together: which one a message leaves through, and what happens when one is down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hourpost.gateways.relays.breaker import Breaker
from hourpost.gateways.relays.exchange import Surroundings
from hourpost.gateways.relays.health import LaneHealth, Patience
from hourpost.gateways.relays.lane import Lane
from hourpost.gateways.relays.login import LoginFailed
from hourpost.gateways.relays.outcome import Envelope, Outcome, Postponed, Stage
from hourpost.gateways.relays.parcel import BeforeDot, Parcel
from hourpost.gateways.relays.spec import RelaySpec
from hourpost.gateways.relays.timeouts import Timeouts

_REVIEW_SECONDS = 1.0
_CHECK_SECONDS = 15.0


class Relays(Protocol):
    """What delivers email; a test may put something else in the place of ``RelayPool``."""

    async def send(
        self, envelope: Envelope, content: bytes | Sequence[bytes], before_dot: BeforeDot | None = None
    ) -> list[Outcome] | Postponed:
        """Sends one email to its recipients; one outcome for each, in their order."""

    async def drain(self, seconds: float) -> None:
        """Takes nothing new; what is under way ends, after ``seconds`` by force, and its outcomes are returned."""


@dataclass(frozen=True, slots=True)
class RelayCheck:
    """Whether a relay can be reached, encrypted to and logged in to; ``stage`` is where it failed.

    ``size_bytes`` is the largest message that it says it takes, None where it does not say.
    """

    relay: str
    is_ok: bool
    seconds: float
    text: str
    stage: Stage | None = None
    code: int | None = None
    tls_version: str | None = None
    cipher: str | None = None
    offers_login: bool = False
    takes_eight_bits: bool = True
    size_bytes: int | None = None


class RelayPool:
    """Sends through several relays by weight, around those that are down or full.

    It belongs to the event loop that first sends. ``hostname`` is our name in EHLO, ``clock`` a monotonic one in
    seconds. Raises: ValueError without a relay; RelayUrlInvalid where a CA file cannot be read.
    """

    def __init__(
        self,
        specs: Iterable[RelaySpec],
        *,
        hostname: str,
        timeouts: Timeouts | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        breaker: Callable[[], Breaker] = Breaker,
    ) -> None:
        self._clock = clock
        self._lanes = [
            Lane(
                spec,
                Surroundings(spec.name, timeouts or Timeouts(), clock),
                hostname=hostname,
                patience=patience or Patience(),
                breaker=breaker(),
            )
            for spec in specs
        ]
        if not self._lanes:
            raise ValueError("no relay is configured")
        self._credit = dict.fromkeys(self._lanes, 0)
        self._reviewer: asyncio.TimerHandle | None = None
        self._is_closing = False

    @property
    def capacity(self) -> int:
        """How many messages can be under way at once; twice as many keep all connections busy."""
        return sum(lane.spec.connections for lane in self._lanes)

    async def send(
        self, envelope: Envelope, content: bytes | Sequence[bytes], before_dot: BeforeDot | None = None
    ) -> list[Outcome] | Postponed:
        """Sends one email to its recipients; one outcome for each, in their order.

        ``content`` is canonical (CRLF only), in one piece or in chunks. ``before_dot`` is awaited when all but the
        final dot is done: where it answers False or raises, the connection is closed instead and the relay does not
        take the message. It is awaited once for each relay that comes so far. Where no relay can be asked now, the
        answer is ``Postponed``.

        Raises: ContentNotCanonical; what ``before_dot`` raises.
        """
        if self._reviewer is None:
            self._review()
        parcel = Parcel(envelope, content, before_dot)
        result = await self._ask(parcel)
        plain = _kept_by_others(envelope, result) if parcel.needs_smtputf8 else ()
        if not plain:
            return result
        again = await self._ask(parcel.for_recipients(plain))
        if isinstance(again, Postponed):
            return again
        left = self._put_off(envelope, result) if isinstance(result, Postponed) else result
        answers = {outcome.recipient: outcome for outcome in (*left, *again)}
        return [answers[recipient] for recipient in envelope.recipients]

    def _put_off(self, envelope: Envelope, postponed: Postponed) -> list[Outcome]:
        """As outcomes, for who is postponed while others of the same email are not."""
        now, reason = self._clock(), postponed.reason
        return [Outcome(one, "", Stage.MAIL, None, None, reason, now, now) for one in envelope.recipients]

    async def _ask(self, parcel: Parcel) -> list[Outcome] | Postponed:
        lane = self._choose(())
        if lane is None:
            return self._all_closed(self._lanes)
        result = await lane.send(parcel)
        if isinstance(result, Postponed) or any([one.may_fail_over for one in result]):
            return await self._fail_over(parcel, lane, result)
        return result

    async def _fail_over(
        self, parcel: Parcel, lane: Lane | None, result: list[Outcome] | Postponed
    ) -> list[Outcome] | Postponed:
        """Asks the other relays for the recipients that the first one could not take for reasons of its own.

        What one relay is too small or too old for, or whose sender it refuses, is refused for good only where no other
        may take it later.
        """
        tried: list[Lane] = []
        postponed: Postponed | None = None
        known: dict[str, Outcome] = {}
        while lane is not None:
            tried.append(lane)
            if isinstance(result, Postponed):
                postponed = result if postponed is None or result.seconds < postponed.seconds else postponed
            else:
                known.update((one.recipient, one) for one in result if not (one.is_local and one.recipient in known))
            left = [name for name in parcel.envelope.recipients if name not in known or known[name].may_fail_over]
            lane = self._choose(tried) if left else None
            if lane is not None:
                result = await lane.send(parcel.for_recipients(left))
        unasked = [one for one in self._lanes if one not in tried]
        if not known:
            return postponed or self._all_closed(unasked)
        if (postponed or unasked) and all(one.is_of_this_relay for one in known.values()):
            return replace(postponed or self._all_closed(unasked), is_away=False)  # one of them does answer
        return [known[recipient] for recipient in parcel.envelope.recipients]

    def _choose(self, tried: Sequence[Lane]) -> Lane | None:
        """Smooth weighted choice among the relays that have room, else the shortest line for a relay's weight."""
        lanes = self._lanes
        if len(lanes) == 1 and not tried:
            return lanes[0] if lanes[0].seconds_closed(self._clock()) == 0 else None
        now = self._clock()
        usable = [lane for lane in lanes if lane not in tried and lane.seconds_closed(now) == 0]
        roomy = [lane for lane in usable if lane.has_room]
        if not roomy:
            known = [lane.pace.recent_seconds for lane in usable]
            unknown = min([seconds for seconds in known if seconds is not None], default=1.0)
            return min(usable, key=lambda lane: lane.expected_wait(now, unknown) / lane.spec.weight, default=None)
        credit = self._credit
        for lane in roomy:
            credit[lane] += lane.spec.weight
        chosen = max(roomy, key=credit.__getitem__)
        credit[chosen] -= sum(lane.spec.weight for lane in roomy)
        return chosen

    def _all_closed(self, lanes: Sequence[Lane]) -> Postponed:
        now = self._clock()
        soonest = min(lanes, key=lambda lane: lane.seconds_closed(now))
        health = soonest.health(now)
        is_away = health.breaker != "closed" and not self._is_closing
        pause = max(1.0, soonest.seconds_closed(now))
        return Postponed("relay", pause, health.last_fault or "no relay", is_away=is_away)

    # beside sending

    async def check(self) -> list[RelayCheck]:
        """Logs in to every relay, all at once, as ``hourpost doctor`` wants to know; one that hangs is told alone."""
        return await asyncio.gather(*(self._check(lane) for lane in self._lanes))

    async def _check(self, lane: Lane) -> RelayCheck:
        name, began_at = lane.spec.name, self._clock()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                connection = await lane.check()
        except TimeoutError:
            return RelayCheck(name, False, self._clock() - began_at, f"no answer in {_CHECK_SECONDS:.0f} s")
        except LoginFailed as error:
            return RelayCheck(name, False, self._clock() - began_at, error.text, error.stage, error.code)
        return RelayCheck(
            name,
            True,
            self._clock() - began_at,
            "ok",
            tls_version=connection.tls_version,
            cipher=connection.cipher,
            offers_login=bool(connection.capabilities.auth),
            takes_eight_bits=connection.capabilities.eight_bit_mime,
            size_bytes=connection.capabilities.size_bytes,
        )

    def health(self) -> list[LaneHealth]:
        """How each relay does; cheap, and safe to call from another thread."""
        now = self._clock()
        return [lane.health(now) for lane in self._lanes]

    async def drain(self, seconds: float) -> None:
        """Takes nothing new, lets what is under way end, and closes; after ``seconds`` it closes what is left.

        Those outcomes are still returned to their senders.
        """
        self._is_closing = True
        if self._reviewer is not None:
            self._reviewer.cancel()
        for lane in self._lanes:
            lane.stop()
        try:
            async with asyncio.timeout(seconds):
                for lane in self._lanes:
                    await lane.is_quiet.wait()
        except TimeoutError:
            for lane in self._lanes:
                lane.abort()
        await asyncio.sleep(0)

    def _review(self) -> None:
        now = self._clock()
        for lane in self._lanes:
            lane.review(now)
        if not self._is_closing:
            self._reviewer = asyncio.get_running_loop().call_later(_REVIEW_SECONDS, self._review)


def _kept_by_others(envelope: Envelope, result: list[Outcome] | Postponed) -> tuple[str, ...]:
    """The recipients that were not asked about only for the addresses of others beside them, which need SMTPUTF8."""
    if envelope.smtputf8 or not envelope.sender.isascii():
        return ()
    if isinstance(result, Postponed):
        return tuple(filter(str.isascii, envelope.recipients))
    return tuple([one.recipient for one in result if one.is_local and one.recipient.isascii()])
