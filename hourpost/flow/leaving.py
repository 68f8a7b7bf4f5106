"""When the recipients of an email that are held leave, as things stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from hourpost.database import Database
from hourpost.emails.queries import StoredEmail, find_last_places, find_place
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
