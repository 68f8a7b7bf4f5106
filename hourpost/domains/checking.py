"""Looking domains up again, without being asked: what has gone from DNS is noticed, and its owner is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from uuid import UUID

import structlog

from hourpost.domains.queries import Domain, Status, list_due_for_check
from hourpost.domains.verification import Verifier
from hourpost.errors import HourpostError

_IN_A_ROUND = 200
_AT_ONCE = 8
_LATER_SECONDS = 900.0

log = structlog.get_logger()


class Loss(StrEnum):
    """What a domain has lost since it was last looked up."""

    PROOF = "proof"  # missing now; the domain stays verified for some days
    DOMAIN = "domain"  # missing for too long: no mail leaves from it any more
    SIGNATURE = "signature"  # mail leaves unsigned, or with one signature less


Tell = Callable[[Domain, Loss], Awaitable[None]]


class Checker:
    """Looks up what is due. ``tell`` is told of each loss once, by whoever wrote it down."""

    def __init__(self, verifier: Verifier, tell: Tell, seconds: Callable[[], float] = time.monotonic) -> None:
        self._verifier = verifier
        self._tell = tell
        self._seconds = seconds
        self._later: dict[UUID, float] = {}  # about which nothing could be learned just now

    async def check_due(self) -> int:
        """Look up the domains that are due, some at once; gives how many. Raises: ServiceUnavailable."""
        now = self._seconds()
        self._later = {one: until for one, until in self._later.items() if until > now}
        async with self._verifier.database.reading() as connection:
            moment = self._verifier.clock.now()
            due = await list_due_for_check(connection, moment, _IN_A_ROUND, list(self._later))
        turns = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._check(domain, turns) for domain in due))
        return len(due)

    async def _check(self, before: Domain, turns: asyncio.Semaphore) -> None:
        try:
            async with turns:
                after = await self._verifier.verify(before.account_id, before.id)
        except HourpostError as error:  # its name servers are away, it was deleted, or another account has it
            self._later[before.id] = self._seconds() + _LATER_SECONDS
            log.info("a domain could not be looked up", domain=before.name, error=error.message)
            return
        for loss in losses_between(before, after):
            log.warning("a domain has lost a record", domain=after.name, account_id=str(after.account_id), loss=loss)
            await self._tell(after, loss)


def losses_between(before: Domain, after: Domain) -> Sequence[Loss]:
    """What is gone after a look-up that was there before it."""
    if before.status is Status.VERIFIED and after.status is Status.FAILED:
        return [Loss.DOMAIN]
    found = []
    if before.proof_missing_since is None and after.proof_missing_since is not None:
        found.append(Loss.PROOF)
    seen = [(one.dkim_seen_at, one.signs_ed25519 and one.dkim_ed25519_seen_at) for one in (before, after)]
    if any(was and not is_now for was, is_now in zip(*seen, strict=True)):
        found.append(Loss.SIGNATURE)
    return found
