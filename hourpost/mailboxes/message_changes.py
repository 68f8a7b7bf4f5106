"""Changing messages: flags and expunges, each in one transaction under the folder's lock.

Every change takes the next MODSEQ of the folder; where nothing changes, none is taken and nobody is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import NotFound
from hourpost.mailboxes.uid_ranges import ALL_UIDS, UidRanges, normalise_ranges


class Way(Enum):
    """What STORE does with the flags it is given."""

    ADD = "+"
    REMOVE = "-"
    REPLACE = "="


@dataclass(frozen=True, slots=True)
class FlagChange:
    """Flags and names of keywords to add, remove or have alone.

    Messages with a MODSEQ above ``unchanged_since`` are left alone (RFC 7162 §3.1.3).
    """

    way: Way
    flags: int
    keywords: tuple[str, ...] = ()
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class FlagsNow:
    """A message after a STORE."""

    uid: int
    modseq: int
    flags: int
    keywords: list[int] | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a STORE did. ``modseq`` is the folder's; ``missed`` had changed since (RFC 7162's MODIFIED)."""

    modseq: int
    changed: list[FlagsNow]
    missed: list[int]


@dataclass(frozen=True, slots=True)
class Expunged:
    """What an expunge took away."""

    modseq: int
    uids: list[int]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a COPY or MOVE did: each of ``uids`` is ``target_uids`` at the same place now; both ascend.

    ``source_modseq`` is 0 after a COPY, which changes nothing there; all is empty where nothing was found.
    """

    uidvalidity: int
    uids: list[int]
    target_uids: list[int]
    source_modseq: int
    target_modseq: int


_LOCK = HotStatement("SELECT highestmodseq FROM folders WHERE id = :folder FOR NO KEY UPDATE")
_LOCK_BOTH = HotStatement(
    "WITH m AS (SELECT id FROM mailboxes WHERE id = :mailbox FOR NO KEY UPDATE)"
    " SELECT f.highestmodseq FROM m JOIN folders f ON f.id = :folder AND f.mailbox_id = m.id FOR NO KEY UPDATE OF f"
)
_MISSED = HotStatement(
    "SELECT m.uid FROM unnest(CAST(:first AS int[]), CAST(:last AS int[])) r(first, last)"
    " JOIN messages m ON m.folder_id = :folder AND m.uid BETWEEN r.first AND r.last"
    " WHERE m.modseq > :since ORDER BY m.uid"
)
_STORE = """
WITH changed AS (
  UPDATE messages m SET modseq = :modseq, flags = {flags}, keywords = {keywords}
  FROM unnest(CAST(:first AS int[]), CAST(:last AS int[])) AS r(first, last)
  WHERE m.folder_id = :folder AND m.uid BETWEEN r.first AND r.last AND m.modseq <= :since
    AND (m.flags <> {flags} OR m.keywords IS DISTINCT FROM {keywords})
  RETURNING m.uid, new.flags, new.keywords, old.flags AS before
), counted AS (
  UPDATE folders f SET highestmodseq = :modseq, unseen = f.unseen + n.unseen, deleted = f.deleted + n.deleted
  FROM (SELECT count(*) AS changed, coalesce(sum((before & 1) - (flags & 1)), 0) AS unseen,
      coalesce(sum((flags & 8) / 8 - (before & 8) / 8), 0) AS deleted FROM changed) n
  WHERE f.id = :folder AND n.changed > 0
)
SELECT uid, flags, keywords FROM changed ORDER BY uid
"""
_FLAGS = {
    Way.ADD: "(m.flags | CAST(:flags AS smallint))",
    Way.REMOVE: "(m.flags & ~CAST(:flags AS smallint))",
    Way.REPLACE: "CAST(:flags AS smallint)",
}
_KEYWORDS = {
    Way.ADD: "(SELECT array_agg(DISTINCT k ORDER BY k) FROM unnest(m.keywords || CAST(:keywords AS smallint[])) k)",
    Way.REMOVE: (
        "(SELECT array_agg(k ORDER BY k) FROM unnest(m.keywords) k WHERE k <> ALL(CAST(:keywords AS smallint[])))"
    ),
    Way.REPLACE: "nullif(CAST(:keywords AS smallint[]), CAST(ARRAY[] AS smallint[]))",
}
# Most changes name no keyword: then the column is not touched.
_SAME_KEYWORDS = "m.keywords"
_EXPUNGE = HotStatement(
    """
