"""When the recipients of an email that are held leave, as things stand."""

from __future__ import annotations

from datetime import datetime

from api.web.dashboard.meter import read_meter
from api.web.parts import Parts
from hourpost.accounts.queries import Account
from hourpost.emails.queries import StoredEmail, find_place
from hourpost.rules.delivery_state import State


async def read_leaving(parts: Parts, account: Account, email: StoredEmail) -> dict[int, datetime]:
    """The moment of each held recipient, by its position; nothing where it cannot be told."""
    held = [one.position for one in email.deliveries if one.state == State.HELD]
    if not held:
        return {}
    async with parts.database.reading() as connection:
        place = await find_place(connection, account.id, email)
    if place is None:
        return {}
    meter = await read_meter(parts, account)
    moments = {position: meter.leaves_at(place + number) for number, position in enumerate(held)}
    return {position: moment for position, moment in moments.items() if moment is not None}
