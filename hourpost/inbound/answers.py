"""Answers: incoming mail that refers to an email of the account, told as ``email.replied``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hourpost.database import HotStatement
from hourpost.rules.ids import new_id
from hourpost.webhooks.telling import with_calls

_FIND = HotStatement(
    "SELECT e.id, e.message_id FROM emails e"
    " WHERE e.message_id = ANY(CAST(:references AS text[])) AND e.account_id = :account AND NOT e.test"
    " AND e.source <> 'forward'"  # that has its writer's Message-ID, who only goes on writing
)
# The event is of the delivery to whoever answers, or of the first where somebody else does.
_TELL = HotStatement(
    with_calls(
        """
WITH place AS (
  SELECT coalesce((SELECT d.position FROM deliveries d WHERE d.email_id = :email AND lower(d.address) = :sender
    LIMIT 1), 0) AS position
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT :email, CAST(:event AS uuid), p.position, :account, 'replied', :now, CAST(CAST(:detail AS text) AS jsonb)
  FROM place p
  {told}
), calls AS ({calls})
SELECT count(*) AS calls FROM calls
"""
    )
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An incoming mail that refers to ``email_id``; ``sender`` is its envelope's."""

    account_id: UUID
    email_id: UUID
    sender: str
    detail: dict[str, Any]


async def find_answered(connection: asyncpg.Connection, account_id: UUID, references: Sequence[str]) -> UUID | None:
    """The email of the account that a mail with these references answers: of the nearest that is one."""
    rows = await _FIND.run(connection, {"references": list(references), "account": account_id})
    by_name = {row.message_id: row.id for row in rows}
    return next((by_name[name] for name in references if name in by_name), None)


async def tell_answer(connection: asyncpg.Connection, answer: Answer, now: datetime) -> None:
    """Append ``replied`` to the email's events, and have webhooks called."""
    arguments = {
        "email": answer.email_id,
        "sender": answer.sender.lower(),
        "event": new_id(),
        "account": answer.account_id,
        "now": now,
        "detail": orjson.dumps(answer.detail).decode(),
    }
    await _TELL.run(connection, arguments)
