"""Copying and moving messages within a mailbox: content is shared, flags and dates go along (RFC 9051 §6.4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import MailboxFull, NotFound
from hourpost.mailboxes.message_changes import Copied
from hourpost.mailboxes.uid_ranges import UidRanges, normalise_ranges


@dataclass(frozen=True, slots=True)
class Route:
    """From one folder of a mailbox to another, or the same."""

    mailbox_id: UUID
    source_id: UUID
    target_id: UUID


# The mailbox first, then the folders by id: the order that every change keeps.
_LOCK = HotStatement(
    "WITH m AS (SELECT id FROM mailboxes WHERE id = :mailbox AND deleted_at IS NULL FOR NO KEY UPDATE)"
    " SELECT f.id FROM m JOIN folders f ON f.mailbox_id = m.id AND f.id = ANY(CAST(:folders AS uuid[]))"
    " ORDER BY f.id FOR NO KEY UPDATE OF f"
)
_RANGES = "unnest(CAST(:first AS int[]), CAST(:last AS int[])) AS r(first, last)"
_COUNT = """
n AS (
  SELECT count(*) AS count, coalesce(sum(1 - (flags & 1)), 0) AS unseen, coalesce(sum((flags & 8) / 8), 0) AS deleted,
    coalesce(sum(size_bytes), 0) AS size FROM source
)"""
_COPY = HotStatement(
    f"""
WITH source AS (
  SELECT m.*, row_number() OVER (ORDER BY m.uid) - 1 AS number
  FROM {_RANGES} JOIN messages m ON m.folder_id = :source AND m.uid BETWEEN r.first AND r.last
), {_COUNT}, room AS (
  UPDATE mailboxes m SET used_bytes = m.used_bytes + n.size FROM n
  WHERE m.id = :mailbox AND n.count > 0 AND m.used_bytes + n.size <= m.quota_bytes RETURNING m.id
), place AS (
  UPDATE folders f SET uidnext = f.uidnext + n.count, highestmodseq = f.highestmodseq + 1,
    messages = f.messages + n.count, unseen = f.unseen + n.unseen, deleted = f.deleted + n.deleted,
    size_bytes = f.size_bytes + n.size
  FROM n, room WHERE f.id = :target
  RETURNING f.uidvalidity, f.uidnext - n.count AS first, f.highestmodseq AS modseq
), stored AS (
  INSERT INTO messages (folder_id, uid, modseq, flags, keywords, size_bytes, received_at, saved_at, content_id,
    thread_id)
  SELECT :target, p.first + s.number, p.modseq, s.flags, s.keywords, s.size_bytes, s.received_at, :now, s.content_id,
    s.thread_id FROM source s, place p
)
SELECT s.uid, p.first + s.number AS target_uid, p.uidvalidity, p.modseq AS target_modseq, 0 AS source_modseq
FROM source s LEFT JOIN place p ON true ORDER BY s.uid
"""  # noqa: S608  # our own words
)
_MOVE = """
WITH gone AS (
  DELETE FROM messages m USING {ranges}
  WHERE m.folder_id = :source AND m.uid BETWEEN r.first AND r.last RETURNING m.*
), source AS (
  SELECT g.*, row_number() OVER (ORDER BY g.uid) - 1 AS number FROM gone g
), {count}, {places}, traces AS (
  INSERT INTO expunges (folder_id, modseq, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id,
    expunged_at)
  SELECT folder_id, p.source_modseq, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id, :now
  FROM source, place p
), stored AS (
  INSERT INTO messages (folder_id, uid, modseq, flags, keywords, size_bytes, received_at, saved_at, content_id,
    thread_id)
  SELECT :target, p.first + s.number, p.target_modseq, s.flags, s.keywords, s.size_bytes, s.received_at, :now,
    s.content_id, s.thread_id FROM source s, place p
)
SELECT s.uid, p.first + s.number AS target_uid, p.uidvalidity, p.target_modseq, p.source_modseq
FROM source s, place p ORDER BY s.uid
"""
_TWO_PLACES = """left_behind AS (
  UPDATE folders f SET highestmodseq = f.highestmodseq + 1, messages = f.messages - n.count,
    unseen = f.unseen - n.unseen, deleted = f.deleted - n.deleted, size_bytes = f.size_bytes - n.size
  FROM n WHERE f.id = :source AND n.count > 0 RETURNING f.highestmodseq AS modseq
), place AS (
  UPDATE folders f SET uidnext = f.uidnext + n.count, highestmodseq = f.highestmodseq + 1,
    messages = f.messages + n.count, unseen = f.unseen + n.unseen, deleted = f.deleted + n.deleted,
    size_bytes = f.size_bytes + n.size
  FROM n, left_behind b WHERE f.id = :target
  RETURNING f.uidvalidity, f.uidnext - n.count AS first, f.highestmodseq AS target_modseq, b.modseq AS source_modseq
)"""
_ONE_PLACE = """place AS (
  UPDATE folders f SET uidnext = f.uidnext + n.count, highestmodseq = f.highestmodseq + 1
  FROM n WHERE f.id = :target AND n.count > 0
  RETURNING f.uidvalidity, f.uidnext - n.count AS first, f.highestmodseq AS target_modseq,
    f.highestmodseq AS source_modseq
)"""
_MOVE_AWAY = HotStatement(_MOVE.format(ranges=_RANGES, count=_COUNT, places=_TWO_PLACES))
_MOVE_WITHIN = HotStatement(_MOVE.format(ranges=_RANGES, count=_COUNT, places=_ONE_PLACE))


async def copy_messages(connection: Connection, route: Route, ranges: UidRanges, now: datetime) -> Copied:
    """Copy in the caller's transaction. Raises: NotFound, MailboxFull."""
    return await _run(connection, _COPY, route, ranges, now)


async def move_messages(connection: Connection, route: Route, ranges: UidRanges, now: datetime) -> Copied:
    """Move in the caller's transaction, also onto the same folder, where they get new UIDs. Raises: NotFound."""
    statement = _MOVE_WITHIN if route.source_id == route.target_id else _MOVE_AWAY
    return await _run(connection, statement, route, ranges, now)


async def _run(
    connection: Connection, statement: HotStatement, route: Route, ranges: UidRanges, now: datetime
) -> Copied:
    folders = sorted({route.source_id, route.target_id})
    locked = await _LOCK.run(connection, {"mailbox": route.mailbox_id, "folders": folders})
    if len(locked) != len(folders):
        raise NotFound("There is no such folder.")
    pairs = normalise_ranges(ranges)
    arguments: dict[str, Any] = {"first": [first for first, _ in pairs], "last": [last for _, last in pairs]}
    arguments |= {"mailbox": route.mailbox_id, "source": route.source_id, "target": route.target_id, "now": now}
    rows = await statement.run(connection, arguments)
    if not rows:
        return Copied(0, [], [], 0, 0)
    if rows[0].target_uid is None:
        raise MailboxFull("The mailbox is full.")
    return Copied(
        uidvalidity=rows[0].uidvalidity,
        uids=[row.uid for row in rows],
        target_uids=[row.target_uid for row in rows],
        source_modseq=rows[0].source_modseq,
        target_modseq=rows[0].target_modseq,
    )
