"""What was sent from a mailbox, as its owner may see it: what still waits and why, and what became of one letter.

Always of one mailbox: who reads it is no user of the account, and sees nobody else's emails. Places in the line of the
account are numbers, and all that is told of what others have sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.errors import NotFound
from hourpost.rules.delivery_state import CANCELABLE, State

MOST_LETTERS = 500
"""As many that wait are looked at; the newest of them."""
MOST_RECIPIENTS = 100

# What an application sends in its name counts once a copy lies in the mailbox; else it is the application's alone.
_WAITING = text(
    """
SELECT e.id AS email_id, s.content_id, s.is_own, e.subject, e.message_id, e.created_at, w.*, r.code, r.reply
FROM sent_copies s JOIN emails e ON e.id = s.email_id AND e.account_id = :account AND e.source <> 'forward'
CROSS JOIN LATERAL (
  SELECT count(*) AS recipients, count(*) FILTER (WHERE d.state = 'held') AS held,
    count(*) FILTER (WHERE d.state = 'scheduled') AS scheduled,
    count(*) FILTER (WHERE d.state = 'deferred') AS deferred,
    count(*) FILTER (WHERE d.state IN ('queued', 'sending')) AS leaving,
    (array_agg(d.address ORDER BY d.position))[1] AS address,
    min(d.due_at) FILTER (WHERE d.state = 'scheduled') AS leaves_at,
    min(d.due_at) FILTER (WHERE d.state = 'deferred') AS next_at,
    (array_agg(d.position ORDER BY d.due_at) FILTER (WHERE d.state = 'deferred'))[1] AS tried
  FROM deliveries d WHERE d.email_id = s.email_id
) w LEFT JOIN LATERAL (
  SELECT a.code, a.reply FROM attempts a WHERE a.email_id = s.email_id AND a.position = w.tried
  ORDER BY a.number DESC LIMIT 1
) r ON true
WHERE s.mailbox_id = :mailbox AND NOT s.settled AND (s.is_own OR s.content_id IS NOT NULL)
  AND w.held + w.scheduled + w.deferred + w.leaving > 0
ORDER BY s.email_id DESC LIMIT :most
"""
)
# From one of them to the next, so that the line is counted once, however many of them stand in it
_PLACES = text(
    """
WITH ends AS (
  SELECT w.email_id, h.due_at, h.position FROM unnest(CAST(:emails AS uuid[])) AS w(email_id) CROSS JOIN LATERAL (
    SELECT d.due_at, d.position FROM deliveries d WHERE d.email_id = w.email_id AND d.state = 'held'
    ORDER BY d.due_at DESC, d.position DESC LIMIT 1) h
), steps AS (
  SELECT *, coalesce(lag(due_at) OVER line, '-infinity') AS past_at,
    coalesce(lag(email_id) OVER line, email_id) AS past, coalesce(lag(position) OVER line, -1) AS past_position
  FROM ends WINDOW line AS (ORDER BY due_at, email_id, position)
)
SELECT t.email_id, CAST(sum(b.count) OVER (ORDER BY t.due_at, t.email_id, t.position) AS int) AS place
FROM steps t CROSS JOIN LATERAL (
  SELECT count(*) FROM deliveries d WHERE d.account_id = :account AND d.state = 'held'
    AND (d.due_at, d.email_id, d.position) > (t.past_at, t.past, t.past_position)
    AND (d.due_at, d.email_id, d.position) <= (t.due_at, t.email_id, t.position)) b
"""
)
_FOUND = text(
    """
SELECT e.id, s.is_own FROM sent_copies s JOIN emails e ON e.id = s.email_id AND e.account_id = :account
WHERE s.mailbox_id = :mailbox AND s.content_id = :content
UNION ALL
SELECT e.id, s.is_own FROM sent_copies s JOIN emails e ON e.id = s.email_id AND e.account_id = :account
WHERE s.mailbox_id = :mailbox AND NOT s.settled AND s.is_own AND s.content_id IS NULL
  AND e.message_id = CAST(:message_id AS text)
LIMIT 1
"""
)
_FATES = text(
    """
SELECT d.address, d.state, d.due_at, d.changed_at, a.code, a.enhanced, a.reply
FROM deliveries d LEFT JOIN LATERAL (
  SELECT a.code, a.enhanced, a.reply FROM attempts a WHERE a.email_id = d.email_id AND a.position = d.position
  ORDER BY a.number DESC LIMIT 1
) a ON d.state IN ('deferred', 'bounced', 'expired', 'failed')
WHERE d.email_id = :email ORDER BY d.position LIMIT :most
"""
)
_STATES = text(
    """
