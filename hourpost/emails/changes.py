"""Taking emails back and moving their moment. The caller owns the transaction; the hour is told after its commit."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.rules.delivery_state import CANCELABLE, State, may_become
from hourpost.rules.ids import new_id
from hourpost.rules.mime import format_date
from hourpost.rules.moments import write_moment
from hourpost.webhooks.telling import with_calls

Chunk, Delivery, Email = tables.ContentChunk, tables.Delivery, tables.Email

_APPEND = text(
    with_calls(
        """
WITH told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT CAST(:email_id AS uuid), e.id, e.position, CAST(:account_id AS uuid), :kind, :at,
    nullif(CAST(:detail AS jsonb), 'null')
  FROM unnest(CAST(:event AS uuid[]), CAST(:position AS int[])) AS e(id, position)
  {told}
)
{calls}
"""
    )
)


_DATE = re.compile(rb"(?m)^Date: [^\r\n]*")
_MAY_HAVE_LEFT = json.dumps({"reason": "canceled before it was tried again; the answer to an earlier try was lost"})


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What an account's hour is to be told once the transaction is committed.

    ``tokens`` are the moments and numbers of tokens that were not used; ``waiting`` fewer deliveries are held.
    """

    account_id: UUID
    generation: int | None = None
    tokens: tuple[tuple[datetime, int], ...] = ()
    waiting: int = 0


async def cancel_email(connection: AsyncConnection, account_id: UUID, email_id: UUID, now: datetime) -> GivenBack:
    """Cancel every delivery of an email that has not left; what is being sent right now goes on.

    Tokens come back, but of what may have left: where the answer to an earlier final dot was lost, the hour counts it.

    Raises:
        NotFound: the account has no such email.
        Conflict: all of it has left, or come to another end.
    """
    email, rows = await _lock(connection, account_id, email_id)
    going = [row for row in rows if row.state in CANCELABLE]
    if not going:
        if any(row.state == State.CANCELED for row in rows):
            return GivenBack(account_id)
        raise Conflict("not_cancelable", "This email has left, or ended otherwise: nothing of it can be canceled.")
    doubtful = await _list_doubtful(connection, email_id)
    kept = [row for row in going if row.position in doubtful]
    unused = [row for row in going if row.position not in doubtful]
    event = {"account_id": account_id, "email_id": email_id, "kind": State.CANCELED, "at": now}
    await _change(connection, email_id, unused, {"state": State.CANCELED, "released_at": None}, now)
    await _append_events(connection, unused, event | {"detail": "null"})
    await _change(connection, email_id, kept, {"state": State.CANCELED}, now)
    await _append_events(connection, kept, event | {"detail": _MAY_HAVE_LEFT})
    spent = Counter(row.released_at for row in unused if row.released_at is not None and not email.test)
    return await _give_back(connection, account_id, unused, spent)


async def reschedule_email(
    connection: AsyncConnection, account_id: UUID, email_id: UUID, moment: datetime, now: datetime
) -> GivenBack:
    """Let the deliveries that are scheduled or held leave at ``moment``.

    The Date header that we wrote says so too, where nothing of the email has left.

    Raises:
        NotFound: the account has no such email.
        Conflict: none of it waits for its moment any more.
        ValidationFailed: it expires before.
    """
    email, rows = await _lock(connection, account_id, email_id)
    if email.expires_at is not None and email.expires_at <= moment:
        raise ValidationFailed([Fault("/scheduled_at", "`scheduled_at` must be earlier than `expires_at`")])
    going = [row for row in rows if row.state == State.SCHEDULED or may_become(State(row.state), State.SCHEDULED)]
    if not going:
        raise Conflict("not_reschedulable", "This email does not wait any more: its moment cannot be changed.")
    await connection.execute(update(Email).where(Email.id == email_id).values(scheduled_at=moment))
    if email.source == "api" and all(row in going or row.state == State.SUPPRESSED for row in rows):
        await _date(connection, email.content_id, moment)
    await _change(connection, email_id, going, {"state": State.SCHEDULED, "due_at": moment}, now)
    detail = json.dumps({"scheduled_at": write_moment(moment)})
    event = {"account_id": account_id, "email_id": email_id, "kind": State.SCHEDULED, "at": now, "detail": detail}
    await _append_events(connection, going, event)
    return await _give_back(connection, account_id, going, Counter())


async def _lock(connection: AsyncConnection, account_id: UUID, email_id: UUID) -> tuple[Any, Sequence[Any]]:
    found = await connection.execute(
        select(Email.test, Email.expires_at, Email.source, Email.content_id).where(
            Email.account_id == account_id, Email.id == email_id
        )
    )
    email = found.one_or_none()
    if email is None:
        raise NotFound("There is no such email.")
    rows = await connection.execute(
        select(Delivery.position, Delivery.state, Delivery.released_at)
        .where(Delivery.email_id == email_id)
        .order_by(Delivery.position)
        .with_for_update()
    )
    return email, rows.all()


async def _date(connection: AsyncConnection, content_id: UUID, moment: datetime) -> None:
    """Write another moment into the Date header, which has the same length at every moment."""
    first = (Chunk.content_id == content_id, Chunk.number == 0)
    content = (await connection.execute(select(Chunk.bytes_).where(*first))).scalar_one_or_none()
    if content is not None:
        head, end, rest = content.partition(b"\r\n\r\n")
        head = _DATE.sub(f"Date: {format_date(moment)}".encode(), head)
        await connection.execute(update(Chunk).where(*first).values(bytes_=head + end + rest))


async def _list_doubtful(connection: AsyncConnection, email_id: UUID) -> set[int]:
    """The positions of those that may have left: the answer to a final dot of theirs was lost."""
    event = tables.Event
    lost = select(event.position).where(event.email_id == email_id, event.kind == State.UNKNOWN)
    return set((await connection.execute(lost)).scalars())


async def _change(
    connection: AsyncConnection, email_id: UUID, going: Sequence[Any], values: dict[str, Any], now: datetime
) -> None:
    await connection.execute(
        update(Delivery)
        .where(Delivery.email_id == email_id, Delivery.position.in_([row.position for row in going]))
        .values(**values, lease=None, changed_at=now)
    )


async def _append_events(connection: AsyncConnection, going: Sequence[Any], event: dict[str, Any]) -> None:
    ids = {"event": [new_id() for _ in going], "position": [row.position for row in going]}
    await connection.execute(_APPEND, event | ids)


async def _give_back(
    connection: AsyncConnection, account_id: UUID, going: Sequence[Any], spent: Counter[datetime]
) -> GivenBack:
    """Write the tokens that were not used as negative spends, under the lock that keeps their bucket from changing."""
    waiting = sum(row.state == State.HELD for row in going)
    if not spent and not waiting:
        return GivenBack(account_id)
    hours = tables.Hour
    statement = select(hours.generation).where(hours.account_id == account_id).with_for_update(read=True)
    generation = (await connection.execute(statement)).scalar_one_or_none()
    if spent:
        rows = [{"account_id": account_id, "spent_at": at, "count": -count} for at, count in spent.items()]
        await connection.execute(insert(tables.Spend), rows)
    return GivenBack(account_id, generation, tuple(spent.items()), waiting)
