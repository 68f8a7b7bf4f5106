"""Finding messages: SEARCH as one statement, and the light rows that SORT and THREAD work on."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.mailboxes.search_conditions import Conditions, SearchScope
from hourpost.rules.mail.search_keys import Key, Need, find_needs


@dataclass(frozen=True, slots=True)
class Found:
    """UIDs, ascending, and the highest MODSEQ among their messages (0 where nothing was found)."""

    uids: array[int]
    modseq: int


_JOINS = {
    Need.HEADER | Need.TEXT: " JOIN message_texts t ON t.content_id = m.content_id",
    Need.SENT: " JOIN message_contents c ON c.content_id = m.content_id",
}
_SORT_ROWS = HotStatement(
    "SELECT m.uid, m.size_bytes, m.received_at, c.sent_at, c.base_subject, c.from_key, c.to_key, c.cc_key,"
    " c.display_from_key, c.display_to_key"
    " FROM messages m JOIN message_contents c ON c.content_id = m.content_id"
    " WHERE m.folder_id = :folder AND m.uid = ANY(CAST(:uids AS int[])) ORDER BY m.uid"
)
_THREAD_ROWS = HotStatement(
    "SELECT m.uid, m.received_at, c.sent_at, c.message_id, c.in_reply_to, c.reference_ids AS references,"
    " c.base_subject, c.is_reply FROM messages m JOIN message_contents c ON c.content_id = m.content_id"
    " WHERE m.folder_id = :folder AND m.uid = ANY(CAST(:uids AS int[])) ORDER BY m.uid"
)


async def search(connection: Connection, folder_id: UUID, key: Key, scope: SearchScope) -> Found:
    """The messages of a folder that ``key`` means; substrings are found in any case and inside words."""
    conditions = Conditions(scope, folder_id)
    where = conditions.write(key)
    needs = find_needs(key)
    joins = "".join(join for need, join in _JOINS.items() if needs & need)
    statement = (
        "SELECT string_agg(int4send(m.uid), '' ORDER BY m.uid) AS uids, max(m.modseq) AS modseq"  # noqa: S608
        f" FROM messages m{joins} WHERE m.folder_id = $1 AND {where}"
    )
    row = (await connection.fetch(statement, *conditions.values))[0]
    uids = array("I", row.uids or b"")
    uids.byteswap()
    return Found(uids, row.modseq or 0)


async def list_sort_rows(connection: Connection, folder_id: UUID, uids: Sequence[int]) -> list[Any]:
    """Rows for ``rules.mail.sorting.sort_messages``."""
    return await _SORT_ROWS.run(connection, {"folder": folder_id, "uids": list(uids)})


async def list_thread_rows(connection: Connection, folder_id: UUID, uids: Sequence[int]) -> list[Any]:
    """Rows for ``rules.mail.threads``."""
    return await _THREAD_ROWS.run(connection, {"folder": folder_id, "uids": list(uids)})
