"""What a client has missed: new and changed messages and expunges after a MODSEQ, all of one moment (RFC 7162)."""

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
    """Everything after a MODSEQ up to ``modseq``, by UID; ``vanished`` may hold UIDs never seen.

    Where expunges since then are no longer known, ``is_complete`` is False: the caller compares the UIDs there are.
    """

    modseq: int
    uidnext: int
    changed: tuple[ChangedRow, ...]
    vanished: tuple[int, ...]
    is_complete: bool


_FOLDER = HotStatement("SELECT highestmodseq, uidnext, expunged_before FROM folders WHERE id = :folder")
# One statement, so that nothing happens between its parts
_CHANGES = HotStatement(
    """
SELECT f.highestmodseq AS modseq, f.uidnext AS uid, CAST(0 AS smallint) AS flags, CAST(NULL AS smallint[]) AS keywords,
  f.expunged_before AS kind
FROM folders f WHERE f.id = :folder
UNION ALL
SELECT m.modseq, m.uid, m.flags, m.keywords, -1 FROM messages m WHERE m.folder_id = :folder AND m.modseq > :since
UNION ALL
SELECT e.modseq, e.uid, CAST(0 AS smallint), NULL, -2 FROM expunges e WHERE e.folder_id = :folder AND e.modseq > :since
"""
)
_CHANGED, _VANISHED = -1, -2


async def changes_since(connection: Connection, folder_id: UUID, since: int) -> Changes | None:
    """What happened after the MODSEQ ``since``; None for a folder that is gone.

    Mostly nothing did, and the folder's row tells that in a quarter of the time.
    """
    found = await _FOLDER.run(connection, {"folder": folder_id})
    if found and found[0][0] <= since:
        modseq, uidnext, expunged_before = found[0]
        return Changes(modseq, uidnext, (), (), since >= expunged_before)
    rows = await _CHANGES.run(connection, {"folder": folder_id, "since": since})
    folder = next((row for row in rows if row.kind >= 0), None)
    if folder is None:
        return None
    changed = [ChangedRow(row.uid, row.modseq, row.flags, row.keywords) for row in rows if row.kind == _CHANGED]
    changed.sort(key=lambda row: row.uid)
    vanished = sorted({row.uid for row in rows if row.kind == _VANISHED})
    is_complete = since >= folder.kind
    return Changes(folder.modseq, folder.uid, tuple(changed), tuple(vanished), is_complete)


_EXPUNGED = HotStatement(
    "SELECT DISTINCT e.uid FROM unnest(CAST(:first AS int[]), CAST(:last AS int[])) r(first, last)"
    " JOIN expunges e ON e.folder_id = :folder AND e.modseq > :since"
    " AND e.uid BETWEEN r.first AND r.last ORDER BY e.uid"
)
_FLOOR = HotStatement("SELECT expunged_before FROM folders WHERE id = :folder")


async def list_vanished(
    connection: Connection, folder_id: UUID, since: int, ranges: UidRanges = ALL_UIDS
) -> list[int] | None:
    """UIDs in ``ranges`` that were expunged after the MODSEQ ``since``; None where that is no longer known."""
    pairs = normalise_ranges(ranges)
    arguments = {"folder": folder_id, "since": since}
    arguments |= {"first": [first for first, _ in pairs], "last": [last for _, last in pairs]}
    found = [row.uid for row in await _EXPUNGED.run(connection, arguments)]
    floor = await _FLOOR.run(connection, {"folder": folder_id})  # read last: it may have risen meanwhile
    return found if floor and since >= floor[0].expunged_before else None
