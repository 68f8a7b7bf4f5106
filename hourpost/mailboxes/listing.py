"""Messages as lists show them, newest first and by cursor, of one folder or of all: perhaps only what is looked for.

A list reads the contents of its own page alone. One for words looks at so many messages and no more, says where it
ended, and the next page goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.rules.mail.folding import drop_accents, fold, storable
from hourpost.rules.mail_flags import Flag

MAX_WORDS = 20
_WORDS = re.compile(r'(?:\b(from|to|cc|subject):(?=[^\s]))?(?:"([^"]+)"?|([^\s"]+))', re.IGNORECASE)
LOOKED_AT_ONCE = 10_000
"""Messages whose texts one page of a search looks at; measured: 45 ms for so many of 2 KB."""


class Word(NamedTuple):
    """What is looked for, as it stands in the tables, and in which field; ``plain`` is it without accents."""

    field: str
    written: str
    plain: str


@dataclass(frozen=True, slots=True)
class Search:
    """What a list is narrowed to. Every word of ``text`` stands somewhere in the header or the text.

    Case and accents do not matter. What stands in quotes is one word, and ``from:ada`` is in that field: from, to, cc
    or subject.
    """

    text: str = ""
    flags: Flag = Flag.NONE
    without_flags: Flag = Flag.NONE
    with_attachments: bool = False
    thread_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def words(self) -> list[Word]:
        """What is looked for."""
        found = islice(_WORDS.finditer(storable(self.text)), MAX_WORDS)
        words = [((match[1] or "").lower(), fold(match[2] or match[3] or "").strip()) for match in found]
        return [Word(field, word, drop_accents(word)) for field, word in words if word]


@dataclass(frozen=True, slots=True)
class UidCursor:
    """Which page: the ``limit`` messages with UIDs under ``after``, or over ``before``, or else the newest."""

    limit: int
    after: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a list by date: the message that lies there, or lay there."""

    received_at: datetime
    folder_id: UUID
    uid: int


