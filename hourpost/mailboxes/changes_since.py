"""What changed in a folder since a MODSEQ."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.mailboxes.uid_ranges import ALL_UIDS, UidRanges, normalise_ranges


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A message that is new or has other flags."""

    uid: int
    modseq: int
    flags: int
    keywords: list[int] | None


@dataclass(frozen=True, slots=True)
class Changes:
    """All that changed up to ``modseq``; UIDs ascending."""

    modseq: int
    changed: tuple[ChangedRow, ...]
    vanished: tuple[int, ...]


_CHANGES = HotStatement(
    """
SELECT f.highestmodseq AS modseq, 0 AS uid, 0 AS flags, CAST(NULL AS smallint[]) AS keywords, 0 AS kind
FROM folders f WHERE f.id = :folder
UNION ALL
SELECT m.modseq, m.uid, m.flags, m.keywords, 1 FROM messages m WHERE m.folder_id = :folder AND m.modseq > :since
UNION ALL
SELECT e.modseq, e.uid, 0, NULL, 2 FROM expunges e WHERE e.folder_id = :folder AND e.modseq > :since
"""
)
_VANISHED = HotStatement(
    "SELECT e.uid FROM unnest(CAST(:first AS int[]), CAST(:last AS int[])) r(first, last)"
    " JOIN expunges e ON e.folder_id = :folder AND e.modseq > :since AND e.uid BETWEEN r.first AND r.last"
    " ORDER BY e.uid"
)


async def changes_since(connection: Connection, folder_id: UUID, since: int) -> Changes:
    """Everything after ``since``, of one moment."""
    rows = await _CHANGES.run(connection, {"folder": folder_id, "since": since})
    modseq = max((row.modseq for row in rows if row.kind == 0), default=since)
    changed = [ChangedRow(row.uid, row.modseq, row.flags, row.keywords) for row in rows if row.kind == 1]
    vanished = [row.uid for row in rows if row.kind == 2]
    return Changes(modseq, tuple(sorted(changed, key=lambda row: row.uid)), tuple(sorted(vanished)))


async def list_vanished(connection: Connection, folder_id: UUID, since: int, ranges: UidRanges = ALL_UIDS) -> list[int]:
    """UIDs in ``ranges`` that were expunged after ``since``, as far as still known: ``Folder.expunged_before`` says."""
    pairs = normalise_ranges(ranges)
    arguments = {"folder": folder_id, "since": since}
    arguments |= {"first": [first for first, _ in pairs], "last": [last for _, last in pairs]}
    return [row.uid for row in await _VANISHED.run(connection, arguments)]
