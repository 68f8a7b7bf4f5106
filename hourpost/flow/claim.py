"""Claim: a worker leases what is due, and says that it is alive; both are short transactions of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.flow.senders import IS_HOMELESS

# `state || ''` keeps the planner on the primary key: the partial indexes look tiny to it, but are full of what has
# just left them. What lost its worker twice is a suspect: taken alone, so that poison cannot park its neighbours.
_PICK = {
    "hinted": "email_id = ANY(CAST(:ids AS uuid[])) AND state || '' IN ('queued', 'deferred') AND due_at <= :now"
    " AND crashes < 2",
    "due": "state IN ('queued', 'deferred') AND due_at <= :now AND crashes < 2 ORDER BY due_at",
    "suspect": "state IN ('queued', 'deferred') AND due_at <= :now AND crashes >= 2 ORDER BY due_at",
}
_CLAIM = """
WITH due AS (
  SELECT email_id, position FROM deliveries WHERE {pick} LIMIT :most FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE deliveries d SET state = 'sending', lease = :worker, dot_at = NULL, attempts = d.attempts + 1,
    changed_at = :now
  FROM due WHERE d.email_id = due.email_id AND d.position = due.position
    AND EXISTS (SELECT 1 FROM workers WHERE id = :worker)
  RETURNING d.lease, d.email_id, d.position, d.address, d.domain, d.attempts, d.waits_for, d.released_at
)
SELECT c.lease, c.email_id, e.account_id, e.domain_id, e.test, e.envelope_from, e.size_bytes, e.content_id,
  e.expires_at, e.created_at, coalesce(c.released_at, greatest(e.created_at, e.scheduled_at)),
  a.unknown_policy = 'park',
  a.suspended_at IS NOT NULL, a.plan IS NULL, {homeless}, CAST(e.parts -> 'dsn' AS text),
  c.position, c.address, c.attempts, c.waits_for,
  (SELECT true FROM suppressions s WHERE s.account_id = e.account_id AND s.address = lower(c.address) LIMIT 1) IS TRUE,
  h.id IS NOT NULL AND (
    EXISTS (SELECT FROM mailbox_addresses m WHERE m.account_id = h.account_id AND m.domain = h.name)
    OR EXISTS (SELECT FROM inbound_routes r WHERE r.account_id = h.account_id AND r.domain = h.name))
FROM claimed c JOIN emails e ON e.id = c.email_id JOIN accounts a ON a.id = e.account_id
  LEFT JOIN domains h ON h.name = c.domain AND h.status = 'verified'
