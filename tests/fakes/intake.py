"""An intake that remembers what it was given, and answers what a test wants."""

from __future__ import annotations

from datetime import datetime

from hourpost.errors import HourpostError
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Order, Placed, Receipt


class RecordingIntake:
    """Takes every order; ``error`` is raised instead when it is set, ``leaves_at`` holds what is taken."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.error: HourpostError | Exception | None = None
        self.leaves_at: datetime | None = None

    def reset(self) -> None:
        self.__init__()

    async def accept(self, order: Order) -> Receipt:
        if self.error is not None:
            raise self.error
        self.orders.append(order)
        mail = order.submissions[0]
        state = State.HELD if self.leaves_at else State.QUEUED
        recipients = tuple((address, state) for address in mail.recipients)
        held_by = "plan" if self.leaves_at else None
        placed = Placed(mail.email_id, mail.message_id, recipients, held_by, self.leaves_at)
        return Receipt((placed,), None)
