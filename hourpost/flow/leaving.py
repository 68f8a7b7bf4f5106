"""When what is held leaves, as things are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from hourpost.database import Database
from hourpost.emails.queries import StoredEmail, find_last_places, find_place
from hourpost.errors import ServiceUnavailable
from hourpost.flow import limit
from hourpost.gateways.hour import Hour
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Order, Placed, Receipt, Standing


class Scheduled(NamedTuple):
    """How many recipients of an email wait for its moment."""

    moment: datetime
    recipients: int


class Accepts(Protocol):
    """The way into the flow."""

    async def accept(self, order: Order) -> Receipt:
        """Commit an order. Raises: HourpostError."""
        ...


class Repeatable:
    """The way into the flow for a door whose repeats are answered as the first time, with the hour of now."""

    def __init__(self, intake: Accepts, hour: Hour, database: Database) -> None:
        self._intake = intake
        self._hour = hour
        self._database = database

    async def accept(self, order: Order) -> Receipt:
        """Commit an order, once; what waits says when it leaves. Raises: HourpostError."""
        receipt = await self._intake.accept(order)
        return await as_things_are(self._hour, self._database, order.standing, receipt)


async def as_things_are(hour: Hour, database: Database, standing: Standing, receipt: Receipt) -> Receipt:
    """The receipt, with the moments by now at which what is scheduled leaves, and what an earlier request left held."""
    scheduled = {
        placed.email_id: Scheduled(placed.estimated_send_at, _count(placed, State.SCHEDULED))
        for placed in receipt.placed
        if placed.held_by == "schedule" and placed.estimated_send_at is not None and not standing.test
    }
    held = {
        placed.email_id: _count(placed, State.HELD)
        for placed in receipt.placed
        if receipt.replayed and placed.held_by == "plan"
    }
    if not scheduled and not held:
        return receipt
    leaving = await read_last_leaving(hour, database, standing.account_id, standing.limit, held)
    leaving |= await read_scheduled_leaving(hour, database, standing.account_id, standing.limit, scheduled)
    told = (
        placed._replace(estimated_send_at=leaving.get(placed.email_id, placed.estimated_send_at))
        for placed in receipt.placed
    )
    return replace(receipt, placed=tuple(told))


def _count(placed: Placed, wanted: State) -> int:
    return sum(state is wanted for _, state in placed.recipients)


async def read_leaving(
    hour: Hour, database: Database, account_id: UUID, plan_limit: int, email: StoredEmail
) -> dict[int, datetime]:
    """The moment of each held recipient, by its position; nothing where it cannot be told."""
    held = [one.position for one in email.deliveries if one.state == State.HELD]
    if not held or not plan_limit:
        return {}
    async with database.reading() as connection:
        place = await find_place(connection, account_id, email)
    if place is None:
        return {}
    try:
        reading = await limit.read(hour, database, account_id, plan_limit)
    except ServiceUnavailable:
        return {}
    when = reading.schedule.when
    return {position: limit.to_moment(when(place + number)) for number, position in enumerate(held)}


async def read_last_leaving(
    hour: Hour, database: Database, account_id: UUID, plan_limit: int, held: Mapping[UUID, int]
) -> dict[UUID, datetime]:
    """The moment at which the last recipient of each email leaves of which so many are held, where it can be told."""
    if not held or not plan_limit:
        return {}
    async with database.reading() as connection:
        places = await find_last_places(connection, account_id, held)
    try:
        reading = await limit.read(hour, database, account_id, plan_limit)
    except ServiceUnavailable:
        return {}
    return {email_id: limit.to_moment(reading.schedule.when(place)) for email_id, place in places.items()}


async def read_too_late(
    hour: Hour, database: Database, account_id: UUID, plan_limit: int, email: StoredEmail
) -> datetime | None:
    """The moment at which the last scheduled recipient of an email would leave, where the email has expired by then."""
    moments = [one.due_at for one in email.deliveries if one.state == State.SCHEDULED]
    if not moments or email.expires_at is None or email.test:
        return None
    scheduled = {email.id: Scheduled(max(moments), len(moments))}
    leaving = await read_scheduled_leaving(hour, database, account_id, plan_limit, scheduled)
    leaves_at = leaving.get(email.id)
    return leaves_at if leaves_at is not None and leaves_at > email.expires_at else None


async def read_scheduled_leaving(
    hour: Hour, database: Database, account_id: UUID, plan_limit: int, scheduled: Mapping[UUID, Scheduled]
) -> dict[UUID, datetime]:
    """The moment at which the last recipient of each leaves: its own, or when a full hour has room.

    Each as if it were alone: what else is scheduled is not counted. Without those of whom it cannot be told.
    """
    if not scheduled or not plan_limit:
        return {}
    try:
        reading = await limit.read(hour, database, account_id, plan_limit)
    except ServiceUnavailable:
        return {}
    when = reading.schedule.when
    return {
        email_id: max(one.moment, limit.to_moment(when(reading.waiting + one.recipients)))
        for email_id, one in scheduled.items()
    }