"""


def _claim(which: str) -> str:
    return _CLAIM.format(pick=_PICK[which], homeless=IS_HOMELESS)


_HINTED = HotStatement(_claim("hinted"), seconds=HOT_SECONDS)
_DUE = HotStatement(_claim("due"), seconds=HOT_SECONDS)
# What a relay was asked about has a try that ends when the row was changed: it keeps its own pause, else mail that a
# relay breaks off at would be tried again with every answer to others.
_WAKE = HotStatement("""
UPDATE deliveries d SET due_at = :now
FROM (
  SELECT q.email_id, q.position FROM deliveries q
  WHERE q.state IN ('queued', 'deferred') AND q.due_at > :now AND q.waits_for = 'relay'
    AND (q.changed_at < :since OR NOT EXISTS (
      SELECT FROM attempts a WHERE a.email_id = q.email_id AND a.position = q.position AND a.number = q.attempts
        AND a.started_at + make_interval(secs => a.seconds) > q.changed_at - interval '1 ms'))
  ORDER BY q.due_at LIMIT :most FOR UPDATE SKIP LOCKED
) AS w
WHERE d.email_id = w.email_id AND d.position = w.position RETURNING d.position
""")
_SUSPECT = text(_claim("suspect"))
_CONTENT = HotStatement(
    "SELECT content_id, bytes FROM content_chunks WHERE content_id = ANY(CAST(:ids AS uuid[]))"
    " ORDER BY content_id, number"
)
# Leases begin and end by PostgreSQL's clock: a machine whose own is wrong would take everybody's work away.
_ENROL = text(
    "INSERT INTO workers (id, name, leased_until, started_at)"
    " VALUES (:id, :name, now() + make_interval(secs => :seconds), now())"
)
_RENEW = text(
    "UPDATE workers w SET leased_until = now() + make_interval(secs => :seconds)"
    " FROM (SELECT id, leased_until FROM workers WHERE id = :id FOR UPDATE) AS before WHERE w.id = before.id"
    " RETURNING extract(epoch FROM before.leased_until - now())::float8"
)
_DOT = HotStatement(
    "UPDATE deliveries d SET dot_at = :now"
    " FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[])) AS w(email, position)"
    " WHERE d.email_id = w.email AND d.position = w.position AND d.lease = :worker AND d.state || '' = 'sending'"
    " RETURNING d.email_id, d.position",
    seconds=HOT_SECONDS,
)


class Recipient(NamedTuple):
    """One leased delivery of an email. ``attempts`` counts the one under way."""

    position: int
    address: str
    attempts: int
    waits_for: str | None
    is_suppressed: bool  # since it was accepted or released
    may_be_here: bool  # its domain has mailboxes or routes


class Claimed(NamedTuple):
    """One email with the deliveries of it that this worker has leased; its fields are the columns of a claim."""

    lease: UUID  # under which they were claimed; what is written of them holds while the rows still have it
    email_id: UUID
    account_id: UUID
    domain_id: UUID | None
    test: bool
    envelope_from: str
    size_bytes: int
    content_id: UUID
    expires_at: datetime | None
    created_at: datetime
    leaves_at: datetime  # when it was free to leave: its moment had come and its hour had room
    parks_unknown: bool
    is_suspended: bool
    is_unpaid: bool  # its account has no plan
    is_homeless: bool  # a domain that it is from is not its account's any more
    wishes: str | None  # of its sender about reports, as JSON
    recipients: tuple[Recipient, ...]

    @property
    def keys(self) -> list[tuple[UUID, int]]:
        """The keys of its leased deliveries."""
        return [(self.email_id, recipient.position) for recipient in self.recipients]


_OF_EMAIL = len(Claimed._fields) - 1  # columns; those of its recipient follow


async def claim(
    connection: asyncpg.Connection, worker: UUID, now: datetime, most: int, hinted: Sequence[UUID] | None
) -> list[Claimed]:
    """Lease up to ``most`` due deliveries: of the ``hinted`` emails, or the longest due. Nobody waits for a lock."""
    arguments = {"worker": worker, "now": now, "most": most}
    if hinted is None:
        rows = await _DUE.run(connection, arguments)
    else:
        rows = await _HINTED.run(connection, {**arguments, "ids": list(hinted)})
    return _by_email(rows)


async def wake(connection: asyncpg.Connection, now: datetime, most: int, since: datetime) -> int:
    """Make some of what was put off until a relay is back due now, the soonest first; gives how many they are.

    What a relay was asked about itself only where that was before ``since``: the relays may be others by now.
    """
    return len(await _WAKE.run(connection, {"now": now, "most": most, "since": since}))


async def claim_suspect(connection: AsyncConnection, worker: UUID, now: datetime) -> Claimed | None:
    """Lease one delivery that lost its worker twice, if there is one."""
    rows = (await connection.execute(_SUSPECT, {"worker": worker, "now": now, "most": 1})).all()
    return _by_email(rows)[0] if rows else None


def _by_email(rows: Sequence[Sequence[Any]]) -> list[Claimed]:
    """Emails from rows, each of which has one delivery of an email."""
    emails: dict[UUID, Claimed] = {}
    for row in rows:
        one = Claimed._make([*row[:_OF_EMAIL], (Recipient._make(row[_OF_EMAIL:]),)])
        known = emails.get(one.email_id)
        if known is not None:
            recipients, leaves_at = known.recipients + one.recipients, max(known.leaves_at, one.leaves_at)
            one = one._replace(recipients=recipients, leaves_at=leaves_at)
        emails[one.email_id] = one
    return list(emails.values())


async def load_contents(connection: asyncpg.Connection, content_ids: Sequence[UUID]) -> dict[UUID, list[bytes]]:
    """The bytes of contents, in their chunks."""
    contents: dict[UUID, list[bytes]] = defaultdict(list)
    if content_ids:
        for content_id, data in await _CONTENT.run(connection, {"ids": list(content_ids)}):
            contents[content_id].append(data)
    return contents


async def enrol(connection: AsyncConnection, worker: UUID, name: str, lease_seconds: int) -> None:
    """Begin leases under the new id ``worker``; they hold for ``lease_seconds``."""
    await connection.execute(_ENROL, {"id": worker, "name": name, "seconds": lease_seconds})


async def renew(connection: AsyncConnection, worker: UUID, lease_seconds: int) -> float | None:
    """Say that the worker is alive: its leases hold for ``lease_seconds`` more.

    Gives the seconds that were left of them; None when a sweep has ended them.
    """
    left: float | None = (await connection.execute(_RENEW, {"id": worker, "seconds": lease_seconds})).scalar()
    return left


async def mark_dots(
    connection: asyncpg.Connection, worker: UUID, keys: Sequence[tuple[UUID, int]], now: datetime
) -> set[tuple[UUID, int]]:
    """Write that the final dots of these deliveries go out now; gives those that are still leased to ``worker``."""
    arguments = {
        "worker": worker,
        "now": now,
        "email": [email_id for email_id, _ in keys],
        "position": [position for _, position in keys],
    }
    return set(map(tuple, await _DOT.run(connection, arguments)))
