"""Reading the rows of messages, always in the order of their UIDs."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime
from enum import IntFlag
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.mailboxes.uid_ranges import UidRanges, normalise_ranges


class Want(IntFlag):
    """What rows hold beside ``uid``, ``modseq``, ``flags``, ``keywords``; from ENVELOPE on it is read off content."""

    FLAGS = 0
    SIZE = 1
    DATES = 2
    IDS = 4
    ENVELOPE = 8
    BODY = 16
    BODYSTRUCTURE = 32
    PARTS = 64
    PREVIEW = 128
    SUMMARY = 256


class MessageRow(Protocol):
    """A row of ``list_rows``; what was not wanted is not there.

    ``keywords`` are numbers of the mailbox's keywords or None; ``parts`` is for ``rules.mail.storing.unpack_parts``.
    """

    uid: int
    modseq: int
    flags: int
    keywords: list[int] | None
    size_bytes: int  # SIZE
    received_at: datetime  # DATES
    saved_at: datetime
    content_id: UUID  # IDS
    thread_id: UUID
    envelope: bytes  # ENVELOPE, ready to send
    body: bytes  # BODY
    bodystructure: bytes  # BODYSTRUCTURE
    parts: bytes  # PARTS
    header_size: int
    parser_version: int
    preview: str  # PREVIEW
    subject: str  # SUMMARY
    from_text: str
    to_text: str
    sent_at: datetime | None
    message_id: str | None
    in_reply_to: str | None
    has_attachments: bool

    def __getitem__(self, column: str) -> Any:
        """The same by name, eight times as quick."""


_COLUMNS = {
    Want.SIZE: "m.size_bytes",
    Want.DATES: "m.received_at, m.saved_at",
    Want.IDS: "m.content_id, m.thread_id",
    Want.ENVELOPE: "c.envelope",
    Want.BODY: "c.body",
    Want.BODYSTRUCTURE: "c.bodystructure",
    Want.PARTS: "c.parts, c.header_size, c.parser_version",
    Want.PREVIEW: "c.preview",
    Want.SUMMARY: "c.subject, c.from_text, c.to_text, c.sent_at, c.message_id, c.in_reply_to, c.has_attachments",
}
_OF_CONTENT = Want(sum(one for one in _COLUMNS if one >= Want.ENVELOPE))
_ONE_RANGE = "messages m{content} WHERE m.folder_id = :folder AND m.uid BETWEEN :first AND :last"
_MANY_RANGES = (
    "unnest(CAST(:first AS int[]), CAST(:last AS int[])) r(first, last)"
    " JOIN messages m ON m.folder_id = :folder AND m.uid BETWEEN r.first AND r.last{content} WHERE true"
)
_CONTENT = " JOIN message_contents c ON c.content_id = m.content_id"
# Four bytes a UID in network order: a hundred thousand come as one value.
_UIDS = HotStatement(
    "SELECT string_agg(int4send(uid), '' ORDER BY uid) AS uids FROM messages WHERE folder_id = :folder"
)
_RECENT_UIDS = HotStatement("SELECT uid FROM messages WHERE folder_id = :folder AND uid >= :first ORDER BY uid")
_SOME_UIDS = HotStatement(
    "SELECT uid FROM messages WHERE folder_id = :folder AND uid BETWEEN :first AND :last ORDER BY uid LIMIT :most"
)
_FIRST_UNSEEN = HotStatement(
    "SELECT uid FROM messages WHERE folder_id = :folder AND flags & 1 = 0 ORDER BY uid LIMIT 1"
)
_EXPUNGED = (
    "expunges m{content} WHERE m.folder_id = :folder AND m.modseq > :since AND m.uid = ANY(CAST(:uids AS int[]))"
)


async def list_rows(
    connection: Connection,
    folder_id: UUID,
    ranges: UidRanges,
    want: Want = Want.FLAGS,
    *,
    changed_since: int = 0,
    limit: int | None = None,
) -> list[MessageRow]:
    """The messages of the folder in ``ranges``; with ``changed_since`` those whose MODSEQ is greater."""
    pairs = normalise_ranges(ranges)
    if not pairs:
        return []
    arguments: dict[str, Any] = {"folder": folder_id, "since": changed_since, "most": limit}
    if len(pairs) == 1:
        arguments["first"], arguments["last"] = pairs[0]
    else:
        arguments["first"], arguments["last"] = map(list, zip(*pairs, strict=True))
    statement = _statement(want, len(pairs) == 1, changed_since > 0, limit is not None)
    return await statement.run(connection, arguments)


async def list_expunged_rows(
    connection: Connection, folder_id: UUID, uids: Iterable[int], since: int, want: Want = Want.FLAGS
) -> list[MessageRow]:
    """Messages that were expunged after the MODSEQ ``since``: who was not told yet may still fetch them.

    After an hour their content goes, and what is wanted of it with it.
    """
    arguments = {"folder": folder_id, "uids": list(uids), "since": since}
    return await _expunged_statement(want).run(connection, arguments)


async def list_uids(connection: Connection, folder_id: UUID) -> array[int]:
    """Every UID of the folder, ascending, four bytes each."""
    found = (await _UIDS.run(connection, {"folder": folder_id}))[0].uids
    uids = array("I", found or b"")
    uids.byteswap()
    return uids


async def list_uids_from(connection: Connection, folder_id: UUID, first: int) -> list[int]:
    """The UIDs from ``first`` on."""
    return [row[0] for row in await _RECENT_UIDS.run(connection, {"folder": folder_id, "first": first})]


async def list_some_uids(connection: Connection, folder_id: UUID, first: int, last: int, most: int) -> list[int]:
    """The lowest UIDs from ``first`` to ``last``, both within, and not more than ``most`` of them."""
    arguments = {"folder": folder_id, "first": first, "last": last, "most": most}
    return [row[0] for row in await _SOME_UIDS.run(connection, arguments)]


async def find_first_unseen(connection: Connection, folder_id: UUID) -> int | None:
    r"""The smallest UID without \Seen, or None."""
    rows = await _FIRST_UNSEEN.run(connection, {"folder": folder_id})
    return rows[0].uid if rows else None


@lru_cache(maxsize=512)
def _statement(want: Want, one_range: bool, changed: bool, limited: bool) -> HotStatement:
    content = _CONTENT if want & _OF_CONTENT else ""
    source = (_ONE_RANGE if one_range else _MANY_RANGES).format(content=content)
    since = " AND m.modseq > :since" if changed else ""
    most = " LIMIT :most" if limited else ""
    return HotStatement(f"SELECT {_columns(want, 'm.keywords')} FROM {source}{since} ORDER BY m.uid{most}")  # noqa: S608


@lru_cache(maxsize=512)
def _expunged_statement(want: Want) -> HotStatement:
    content = f" LEFT{_CONTENT}" if want & _OF_CONTENT else ""
    columns = _columns(want, "CAST(NULL AS smallint[]) AS keywords")
    return HotStatement(f"SELECT {columns} FROM {_EXPUNGED.format(content=content)} ORDER BY m.uid")  # noqa: S608


def _columns(want: Want, keywords: str) -> str:
    wanted = [columns for one, columns in _COLUMNS.items() if want & one]
    return ", ".join(["m.uid, m.modseq, m.flags", keywords, *wanted])
