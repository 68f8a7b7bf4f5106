"""Reading the flags of many messages as one value: a hundred thousand rows cost their sorting, not their objects."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from asyncpg import Connection

from hourpost.database import HotStatement

_ROW = struct.Struct(">iqh")
_PACKED = HotStatement(
    "SELECT string_agg(int4send(uid) || int8send(modseq) || int2send(flags), CAST('' AS bytea) ORDER BY uid) AS rows,"
    " CAST(jsonb_object_agg(uid, keywords) FILTER (WHERE keywords IS NOT NULL) AS text) AS keywords"
    " FROM messages WHERE folder_id = :folder AND uid BETWEEN :first AND :last AND modseq > :since"
)


@dataclass(frozen=True, slots=True)
class PackedFlags:
    """Rows by UID. ``keywords`` holds the numbers of those few messages that have any."""

    packed: bytes
    keywords: dict[int, list[int]]

    def __len__(self) -> int:
        return len(self.packed) // _ROW.size

    def columns(self) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """UIDs, MODSEQs and flags."""
        uids, modseqs, flags = zip(*_ROW.iter_unpack(self.packed), strict=True) if self.packed else ((), (), ())
        return uids, modseqs, flags


async def list_packed_flags(
    connection: Connection, folder_id: UUID, first: int, last: int, *, changed_since: int = 0
) -> PackedFlags:
    """The flags of the messages with UIDs from ``first`` to ``last`` whose MODSEQ is greater than ``changed_since``."""
    arguments = {"folder": folder_id, "first": first, "last": last, "since": changed_since}
    row = (await _PACKED.run(connection, arguments))[0]
    keywords = {int(uid): numbers for uid, numbers in orjson.loads(row.keywords or b"{}").items()}
    return PackedFlags(row.rows or b"", keywords)
