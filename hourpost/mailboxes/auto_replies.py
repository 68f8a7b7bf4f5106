"""Who answers by itself, and to whom it has done so: each sender is told once in a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import Conflict
from hourpost.rules.auto_reply import AutoReply, read_row

AGAIN_AFTER = timedelta(days=7)
MOST_A_DAY = 500
"""So many senders a mailbox tells in a day: whoever forges more of them does not spend the account's hour."""

_FIND = HotStatement(
    """
SELECT m.id, m.account_id, m.address, m.name, m.auto_reply, d.id AS domain_id,
  coalesce(d.dkim_seen_at, d.dkim_ed25519_seen_at) IS NOT NULL AS signs, (
    SELECT array_agg(a.address) FROM mailbox_addresses a WHERE a.mailbox_id = m.id AND a.kind <> 'catch_all'
  ) AS own
FROM mailboxes m JOIN domains d ON d.name = m.domain AND d.account_id = m.account_id AND d.status = 'verified'
WHERE m.id = ANY(CAST(:mailboxes AS uuid[])) AND m.auto_reply IS NOT NULL AND NOT EXISTS (
    SELECT FROM auto_replied r WHERE r.mailbox_id = m.id AND r.address = :sender AND r.replied_at > :again
  ) AND (
    SELECT count(*) FROM auto_replied r WHERE r.mailbox_id = m.id AND r.replied_at > :day
  ) < :most
"""
)
_NOTE = HotStatement(
    """
INSERT INTO auto_replied AS r (mailbox_id, address, replied_at) VALUES (:mailbox, :sender, :now)
ON CONFLICT (mailbox_id, address) DO UPDATE SET replied_at = :now WHERE r.replied_at <= :again
RETURNING 1
"""
)
_FORGET = HotStatement(
    """
WITH gone AS (
  DELETE FROM auto_replied WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM auto_replied WHERE replied_at <= :again LIMIT :most
  )) RETURNING 1
) SELECT count(*) AS count FROM gone
"""
)


class AlreadyReplied(Conflict):
    """Another message of the same sender was answered in the meantime."""

    def __init__(self) -> None:
        super().__init__("already_replied", "This sender was answered just now.")


@dataclass(frozen=True, slots=True)
class AutoReplier:
    """A mailbox that answers by itself and has not told this sender; ``own`` are its addresses, the first its name."""

    mailbox_id: UUID
    account_id: UUID
    name: str
    own: tuple[str, ...]
    reply: AutoReply
    domain_id: UUID
    signs: bool


async def find_auto_repliers(
    connection: Connection, mailbox_ids: Sequence[UUID], sender: str, now: datetime
) -> list[AutoReplier]:
    """Those of the mailboxes that answer this sender at this moment."""
    arguments = {"again": now - AGAIN_AFTER, "day": now - timedelta(days=1), "most": MOST_A_DAY}
    rows = await _FIND.run(connection, arguments | {"mailboxes": list(mailbox_ids), "sender": sender.lower()})
    found = []
    for row in rows:
        reply = read_row(orjson.loads(row.auto_reply))
        if reply is not None and reply.is_given(now):
            own = (row.address, *(one for one in row.own or () if one != row.address))
            found.append(AutoReplier(row.id, row.account_id, row.name, own, reply, row.domain_id, row.signs))
    return found


async def note_auto_reply(connection: Connection, mailbox_id: UUID, sender: str, now: datetime) -> None:
    """Write down that a sender is answered now. Raises: AlreadyReplied."""
    arguments = {"mailbox": mailbox_id, "sender": sender.lower(), "now": now, "again": now - AGAIN_AFTER}
    if not await _NOTE.run(connection, arguments):
        raise AlreadyReplied


async def forget_auto_replied(connection: Connection, now: datetime, most: int) -> int:
    """Forget some of those who may be told again; says how many."""
    rows = await _FORGET.run(connection, {"again": now - AGAIN_AFTER, "most": most})
    return int(rows[0].count)
