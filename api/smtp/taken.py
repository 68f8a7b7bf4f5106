"""What the door has taken in, in the log: a line each while it is little, a sum a second beyond."""

from __future__ import annotations

import logging

import structlog

from api.smtp.transaction import Transaction
from hourpost.few_lines import FewLines
from hourpost.rules.ids import to_text

log = structlog.get_logger()


class Taken:
    """The lines of one role, ``event`` in words; whoever notes does so on the door's event loop."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._lines = FewLines(lambda more: log.info("more messages", **more))

    def note(self, transaction: Transaction, emails: tuple[str, ...], size_bytes: int, username: str | None) -> None:
        """A message was stored as ``emails``, by ``username`` where somebody has logged in."""
        if not self._lines.has_line(self._event) and not log.is_enabled_for(logging.DEBUG):
            return
        who = {} if username is None else {"username": username[:100]}
        log.info(
            self._event,
            session_id=to_text("ses", transaction.session_id),
            address=transaction.hop.client_address,
            **who,
            emails=emails,
            recipients=len(transaction.recipients),
            size_bytes=size_bytes,
        )
