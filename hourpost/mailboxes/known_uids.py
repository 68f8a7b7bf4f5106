"""Reading the UIDs of a folder as they were at a MODSEQ, for sessions that were told its numbers then."""

from __future__ import annotations

from array import array
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement

# One statement, so that nothing is expunged between its halves
_AS_OF = HotStatement(
    """
SELECT string_agg(int4send(uid), '' ORDER BY uid) AS uids FROM (
  SELECT uid FROM messages WHERE folder_id = :folder AND uid < :uidnext
  UNION ALL
  SELECT uid FROM expunges WHERE folder_id = :folder AND modseq > :modseq AND uid < :uidnext
) known
"""
)

_COUNT = HotStatement("SELECT count(*) AS count FROM messages WHERE folder_id = :folder AND uid >= :first")


async def count_uids_from(connection: Connection, folder_id: UUID, first: int) -> int:
    """How many messages there are with UIDs from ``first`` on."""
    return int((await _COUNT.run(connection, {"folder": folder_id, "first": first}))[0].count)


_CLAIM = HotStatement("UPDATE folders SET recent_uid = :first WHERE id = :folder AND recent_uid < :first")


async def claim_recent(connection: Connection, folder_id: UUID, first: int) -> None:
    r"""Messages with UIDs below ``first`` have been told to a session: for those that come they are not \Recent."""
    await _CLAIM.run(connection, {"folder": folder_id, "first": first})


_FIRST_UNSEEN = HotStatement(
    "SELECT count(*) AS number FROM messages WHERE folder_id = :folder AND uid <= (SELECT uid FROM messages"
    " WHERE folder_id = :folder AND flags & 1 = 0 ORDER BY uid LIMIT 1)"
)


async def find_first_unseen_number(connection: Connection, folder_id: UUID) -> int:
    r"""The number of the first message without \Seen; 0 when there is none."""
    return int((await _FIRST_UNSEEN.run(connection, {"folder": folder_id}))[0].number)


async def list_uids_as_of(connection: Connection, folder_id: UUID, modseq: int, uidnext: int) -> array[int]:
    """The UIDs that the folder had when its MODSEQ and UIDNEXT were these, ascending, four bytes each."""
    arguments = {"folder": folder_id, "modseq": modseq, "uidnext": uidnext}
    found = (await _AS_OF.run(connection, arguments))[0].uids
    uids = array("I", found or b"")
    uids.byteswap()
    return uids
