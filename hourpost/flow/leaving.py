"""When what is held leaves, as things are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hourpost.database import Database
from hourpost.emails.queries import StoredEmail, find_last_places, find_place
from hourpost.errors import ServiceUnavailable
from hourpost.flow import limit
from hourpost.gateways.hour import Hour
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Order, Receipt, Standing


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
        """Commit an order, once; what it left held earlier says when it leaves. Raises: HourpostError."""
        receipt = await self._intake.accept(order)
        return await as_things_are(self._hour, self._database, order.standing, receipt)


async def as_things_are(hour: Hour, database: Database, standing: Standing, receipt: Receipt) -> Receipt:
    """The receipt; of what an earlier request placed and is still held, with the moment at which it leaves by now."""
    if not receipt.replayed:
        return receipt
    held = {
        placed.email_id: sum(state is State.HELD for _, state in placed.recipients)
        for placed in receipt.placed
        if placed.held_by == "plan"
    }
    leaving = await read_last_leaving(hour, database, standing.account_id, standing.limit, held)
    told = (
        placed._replace(estimated_send_at=leaving.get(placed.email_id, placed.estimated_send_at))
        for placed in receipt.placed
    )
    return replace(receipt, placed=tuple(told))


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