WITH gone AS (
  DELETE FROM messages m USING unnest(CAST(:first AS int[]), CAST(:last AS int[])) AS r(first, last)
  WHERE m.folder_id = :folder AND m.uid BETWEEN r.first AND r.last AND (m.flags & 8 <> 0 OR :any_flags)
  RETURNING m.*
), traces AS (
  INSERT INTO expunges (folder_id, modseq, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id,
    expunged_at)
  SELECT folder_id, :modseq, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id, :now FROM gone
), n AS (
  SELECT count(*) AS count, coalesce(sum(1 - (flags & 1)), 0) AS unseen, coalesce(sum((flags & 8) / 8), 0) AS deleted,
    coalesce(sum(size_bytes), 0) AS size FROM gone
), counted AS (
  UPDATE folders f SET highestmodseq = :modseq, messages = f.messages - n.count, unseen = f.unseen - n.unseen,
    deleted = f.deleted - n.deleted, size_bytes = f.size_bytes - n.size
  FROM n WHERE f.id = :folder AND n.count > 0
), freed AS (
  UPDATE mailboxes m SET used_bytes = greatest(0, m.used_bytes - n.size) FROM n WHERE m.id = :mailbox AND n.count > 0
)
SELECT uid FROM gone ORDER BY uid
"""
)


async def store_flags(
    connection: Connection, folder_id: UUID, ranges: UidRanges, change: FlagChange, keywords: Sequence[int]
) -> Stored:
    """Change flags, and ``keywords`` as sorted numbers, in the caller's transaction. Raises: NotFound."""
    modseq = _locked(await _LOCK.run(connection, {"folder": folder_id}))
    pairs = normalise_ranges(ranges)
    if not pairs:
        return Stored(modseq, [], [])
    missed: list[int] = []
    arguments: dict[str, Any] = {"folder": folder_id, **_columns(pairs), "since": modseq}
    if change.unchanged_since is not None:
        arguments["since"] = change.unchanged_since
        missed = [row.uid for row in await _MISSED.run(connection, arguments)]
    arguments |= {"modseq": modseq + 1, "flags": change.flags, "keywords": list(keywords)}
    rows = await _STATEMENTS[change.way, bool(keywords) or change.way is Way.REPLACE].run(connection, arguments)
    changed = [FlagsNow(row.uid, modseq + 1, row.flags, row.keywords) for row in rows]
    return Stored(modseq + 1 if changed else modseq, changed, missed)


async def expunge(
    connection: Connection,
    place: tuple[UUID, UUID],
    now: datetime,
    ranges: UidRanges = ALL_UIDS,
    *,
    any_flags: bool = False,
) -> Expunged:
    r"""Take away messages of the folder (mailbox, folder) that are \Deleted, or all of ``ranges`` with ``any_flags``.

    In the caller's transaction. Raises: NotFound.
    """
    mailbox_id, folder_id = place
    modseq = _locked(await _LOCK_BOTH.run(connection, {"mailbox": mailbox_id, "folder": folder_id}))
    pairs = normalise_ranges(ranges)
    if not pairs:
        return Expunged(modseq, [])
    arguments = {"mailbox": mailbox_id, "folder": folder_id, "modseq": modseq + 1, "now": now, "any_flags": any_flags}
    uids = [row.uid for row in await _EXPUNGE.run(connection, arguments | _columns(pairs))]
    return Expunged(modseq + 1 if uids else modseq, uids)


_STATEMENTS = {
    (way, named): HotStatement(_STORE.format(flags=_FLAGS[way], keywords=_KEYWORDS[way] if named else _SAME_KEYWORDS))
    for way in Way
    for named in (True, False)
}


def _locked(rows: Sequence[Any]) -> int:
    if not rows:
        raise NotFound("There is no such folder.")
    return int(rows[0].highestmodseq)


def _columns(pairs: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    return {"first": [first for first, _ in pairs], "last": [last for _, last in pairs]}