@dataclass(frozen=True, slots=True)
class DateCursor:
    """Which page of a folder by date: the ``limit`` messages older than ``after``, or newer than ``before``."""

    limit: int
    after: Spot | None = None
    before: Spot | None = None


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


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a folder. ``has_more`` says whether others follow in the direction asked for.

    ``searched_to`` is the UID where the search ended before the page was full.
    """

    rows: list[Summary]
    has_more: bool
    searched_to: int | None = None


@dataclass(frozen=True, slots=True)
class ListedByDate:
    """The same by date; ``searched_to`` is the message where the search ended."""

    rows: list[Summary]
    has_more: bool
    searched_to: Spot | None = None


@dataclass(frozen=True, slots=True)
class ListedEverywhere:
    """One page of all folders, each message with its folder. ``next`` is where the next begins; None: there is none."""

    rows: list[tuple[UUID, Summary]]
    next: Spot | None


_OF_CONTENT = ("subject", "from_text", "to_text", "sent_at", "message_id", "preview", "has_attachments")
_COLUMNS = ", ".join(f"{'c' if name in _OF_CONTENT else 'm'}.{name}" for name in Summary.__slots__)
# PostgreSQL seldom knows how large a folder is, so the order of work is written down: the rows of messages in their
# order, then the texts of each until the page is full, then the contents of the page.
_CANDIDATES = """
SELECT m.folder_id, m.uid, m.modseq, m.flags, m.keywords, m.size_bytes, m.received_at, m.thread_id, m.content_id
FROM messages m WHERE {place}{conditions} ORDER BY {order}"""
_PAGE = """
SELECT m.folder_id, {columns} FROM (
  SELECT m.* FROM ({candidates}) m{joins} ORDER BY {order} LIMIT :most
) m JOIN message_contents c ON c.content_id = m.content_id ORDER BY {order}"""
_TEXTS = " JOIN message_texts t ON t.content_id = m.content_id"
_ATTACHED = " JOIN message_contents a ON a.content_id = m.content_id AND a.has_attachments"
# Plain comparison; LIKE would need its wildcards escaped and is no faster without an index.
_HEADER, _BODY = "coalesce(t.plain_header, t.header)", "coalesce(t.plain_body, t.body)"
_WORD = f"strpos({_HEADER}, {{plain}}) > 0 OR strpos({_BODY}, {{plain}}) > 0"
_IN_FIELD = f"{_HEADER} ~ {{plain}}"
# What an older scanner has read has no plain form until it is scanned again
_WORD_AS_WRITTEN = (
    " OR (t.plain_header IS NULL AND strpos(t.header, {written}) > 0)"
    " OR (t.plain_body IS NULL AND strpos(t.body, {written}) > 0)"
)
_IN_FIELD_AS_WRITTEN = " OR (t.plain_header IS NULL AND t.header ~ {written})"
_DOWN, _UP = "m.uid DESC", "m.uid"
_LATEST, _EARLIEST = "m.received_at DESC, m.uid DESC", "m.received_at, m.uid"
_NEWEST = "m.received_at DESC, m.folder_id DESC, m.uid DESC"
# An array, so that the messages are gone through once and not for each folder
_IN_MAILBOX = "m.folder_id = ANY(ARRAY(SELECT id FROM folders WHERE mailbox_id = :mailbox))"
_BELOW = " AND (m.received_at, m.folder_id, m.uid) < (:at, :in_folder, :uid)"


async def list_summaries(connection: Connection, folder_id: UUID, search: Search, cursor: UidCursor) -> Listed:
    """One page of a folder, those first that came into it last."""
    is_back = cursor.before is not None
    edge = cursor.before if is_back else cursor.after if cursor.after is not None else LAST_UID
    place = f"m.folder_id = :folder AND m.uid {'>' if is_back else '<'} :edge"
    wanted = {"folder": folder_id, "edge": edge}
    rows, has_more, last = await _read(connection, search, cursor.limit, (place, _UP if is_back else _DOWN), wanted)
    found = [Summary(*row[1:]) for row in rows]
    return Listed(found[::-1] if is_back else found, has_more, None if last is None else last.uid)


async def list_by_date(connection: Connection, folder_id: UUID, search: Search, cursor: DateCursor) -> ListedByDate:
    """One page of a folder, the latest first by when they came, wherever that was: not as they were imported."""
    is_back = cursor.before is not None
    edge = cursor.before or cursor.after
    wanted: dict[str, Any] = {"folder": folder_id}
    place = "m.folder_id = :folder"
    if edge is not None:
        place += f" AND (m.received_at, m.uid) {'>' if is_back else '<'} (:at, :uid)"
        wanted |= {"at": edge.received_at, "uid": edge.uid}
    way = (place, _EARLIEST if is_back else _LATEST)
    rows, has_more, last = await _read(connection, search, cursor.limit, way, wanted)
    found = [Summary(*row[1:]) for row in rows]
    return ListedByDate(found[::-1] if is_back else found, has_more, last)


async def list_everywhere(
    connection: Connection, mailbox_id: UUID, search: Search, limit: int, after: Spot | None = None
) -> ListedEverywhere:
    """One page of all folders, by when messages came, each with its folder; ``after`` is where the last page ended."""
    wanted: dict[str, Any] = {"mailbox": mailbox_id}
    if after is not None:
        wanted |= {"at": after.received_at, "in_folder": after.folder_id, "uid": after.uid}
    place = _IN_MAILBOX + (_BELOW if after is not None else "")
    rows, has_more, last = await _read(connection, search, limit, (place, _NEWEST), wanted)
    found = [(row[0], Summary(*row[1:])) for row in rows]
    if has_more and last is None:
        last = Spot(found[-1][1].received_at, found[-1][0], found[-1][1].uid)
    return ListedEverywhere(found, last)


def keyword_numbers(summaries: list[Summary]) -> list[int]:
    """Every keyword that they carry."""
    return [number for one in summaries for number in one.keywords or ()]


async def _read(
    connection: Connection, search: Search, limit: int, way: tuple[str, str], wanted: dict[str, Any]
) -> tuple[list[Any], bool, Spot | None]:
    """The rows of a page, whether there are more, and where a search has ended; ``way`` is its place and its order."""
    place, order = way
    wanted |= {
        "flags": int(search.flags),
        "without": int(search.without_flags),
        "plain": [_pattern(one.field, one.plain) for one in search.words],
        "written": [_pattern(one.field, one.written) for one in search.words],
        "thread": search.thread_id,
        "since": search.since,
        "until": search.until,
        "most": limit + 1,
        "looked": LOOKED_AT_ONCE,
    }
    candidates = _CANDIDATES.format(place=place, order=order, conditions="".join(_conditions(search)))
    joins = "".join(_joins(search))
    bounded = candidates + (" LIMIT :looked" if joins else "")
    page = _PAGE.format(columns=_COLUMNS, candidates=bounded, joins=joins, order=order)
    rows = await _statement(page).run(connection, wanted)
    if len(rows) > limit or not joins:
        return rows[:limit], len(rows) > limit, None
    last = await _statement(f"{candidates} OFFSET :looked - 1 LIMIT 1").run(connection, wanted)
    return rows, bool(last), Spot(last[0]["received_at"], last[0]["folder_id"], last[0]["uid"]) if last else None


def _conditions(search: Search) -> Iterator[str]:
    # Only where they narrow it: else PostgreSQL expects few rows, and sorts the whole folder
    if search.flags:
        yield " AND m.flags & :flags = :flags"
    if search.without_flags:
        yield " AND m.flags & :without = 0"
    if search.thread_id is not None:
        yield " AND m.thread_id = :thread"
    if search.since is not None:
        yield " AND m.received_at >= :since"
    if search.until is not None:
        yield " AND m.received_at < :until"


def _joins(search: Search) -> Iterator[str]:
    """What else is looked at of each message."""
    if search.with_attachments:
        yield _ATTACHED
    if words := search.words:
        yield " AND ".join([_TEXTS, *(_condition(word, number) for number, word in enumerate(words, 1))])


def _condition(word: Word, number: int) -> str:
    condition = _IN_FIELD if word.field else _WORD
    if word.plain != word.written:
        condition += _IN_FIELD_AS_WRITTEN if word.field else _WORD_AS_WRITTEN
    names = {name: f"(CAST(:{name} AS text[]))[{number}]" for name in ("plain", "written")}
    return f"({condition.format(**names)})"


def _pattern(field: str, word: str) -> str:
    """The word, or for one in the line of a header's field a regular expression of PostgreSQL's."""
    if not field:
        return word
    return f"(?n)^{field}:.*" + "".join(one if one.isalnum() else f"\\{one}" for one in word)


@lru_cache(maxsize=256)
def _statement(text: str) -> HotStatement:
    return HotStatement(text)
