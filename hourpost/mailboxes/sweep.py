"""What is cleared away: content that nobody can read any more, old expunges, mailboxes whose grace is over.

Each function is one short transaction of the caller's, of so many rows at most, and says how many it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.mailboxes.changes import GRACE
from hourpost.mailboxes.contents import renew
from hourpost.rules.mail.scanned import PARSER_VERSION

READABLE = timedelta(hours=1)
"""How long who was not told of an expunge may still fetch the message."""
REMEMBERED = timedelta(days=60)
"""How long a client may be away and still be told which messages are gone."""
AT_ONCE = 1000
_RENEWED_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Drift:
    """A folder, or a mailbox, whose row does not say what its messages add up to: a bug."""

    mailbox_id: UUID
    folder_id: UUID | None
    counted: str
    stored: str


# Chunks are shared with emails of ours that are shown in a Sent folder, under the email's id.
_COLLECT = HotStatement(
    """
WITH due AS (
  SELECT folder_id, modseq, uid, content_id FROM expunges
  WHERE content_id IS NOT NULL AND expunged_at < :before ORDER BY expunged_at LIMIT :most FOR UPDATE SKIP LOCKED
), cleared AS (
  UPDATE expunges e SET content_id = NULL FROM due d
  WHERE e.folder_id = d.folder_id AND e.modseq = d.modseq AND e.uid = d.uid
), free AS (
  SELECT DISTINCT d.content_id AS id FROM due d
  WHERE NOT EXISTS (SELECT FROM messages m WHERE m.content_id = d.content_id)
    AND NOT EXISTS (SELECT FROM expunges e WHERE e.content_id = d.content_id AND e.expunged_at >= :before)
), contents AS (
  DELETE FROM message_contents c USING free f WHERE c.content_id = f.id
), unended AS (
  DELETE FROM unended_contents u USING free f WHERE u.content_id = f.id
), surrogates AS (
  DELETE FROM surrogates s USING free f WHERE s.content_id = f.id
), texts AS (
  DELETE FROM message_texts t USING free f WHERE t.content_id = f.id
), chunks AS (
  DELETE FROM content_chunks k USING free f WHERE k.content_id = f.id
    AND NOT EXISTS (SELECT FROM emails e WHERE e.id = f.id)
)
SELECT count(*) AS count FROM due
"""
)
_TRIM = HotStatement(
    """
WITH old AS (
  SELECT e.folder_id, e.modseq, e.uid FROM expunges e
  WHERE e.content_id IS NULL AND e.expunged_at < :before ORDER BY e.expunged_at LIMIT :most
), locked AS (
  SELECT f.id FROM folders f WHERE f.id IN (SELECT folder_id FROM old) ORDER BY f.id FOR NO KEY UPDATE
), floors AS (
  UPDATE folders f SET expunged_before = greatest(f.expunged_before, o.modseq)
  FROM locked l JOIN (SELECT folder_id, max(modseq) AS modseq FROM old GROUP BY folder_id) o ON o.folder_id = l.id
  WHERE f.id = l.id
), gone AS (
  DELETE FROM expunges e USING old o WHERE e.folder_id = o.folder_id AND e.modseq = o.modseq AND e.uid = o.uid
)
SELECT count(*) AS count FROM old
"""
)
_DUE = HotStatement(
    "SELECT id FROM mailboxes WHERE deleted_at IS NOT NULL AND deleted_at < :before"
    " ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
# As an expunge long ago: the content goes with the next collection.
_EMPTY = HotStatement(
    """
WITH part AS (
  SELECT m.folder_id, m.uid FROM folders f JOIN messages m ON m.folder_id = f.id
  WHERE f.mailbox_id = :mailbox LIMIT :most
), gone AS (
  DELETE FROM messages m USING part s WHERE m.folder_id = s.folder_id AND m.uid = s.uid RETURNING m.*
), traces AS (
  INSERT INTO expunges (folder_id, modseq, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id,
    expunged_at)
  SELECT folder_id, 0, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id, :long_ago FROM gone
)
SELECT count(*) AS count FROM gone
"""
)
_FORGET_THREADS = HotStatement("DELETE FROM thread_references WHERE mailbox_id = :mailbox")
_DELETE = HotStatement("DELETE FROM mailboxes WHERE id = :mailbox")
_OLD = HotStatement(
    "SELECT content_id FROM message_contents WHERE parser_version < :version LIMIT :most FOR UPDATE SKIP LOCKED"
)
_DRIFT = HotStatement(
    """
WITH counted AS (
  SELECT f.mailbox_id, f.id AS folder_id,
    concat_ws(' ', count(m.uid), coalesce(sum(1 - (m.flags & 1)), 0), coalesce(sum((m.flags & 8) / 8), 0),
      coalesce(sum(m.size_bytes), 0), coalesce(bool_and(m.uid < f.uidnext AND m.modseq <= f.highestmodseq), true))
      AS counted,
    concat_ws(' ', f.messages, f.unseen, f.deleted, f.size_bytes, true) AS stored
  FROM folders f LEFT JOIN messages m ON m.folder_id = f.id GROUP BY f.id
)
SELECT mailbox_id, folder_id, counted, stored FROM counted WHERE counted <> stored
UNION ALL
SELECT b.id, NULL, coalesce(sum(f.size_bytes), 0)::text, b.used_bytes::text
FROM mailboxes b LEFT JOIN folders f ON f.mailbox_id = b.id GROUP BY b.id
HAVING coalesce(sum(f.size_bytes), 0) <> b.used_bytes
LIMIT :most
"""
)


async def collect_content(connection: Connection, now: datetime) -> int:
    """Delete content of messages that were expunged an hour ago, unless another message has it too."""
    return await _count(_COLLECT, connection, {"before": now - READABLE, "most": AT_ONCE})


async def trim_expunges(connection: Connection, now: datetime) -> int:
    """Forget expunges of long ago; a client that has been away for longer compares its UIDs itself."""
    return await _count(_TRIM, connection, {"before": now - REMEMBERED, "most": AT_ONCE})


async def purge_mailbox(connection: Connection, now: datetime) -> int:
    """Empty one deleted mailbox whose grace is over, a part at a time, and then delete it; 0 when there is none."""
    rows = await _DUE.run(connection, {"before": now - GRACE})
    if not rows:
        return 0
    mailbox_id = rows[0].id
    arguments = {"mailbox": mailbox_id, "most": AT_ONCE, "long_ago": now - READABLE - READABLE}
    count = await _count(_EMPTY, connection, arguments)
    if count == 0:
        await _FORGET_THREADS.run(connection, {"mailbox": mailbox_id})
        await _DELETE.run(connection, {"mailbox": mailbox_id})
    return max(count, 1)


async def renew_old(connection: Connection) -> int:
    """Scan again some messages that an older scanner has read, so that all are answered alike."""
    rows = await _OLD.run(connection, {"version": PARSER_VERSION, "most": _RENEWED_AT_ONCE})
    for row in rows:
        await renew(connection, row.content_id)
    return len(rows)


async def find_drift(connection: Connection) -> list[Drift]:
    """Folders and mailboxes whose counters are wrong, of one moment; a hundred at most."""
    rows = await _DRIFT.run(connection, {"most": 100})
    return [Drift(row.mailbox_id, row.folder_id, row.counted, row.stored) for row in rows]


async def _count(statement: HotStatement, connection: Connection, arguments: dict[str, object]) -> int:
    return int((await statement.run(connection, arguments))[0].count)
