"""Messages of a folder as a list shows them: newest first, by cursor, perhaps only those that are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.rules.mail.folding import fold, storable
from hourpost.rules.mail_flags import Flag

MAX_WORDS = 20


@dataclass(frozen=True, slots=True)
class Search:
    """What a list is narrowed to. Every word of ``text`` stands somewhere in the header or the text, in any case."""

    text: str = ""
    flags: Flag = Flag.NONE
    without_flags: Flag = Flag.NONE
    with_attachments: bool = False
    thread_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def words(self) -> list[str]:
        """What is looked for, as it stands in the tables."""
        return [fold(word).strip() for word in storable(self.text).split()[:MAX_WORDS]]


@dataclass(frozen=True, slots=True)
class UidCursor:
    """Which page: the ``limit`` messages with UIDs under ``after``, or over ``before``, or else the newest."""

    limit: int
    after: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A message in a list."""

    uid: int
    modseq: int
    flags: int
    keywords: list[int] | None
    size_bytes: int
    received_at: datetime
    thread_id: UUID
    subject: str
    from_text: str
    to_text: str
    sent_at: datetime | None
    message_id: str | None
    preview: str
    has_attachments: bool


_OF_CONTENT = ("subject", "from_text", "to_text", "sent_at", "message_id", "preview", "has_attachments")
_COLUMNS = ", ".join(f"{'c' if name in _OF_CONTENT else 'm'}.{name}" for name in Summary.__slots__)
_LIST = """
SELECT {columns} FROM messages m JOIN message_contents c ON c.content_id = m.content_id{texts}
WHERE m.folder_id = :folder AND {side} AND m.flags & :flags = :flags AND m.flags & :without = 0
  AND (NOT :attached OR c.has_attachments){conditions}
ORDER BY m.uid {order} LIMIT :most
"""
_TEXTS = " JOIN message_texts t ON t.content_id = m.content_id"
# Plain comparison with each word; LIKE would need its wildcards escaped and is no faster without an index.
_WORDS = """
  AND NOT EXISTS (SELECT FROM unnest(CAST(:words AS text[])) w(word)
    WHERE strpos(t.header, w.word) = 0 AND strpos(t.body, w.word) = 0)"""
_EVERYWHERE = HotStatement(f"""
SELECT f.id AS in_folder, s.* FROM folders f CROSS JOIN LATERAL (
  SELECT {_COLUMNS} FROM messages m JOIN message_contents c ON c.content_id = m.content_id{_TEXTS}
  WHERE m.folder_id = f.id{_WORDS} ORDER BY m.uid DESC LIMIT :most) s
WHERE f.mailbox_id = :mailbox ORDER BY s.received_at DESC, f.id, s.uid DESC LIMIT :most
""")  # noqa: S608 - only constants of this module
_STATEMENTS: dict[tuple[bool, ...], HotStatement] = {}


async def list_summaries(
    connection: Connection, folder_id: UUID, search: Search, cursor: UidCursor
) -> tuple[list[Summary], bool]:
    """One page, newest first, and whether others follow in the direction asked for."""
    words = search.words
    arguments: dict[str, Any] = {
        "folder": folder_id,
        "flags": int(search.flags),
        "without": int(search.without_flags),
        "attached": search.with_attachments,
        "words": words,
        "thread": search.thread_id,
        "since": search.since,
        "until": search.until,
        "edge": cursor.before if cursor.before is not None else cursor.after if cursor.after is not None else 2**31 - 1,
        "most": cursor.limit + 1,
    }
    rows = await _statement(cursor.before is not None, bool(words), search).run(connection, arguments)
    found = [Summary(*row) for row in rows[: cursor.limit]]
    return (found[::-1] if cursor.before is not None else found), len(rows) > cursor.limit


async def search_everywhere(
    connection: Connection, mailbox_id: UUID, search: Search, most: int
) -> tuple[list[tuple[UUID, Summary]], bool]:
    """The newest messages with the words of ``search``, each with its folder, and whether there are more."""
    arguments = {"mailbox": mailbox_id, "words": search.words, "most": most + 1}
    rows = await _EVERYWHERE.run(connection, arguments)
    return [(row[0], Summary(*row[1:])) for row in rows[:most]], len(rows) > most


def _statement(upwards: bool, with_words: bool, search: Search) -> HotStatement:
    given = (search.thread_id is not None, search.since is not None, search.until is not None)
    key = (upwards, with_words, *given)
    if key not in _STATEMENTS:
        wanted = ("m.thread_id = :thread", "m.received_at >= :since", "m.received_at < :until")
        conditions = "".join(f" AND {one}" for one, is_given in zip(wanted, given, strict=True) if is_given)
        _STATEMENTS[key] = HotStatement(
            _LIST.format(
                columns=_COLUMNS,
                texts=_TEXTS if with_words else "",
                side="m.uid > :edge" if upwards else "m.uid < :edge",
                conditions=conditions + (_WORDS if with_words else ""),
                order="ASC" if upwards else "DESC",
            )
        )
    return _STATEMENTS[key]


def keyword_numbers(summaries: list[Summary]) -> list[int]:
    """Every keyword that they carry."""
    return [number for one in summaries for number in one.keywords or ()]
