"""Telling the hour of an account what a committed change has given back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from hourpost.emails.changes import GivenBack
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.hour import Hour

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


async def give_back(hour: Hour, given: GivenBack) -> None:
    """Return tokens and shorten the queue; while Redis is away nothing is lost but room, for an hour at most."""
    if given.generation is None:
        return
    try:
        for spent_at, count in given.tokens:
            moment_us = (spent_at - _EPOCH) // timedelta(microseconds=1)
            await hour.refund(given.account_id, given.generation, count, moment_us)
        if given.waiting:
            await hour.adjust_waiting(given.account_id, -given.waiting, given.generation)
    except ServiceUnavailable as error:
        log.warning("the hour was not told what was given back", cause=error.cause)