SELECT w.folder, w.uid, array_agg(DISTINCT d.state) AS states
FROM unnest(CAST(:folders AS uuid[]), CAST(:uids AS bigint[])) AS w(folder, uid)
JOIN messages m ON m.folder_id = w.folder AND m.uid = w.uid
JOIN sent_copies s ON s.mailbox_id = :mailbox AND s.content_id = m.content_id
JOIN emails e ON e.id = s.email_id AND e.account_id = :account
JOIN deliveries d ON d.email_id = s.email_id
GROUP BY w.folder, w.uid
"""
)
_OWN = text(
    "SELECT e.account_id FROM sent_copies s JOIN emails e ON e.id = s.email_id AND e.account_id = :account"
    " WHERE s.email_id = :email AND s.mailbox_id = :mailbox AND s.is_own AND e.source <> 'forward'"
)


@dataclass(frozen=True, slots=True)
class WaitingLetter:
    """A letter of which something waits; of its ``recipients`` so many are ``held``, and so on.

    ``place`` is that of its last held recipient in the line of the account, from 1. ``leaves_at`` is what it was
    scheduled for; ``next_at`` the next try of what was deferred, with ``code`` and ``reply`` of the last.
    """

    email_id: UUID
    content_id: UUID | None
    is_own: bool
    subject: str
    message_id: str
    created_at: datetime
    recipients: int
    held: int
    scheduled: int
    deferred: int
    leaving: int
    address: str
    leaves_at: datetime | None
    next_at: datetime | None
    code: int | None
    reply: str | None
    place: int | None = None

    @property
    def may_be_canceled(self) -> bool:
        """Whether something of it has not left, and it is the mailbox's own."""
        return self.is_own and self.held + self.scheduled + self.deferred > 0


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter for one recipient; with the last words of the server, where it went wrong."""

    address: str
    state: State
    due_at: datetime
    changed_at: datetime
    code: int | None
    enhanced: str | None
    reply: str | None


@dataclass(frozen=True, slots=True)
class SentLetter:
    """A sent letter and its recipients, ``MOST_RECIPIENTS`` of them."""

    email_id: UUID
    is_own: bool
    fates: tuple[Fate, ...]

    @property
    def waits(self) -> bool:
        """Whether any of it may still change by itself."""
        return any(one.state in CANCELABLE or one.state == State.SENDING for one in self.fates)

    @property
    def may_be_canceled(self) -> bool:
        """Whether something of it has not left, and it is the mailbox's own."""
        return self.is_own and any(one.state in CANCELABLE for one in self.fates)


async def list_waiting(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID) -> list[WaitingLetter]:
    """The letters of which something waits, the newest first, ``MOST_LETTERS`` at most."""
    asked = {"account": account_id, "mailbox": mailbox_id, "most": MOST_LETTERS}
    rows = (await connection.execute(_WAITING, asked)).all()
    places = await _places(connection, account_id, [row.email_id for row in rows if row.held])
    return [WaitingLetter(**_fields(row), place=places.get(row.email_id)) for row in rows]


async def find_sent(
    connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, content_id: UUID, message_id: str | None
) -> SentLetter | None:
    """The letter whose copy in the mailbox this is, by its content or, while that is not noted, by its Message-ID."""
    asked = {"account": account_id, "mailbox": mailbox_id, "content": content_id, "message_id": message_id}
    found = (await connection.execute(_FOUND, asked)).one_or_none()
    if found is None:
        return None
    rows = await connection.execute(_FATES, {"email": found.id, "most": MOST_RECIPIENTS})
    fates = tuple(Fate(**dict(row._mapping) | {"state": State(row.state)}) for row in rows)
    return SentLetter(found.id, found.is_own, fates)


async def list_states(
    connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, places: Sequence[tuple[UUID, int]]
) -> dict[tuple[UUID, int], frozenset[State]]:
    """The states of the letters whose copies lie at these places, each a folder and a UID; none for what is no copy."""
    asked: dict[str, Any] = {"account": account_id, "mailbox": mailbox_id}
    asked |= {"folders": [folder for folder, _ in places], "uids": [uid for _, uid in places]}
    rows = await connection.execute(_STATES, asked)
    return {(row.folder, row.uid): frozenset(map(State, row.states)) for row in rows}


async def check_own(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, email_id: UUID) -> None:
    """See that the mailbox itself has sent it. Raises: NotFound."""
    asked = {"account": account_id, "mailbox": mailbox_id, "email": email_id}
    if (await connection.execute(_OWN, asked)).one_or_none() is None:
        raise NotFound("There is no such letter.")


async def _places(connection: AsyncConnection, account_id: UUID, emails: Sequence[UUID]) -> dict[UUID, int]:
    if not emails:
        return {}
    rows = await connection.execute(_PLACES, {"account": account_id, "emails": list(emails)})
    return {row.email_id: row.place for row in rows}


def _fields(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "tried"}
