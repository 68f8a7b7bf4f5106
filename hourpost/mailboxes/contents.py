"""Reading the bytes of messages."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement

_CONTENTS = HotStatement(
    "SELECT content_id, string_agg(bytes, '' ORDER BY number) AS content FROM content_chunks"
    " WHERE content_id = ANY(CAST(:ids AS uuid[])) GROUP BY content_id"
)


async def read_contents(connection: Connection, content_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The whole bytes of several messages; one whose content is gone is left out."""
    rows = await _CONTENTS.run(connection, {"ids": list(content_ids)})
    return {row.content_id: row.content for row in rows}
