"""Call: one worker's loop over the webhooks that are to be told. Claim, post with no transaction open, record.

A look for due calls costs a fraction of a millisecond, so each worker looks every second; what the worker itself
has written it looks for at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson
import structlog
from sqlalchemy.exc import DBAPIError

from hourpost.batcher import Batcher
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.encryption import CannotDecrypt, Cipher
from hourpost.gateways.metrics import WEBHOOK_CALLS
from hourpost.gateways.outgoing import Outgoing, Unreachable
from hourpost.rules.ids import to_text
from hourpost.rules.webhook_signing import sign
from hourpost.webhooks.calls import Claimed, Result, claim_calls, record_results
from hourpost.webhooks.changes import secret_row
from hourpost.webhooks.disabling import tell_disabled
from hourpost.webhooks.payloads import payloads_of
from hourpost.webhooks.queries import EVENT_PREFIX
from hourpost.webhooks.shares import Shares, UnderWay

_HEADERS = {"content-type": "application/json", "user-agent": "Hourpost-Webhooks/1"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallPace:
    """How many calls one worker makes at once, in all and for whom, and how often it looks."""

    shares: Shares = field(default_factory=Shares)
    look_seconds: float = 1.0
    gather_seconds: float = 0.02  # so long what ends gathers, to be followed by one claim
    clock: Clock = field(default_factory=SystemClock)
    jitter: Callable[[], float] = random.random


class Caller:
    """Calls what is due until it is told to stop. One per worker process and event loop."""

    def __init__(self, database: Database, outgoing: Outgoing, cipher: Cipher, pace: CallPace | None = None) -> None:
        self._database = database
        self._outgoing = outgoing
        self._cipher = cipher
        self._pace = pace or CallPace()
        self._clock = self._pace.clock
        self._bell = asyncio.Event()
        self._stopping = False
        self._under_way = UnderWay()
        self._calling: set[asyncio.Task[None]] = set()
        self._results: Batcher[Result, None] = Batcher(self._record)

    def ring(self) -> None:
        """Look now. Call it on the caller's own loop."""
        self._bell.set()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._bell.set()

    async def run(self) -> None:
        """Work until ``stop``; then let what is under way end."""
        while not self._stopping:
            try:
                await self._fill()
            except ServiceUnavailable as error:
                log.warning("no calls can be claimed", cause=error.cause)
            except Exception:  # the outermost loop: whatever it was, the next look may do better
                log.exception("claiming calls stumbled")
            await self._pause()
        if self._calling:
            await asyncio.wait(self._calling)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pace.look_seconds):
                await self._bell.wait()
                await asyncio.sleep(self._pace.gather_seconds)
        except TimeoutError:
            pass
        self._bell.clear()

    async def _fill(self) -> None:
        shares = self._pace.shares
        while not self._stopping and (room := shares.most - self._under_way.calls) > 0:
            now = self._clock.now()
            async with self._database.transaction() as connection:
                claimed = await claim_calls(connection, self._under_way, shares, now)
                payloads = await payloads_of(connection, [call.key for call in claimed]) if claimed else {}
            for call in claimed:
                self._begin(call, payloads.get(call.key))
            if len(claimed) < room:
                return

    def _begin(self, call: Claimed, payload: dict[str, Any] | None) -> None:
        self._under_way.begin(call.webhook_id, call.account_id, is_failing=call.is_failing)
        task = asyncio.create_task(self._call(call, payload))
        self._calling.add(task)
        task.add_done_callback(partial(self._done, call))

    def _done(self, call: Claimed, task: asyncio.Task[None]) -> None:
        self._calling.discard(task)
        self._under_way.end(call.webhook_id, call.account_id, is_failing=call.is_failing)
        self._bell.set()  # there may be more for this account, which had no room before

    async def _call(self, call: Claimed, payload: dict[str, Any] | None) -> None:
        try:
            result = replace(await self._try(call, payload), is_test=_is_test(call, payload))
            WEBHOOK_CALLS.labels("taken" if result.is_success else "failed").inc()
            await self._results.put(result)
        except (ServiceUnavailable, DBAPIError) as error:  # its lease ends, and it is called again
            log.warning("a call's result was not written", error=repr(error))
        except Exception:  # the outermost loop of one call
            log.exception("a call stumbled", webhook_id=str(call.webhook_id))

    async def _try(self, call: Claimed, payload: dict[str, Any] | None) -> Result:
        now = self._clock.now()
        if payload is None:
            return Result(call, None, "The email is no longer kept.", 0.0, now, is_vain=True)
        body = orjson.dumps(payload)
        try:
            headers = sign(self._secrets(call), to_text(EVENT_PREFIX, call.event_id), int(now.timestamp()), body)
            answer = await self._outgoing.post(call.endpoint, _HEADERS | headers, body)
        except Unreachable as error:
            return Result(call, None, str(error), (self._clock.now() - now).total_seconds(), now)
        except CannotDecrypt as error:
            log.warning("a webhook's secret cannot be decrypted", webhook_id=str(call.webhook_id), error=str(error))
            return Result(call, None, "Its secret cannot be read; rotate it.", 0.0, now)
        return Result(call, answer.status, answer.text, answer.seconds, now)

    def _secrets(self, call: Claimed) -> list[bytes]:
        row = secret_row(call.webhook_id)
        return [self._cipher.open(sealed, row) for sealed in (call.secret, *call.old_secrets)]

    async def _record(self, results: Sequence[Result]) -> list[None]:
        now = self._clock.now()
        async with self._database.transaction() as connection:
            disabled = await record_results(connection, results, now, self._pace.jitter())
            for webhook in disabled:
                await tell_disabled(connection, webhook, now)
        for webhook in disabled:
            log.warning("a webhook was disabled", webhook_id=str(webhook.id), account_id=str(webhook.account_id))
        return [None] * len(results)


def _is_test(call: Claimed, payload: dict[str, Any] | None) -> bool:
    """Whether it is a made-up event; one of an email in test mode happened."""
    return call.email_id is None and payload is not None and payload["data"].get("test") is True
