"""Teller: tokens for a door, from buckets that are counted anew where some of their tokens may have been lost.

A debit whose commit failed in an unknown way, or whose process died, is nobody's; without this it would come back
only after an hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow import limit
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour, HourUnavailable
from hourpost.rules.hour_tokens import Answer, Take, Taken
from hourpost.seldom import Seldom

_TRUST = timedelta(seconds=30)
_REMEMBERED = 10_000

log = structlog.get_logger()
_say_untold = Seldom("the hour was not told what is held")


class Teller:
    """Takes tokens and gives them back. One per intake."""

    def __init__(self, hour: Hour, database: Database, clock: Clock) -> None:
        self._hour = hour
        self._database = database
        self._clock = clock
        self._doubted: set[UUID] = set()
        self._filled_at: dict[UUID, datetime] = {}

    def doubt(self, accounts: Iterable[UUID]) -> None:
        """Fill the buckets of these accounts before they are asked again."""
        self._doubted.update(accounts)

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """Take tokens of many accounts; nobody is refused on the word of a bucket that was filled long ago.

        Raises: ServiceUnavailable.
        """
        await self._fill(self._doubted.intersection([take.account for take in takes]))
        try:
            found = await limit.take(self._hour, self._database, takes)
            refused = [index for index, taken in enumerate(found) if self._is_doubtful(taken)]
            await self._fill([takes[index].account for index in refused])
            again = await limit.take(self._hour, self._database, [takes[index] for index in refused])
        except HourUnavailable:  # the gateway undoes what was not answered
            raise
        except ServiceUnavailable:
            self.doubt(take.account for take in takes)
            raise
        for index, taken in zip(refused, again, strict=True):
            found[index] = taken
        return found

    async def give_back(self, taken: Taken, answers: Iterable[Answer]) -> None:
        """Undo a debit of which nothing was stored; what fails here is found by the next comparison."""
        answers = tuple(answers)
        spent = sum(answer.taken for answer in answers)
        held = sum(answer.held for answer in answers if answer.refusal is None)
        generation = taken.reading.generation
        try:
            if spent:
                await self._hour.refund(taken.account, generation, spent, taken.taken_at_us)
            if held:
                await self._hour.adjust_waiting(taken.account, -held, generation)
        except ServiceUnavailable as error:
            log.warning("tokens could not be given back", cause=error.cause)

    async def tell_held(self, unseen: Mapping[UUID, int], generations: Mapping[UUID, int]) -> None:
        """Tell the buckets of what was held without them, so that nobody overtakes it."""
        try:
            for account, generation in generations.items():
                await self._hour.adjust_waiting(account, unseen[account], generation)
        except ServiceUnavailable as error:
            _say_untold(cause=error.cause)

    def _is_doubtful(self, taken: Taken) -> bool:
        if all(answer.refusal is None for answer in taken.answers):
            return False
        filled_at = self._filled_at.get(taken.account)
        return filled_at is None or abs(self._clock.now() - filled_at) > _TRUST

    async def _fill(self, accounts: Collection[UUID]) -> None:
        await limit.fill_many(self._hour, self._database, accounts)
        self._doubted.difference_update(accounts)
        if len(self._filled_at) >= _REMEMBERED:
            self._filled_at.clear()
        self._filled_at.update(dict.fromkeys(accounts, self._clock.now()))
