"""Logbook: what became of each delivery, in the log: line by line while they are few, as a sum where they are many."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import structlog

from hourpost.few_lines import FewLines
from hourpost.flow.verdict import Verdict
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import to_text

_SAD = frozenset({State.BOUNCED, State.FAILED, State.EXPIRED, State.UNKNOWN})

log = structlog.get_logger()


class Logbook:
    """The lines of one worker; whoever notes does so on its event loop.

    What ended otherwise than its sender hoped always has a line. Of the others, few a second have one, and the rest one
    line together: a line costs about as much as a tenth of the delivery.
    """

    def __init__(self) -> None:
        self._lines = FewLines(lambda more: log.info("more deliveries", **more))

    def note(self, verdicts: Sequence[Verdict]) -> None:
        """Write down what became of some deliveries."""
        is_debugging = log.is_enabled_for(logging.DEBUG)
        for one in verdicts:
            if one.state in _SAD or is_debugging or self._lines.has_line(one.state, is_quiet=one.is_quiet):
                _say(one)


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
