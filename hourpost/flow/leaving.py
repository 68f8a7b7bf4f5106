"""When the recipients of an email that are held leave, as things stand."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hourpost.database import Database
from hourpost.emails.queries import StoredEmail, find_place
from hourpost.errors import ServiceUnavailable
from hourpost.flow import limit
from hourpost.gateways.hour import Hour
from hourpost.rules.delivery_state import State


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
