"""Logbook: what became of each delivery, in the log: line by line while they are few, as a sum where they are many."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

import structlog

from hourpost.flow.verdict import Verdict
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import to_text

_ONE_BY_ONE = 20
_SUM_SECONDS = 1.0
_SAD = frozenset({State.BOUNCED, State.FAILED, State.EXPIRED, State.UNKNOWN})

log = structlog.get_logger()


class Logbook:
    """The lines of one worker; whoever notes does so on its event loop.

    What ended otherwise than its sender hoped always has a line. Of the others, so many a second have one, and the
    rest one line together: a line costs about as much as a tenth of the delivery.
    """

    def __init__(self) -> None:
        self._left = _ONE_BY_ONE
        self._more: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, verdicts: Sequence[Verdict]) -> None:
        """Write down what became of some deliveries."""
        is_debugging = log.is_enabled_for(logging.DEBUG)
        for one in verdicts:
            if one.state in _SAD or is_debugging:
                _say(one)
            elif self._left > 0 and not one.is_quiet:
                self._left -= 1
                _say(one)
            else:
                self._more[one.state.value] += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SUM_SECONDS, self.sum_up)

    def sum_up(self) -> None:
        """Write down what had no line of its own, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
        if self._more:
            log.info("more deliveries", **dict(self._more))
        self._left, self._timer = _ONE_BY_ONE, None
        self._more.clear()


def _say(one: Verdict) -> None:
    tried = one.attempt
    log.info(
        "delivery",
        email=to_text("em", one.email_id),
        position=one.position,
        state=one.state.value,
        relay=tried and tried.relay,
        code=tried and tried.code,
        reply=tried.reply if tried else one.detail.get("reason"),
    )
