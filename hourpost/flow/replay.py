"""Replay: the answer to an order whose idempotency key was used before."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.errors import Conflict
from hourpost.flow.earlier import Known
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Order, Placed, Receipt

_STATES = text(
    "SELECT e.id, e.message_id, e.scheduled_at, e.expires_at, e.created_at, d.address, d.state"
    " FROM emails e JOIN deliveries d ON d.email_id = e.id"
    " WHERE e.account_id = :account AND e.id = ANY(CAST(:ids AS uuid[])) ORDER BY e.id, d.position"
)


async def replay(connection: AsyncConnection, order: Order, known: Known) -> Receipt:
    """The receipt of the first order, with states as they are now. Raises: Conflict when the body was another one."""
    if known.body_sha256 != order.body_sha256:
        raise Conflict(
            "invalid_idempotent_request",
            "This idempotency key was used for another request in the last 24 hours: what is new needs a new key.",
        )
    ids = [UUID(text_id) for text_id in known.answer["emails"]]
    rows = await connection.execute(_STATES, {"account": order.standing.account_id, "ids": ids})
    found = defaultdict(list)
    for row in rows:
        found[row.id].append(row)
    placed = tuple(_placed(email_id, found[email_id]) for email_id in ids if email_id in found)
    return Receipt(placed, None, replayed=True, errors=tuple(known.answer["errors"]))


def _placed(email_id: UUID, rows: list[Any]) -> Placed:
    states = {row.state for row in rows}
    held_by = "plan" if State.HELD in states else "schedule" if State.SCHEDULED in states else None
    first_told = rows[0].created_at if State.QUEUED in states else None
    leaves_at = rows[0].scheduled_at if held_by == "schedule" else first_told if held_by is None else None
    recipients = tuple((row.address, State(row.state)) for row in rows)
    return Placed(email_id, rows[0].message_id, recipients, held_by, leaves_at, expires_at=rows[0].expires_at)
