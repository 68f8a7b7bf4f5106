"""What changed in a folder since a MODSEQ."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement


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


async def changes_since(connection: Connection, folder_id: UUID, since: int) -> Changes:
    """Everything after ``since``, of one moment."""
    rows = await _CHANGES.run(connection, {"folder": folder_id, "since": since})
    modseq = max((row.modseq for row in rows if row.kind == 0), default=since)
    changed = [ChangedRow(row.uid, row.modseq, row.flags, row.keywords) for row in rows if row.kind == 1]
    vanished = [row.uid for row in rows if row.kind == 2]
    return Changes(modseq, tuple(sorted(changed, key=lambda row: row.uid)), tuple(sorted(vanished)))


async def list_vanished(connection: Connection, folder_id: UUID, since: int) -> list[int]:
    """UIDs expunged after ``since``."""
    changes = await changes_since(connection, folder_id, since)
    return list(changes.vanished)
