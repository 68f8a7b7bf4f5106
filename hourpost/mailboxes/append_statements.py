"""The two statements of an append: content before any lock, then quota, UIDs and rows under the folders' locks.

One message alone takes both at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Connection, DivisionByZeroError

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.mailboxes.parcels import Entry, Letter
from hourpost.rules.mail.storing import pack_parts

CHUNK_BYTES = 256 * 1024

# References of messages that come together and belong together have one group, whose thread is the known one of the
# nearest reference, else the first message's content. OFFSET 0: each is looked up, where a join would read all names of
# the mailbox.
_CONTENT_PARTS = """
chunks AS (
  INSERT INTO content_chunks (content_id, number, bytes)
  SELECT * FROM unnest(CAST(:k_id AS uuid[]), CAST(:k_number AS int[]), CAST(:k_bytes AS bytea[])) RETURNING 1
), contents AS (
  INSERT INTO message_contents (
    content_id, parser_version, size_bytes, header_size, envelope, body, bodystructure, parts, message_id,
    in_reply_to, reference_ids, subject, base_subject, is_reply, from_key, to_key, cc_key, display_from_key,
    display_to_key, from_text, to_text, sent_at, sent_on, preview, has_attachments
  )
  SELECT c.id, c.parser_version, c.size, c.header_size, c.envelope, c.body, c.bodystructure, c.parts, c.message_id,
  c.in_reply_to, string_to_array(c.reference_ids, ' '), c.subject, c.base_subject, c.is_reply, c.from_key, c.to_key,
  c.cc_key, c.display_from_key, c.display_to_key, c.from_text, c.to_text, c.sent_at, c.sent_on, c.preview,
  c.has_attachments
  FROM unnest(
    CAST(:c_id AS uuid[]), CAST(:c_parser_version AS int[]), CAST(:c_size AS int[]), CAST(:c_header_size AS int[]),
    CAST(:c_envelope AS bytea[]), CAST(:c_body AS bytea[]), CAST(:c_bodystructure AS bytea[]), CAST(:c_parts AS
    bytea[]), CAST(:c_message_id AS text[]), CAST(:c_in_reply_to AS text[]), CAST(:c_reference_ids AS text[]),
    CAST(:c_subject AS text[]), CAST(:c_base_subject AS text[]), CAST(:c_is_reply AS bool[]), CAST(:c_from_key AS
    text[]), CAST(:c_to_key AS text[]), CAST(:c_cc_key AS text[]), CAST(:c_display_from_key AS text[]),
    CAST(:c_display_to_key AS text[]), CAST(:c_from_text AS text[]), CAST(:c_to_text AS text[]), CAST(:c_sent_at AS
    timestamptz[]), CAST(:c_sent_on AS date[]), CAST(:c_preview AS text[]), CAST(:c_has_attachments AS bool[])
  ) AS c(
    id, parser_version, size, header_size, envelope, body, bodystructure, parts, message_id, in_reply_to,
    reference_ids, subject, base_subject, is_reply, from_key, to_key, cc_key, display_from_key, display_to_key,
    from_text, to_text, sent_at, sent_on, preview, has_attachments
  )
  ON CONFLICT DO NOTHING RETURNING 1
), texts AS (
  INSERT INTO message_texts (content_id, header, body, plain_header, plain_body)
  SELECT * FROM unnest(CAST(:c_id AS uuid[]), CAST(:c_search_header AS text[]), CAST(:c_search_text AS text[]),
    CAST(:c_plain_header AS text[]), CAST(:c_plain_text AS text[]))
  ON CONFLICT DO NOTHING RETURNING 1
), named AS (
  SELECT * FROM unnest(CAST(:n_mailbox AS uuid[]), CAST(:n_reference AS bigint[]), CAST(:n_group AS int[]),
    CAST(:n_rank AS int[]), CAST(:n_thread AS uuid[])) AS n(mailbox, reference, grp, rank, thread)
), known AS (
  SELECT DISTINCT ON (n.grp) n.grp, t.thread_id
  FROM named n CROSS JOIN LATERAL (
    SELECT thread_id FROM thread_references WHERE mailbox_id = n.mailbox AND reference = n.reference OFFSET 0
  ) t
  ORDER BY n.grp, n.rank
), new_names AS (
  INSERT INTO thread_references (mailbox_id, reference, thread_id)
  SELECT n.mailbox, n.reference, coalesce(k.thread_id, n.thread) FROM named n LEFT JOIN known k USING (grp)
  ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING 1
)"""

_SCANNED_NAMES = (
    *("parser_version", "header_size", "envelope", "body", "bodystructure", "message_id", "in_reply_to", "subject"),
    *("base_subject", "is_reply", "from_key", "to_key", "cc_key", "display_from_key", "display_to_key", "from_text"),
    *("to_text", "sent_at", "sent_on", "preview", "has_attachments"),
)
_SEARCHED_NAMES = ("search_header", "search_text", "plain_header", "plain_text")
_SCANNED = ", ".join(_SCANNED_NAMES)
_SCANNED_VALUES = ", ".join(f":{name}" for name in _SCANNED_NAMES)
_FIRST = " AND ".join(
    f"(SELECT count(*) FROM {part}) >= 0"  # noqa: S608
    for part in ("chunks", "contents", "texts", "new_names")
)

_UNENDED = HotStatement(
    "INSERT INTO unended_contents (content_id) SELECT unnest(CAST(:contents AS uuid[])) ON CONFLICT DO NOTHING",
    seconds=HOT_SECONDS,
)
_SURROGATE = HotStatement(
    "INSERT INTO surrogates (content_id, growth, places, sizes, texts) VALUES (:content, :growth,"
    " CAST(:places AS int[]), CAST(:sizes AS int[]), CAST(:texts AS bytea[])) ON CONFLICT DO NOTHING",
    seconds=HOT_SECONDS,
)
_LOCK_MAILBOXES = HotStatement(
    "SELECT id FROM mailboxes WHERE id = ANY(CAST(:mailboxes AS uuid[])) ORDER BY id FOR NO KEY UPDATE",
    seconds=HOT_SECONDS,
)
_LOCK_FOLDERS = HotStatement(
    "SELECT id FROM folders WHERE id = ANY(CAST(:folders AS uuid[])) ORDER BY id FOR NO KEY UPDATE", seconds=HOT_SECONDS
)
# Mail of an address of which the domain has changed hands is its new owner's, whoever was found for it a moment ago.
_OWNED = "SELECT FROM domains d WHERE d.name = {domain} AND d.account_id = {account} AND d.status = 'verified'"
_ROW_PARTS = f"""
lost AS (
  SELECT m.id FROM unnest(CAST(:v_mailbox AS uuid[]), CAST(:v_domain AS text[])) AS v(mailbox, domain)
  JOIN mailboxes m ON m.id = v.mailbox WHERE NOT EXISTS ({_OWNED.format(domain="v.domain", account="m.account_id")})
), room AS (
  UPDATE mailboxes m SET used_bytes = m.used_bytes + q.size
  FROM unnest(CAST(:q_mailbox AS uuid[]), CAST(:q_size AS bigint[])) AS q(mailbox, size)
  WHERE m.id = q.mailbox AND m.deleted_at IS NULL AND m.used_bytes + q.size <= m.quota_bytes
    AND m.id NOT IN (SELECT id FROM lost)
  RETURNING m.id
), place AS (
  UPDATE folders f SET uidnext = f.uidnext + t.count, highestmodseq = f.highestmodseq + 1,
    messages = f.messages + t.count, unseen = f.unseen + t.unseen, deleted = f.deleted + t.deleted,
    size_bytes = f.size_bytes + t.size
  FROM room, unnest(CAST(:t_mailbox AS uuid[]), CAST(:t_folder AS uuid[]), CAST(:t_count AS int[]),
    CAST(:t_unseen AS int[]), CAST(:t_deleted AS int[]), CAST(:t_size AS bigint[]), CAST(:t_name AS text[]))
    AS t(mailbox, folder, count, unseen, deleted, size, name)
  WHERE f.id = t.folder AND f.mailbox_id = t.mailbox AND room.id = t.mailbox AND (t.name IS NULL OR f.name = t.name)
  RETURNING f.id, f.uidvalidity, f.uidnext - t.count AS first, f.highestmodseq AS modseq
), stored AS (
  INSERT INTO messages (folder_id, uid, modseq, flags, keywords, size_bytes, received_at, saved_at, content_id,
    thread_id)
  SELECT p.id, p.first + r.number, p.modseq, r.flags, CAST(r.keywords AS smallint[]), r.size, r.received, :now,
    r.content, r.thread
  FROM unnest(CAST(:r_folder AS uuid[]), CAST(:r_number AS int[]), CAST(:r_flags AS int[]),
    CAST(:r_keywords AS text[]), CAST(:r_size AS int[]), CAST(:r_received AS timestamptz[]),
    CAST(:r_content AS uuid[]), CAST(:r_thread AS uuid[]))
    AS r(folder, number, flags, keywords, size, received, content, thread)
  JOIN place p ON p.id = r.folder
)"""  # noqa: S608  # our own words

_CONTENT = HotStatement(f"WITH {_CONTENT_PARTS} SELECT grp, thread_id FROM known", seconds=HOT_SECONDS)  # noqa: S608
_ROWS = HotStatement(
    f"""
WITH {_ROW_PARTS}
SELECT r.id AS mailbox_id, p.id AS folder_id, p.uidvalidity, p.first, p.modseq, false AS is_lost
FROM room r LEFT JOIN (place p JOIN folders o ON o.id = p.id) ON o.mailbox_id = r.id
UNION ALL SELECT id, NULL, NULL, NULL, NULL, true FROM lost
""",  # noqa: S608  # our own words
    seconds=HOT_SECONDS,
)
# Both for one message, which is a transaction by itself, of values instead of arrays: half the work for who sends and
# who runs it. Content still comes before the locks: what is locked asks for it. A full mailbox gives no row. Without
# the folder, or where the room goes to another between the look and the lock, a division by zero takes back what was.
# A PostgreSQL that stood still is noticed later; a clock that is ahead of ours by more only costs the other way.
_BEGIN_WITHIN = timedelta(seconds=3)
_ONE = HotStatement(
    f"""
WITH ready AS (
  SELECT 1 FROM mailboxes
  WHERE id = :mailbox AND deleted_at IS NULL AND used_bytes + :size <= quota_bytes
    AND now() < CAST(:until AS timestamptz)
    AND (CAST(:domain AS text) IS NULL OR EXISTS ({_OWNED.format(domain=":domain", account="mailboxes.account_id")}))
), chunks AS (
  INSERT INTO content_chunks (content_id, number, bytes)
  SELECT :id, k.number - 1, k.bytes
  FROM ready, unnest(CAST(:chunks AS bytea[])) WITH ORDINALITY AS k(bytes, number)
  RETURNING 1
), contents AS (
  INSERT INTO message_contents (content_id, size_bytes, parts, reference_ids, {_SCANNED})
  SELECT :id, :size, :parts, :reference_ids, {_SCANNED_VALUES} FROM ready
  ON CONFLICT DO NOTHING RETURNING 1
), texts AS (
  INSERT INTO message_texts (content_id, header, body, plain_header, plain_body)
  SELECT :id, :search_header, :search_text, :plain_header, :plain_text FROM ready
  ON CONFLICT DO NOTHING RETURNING 1
), known AS (
  SELECT thread_id FROM thread_references WHERE mailbox_id = :mailbox AND reference = ANY(CAST(:names AS bigint[]))
  ORDER BY array_position(CAST(:names AS bigint[]), reference) LIMIT 1
), new_names AS (
  INSERT INTO thread_references (mailbox_id, reference, thread_id)
  SELECT :mailbox, n.reference, coalesce((SELECT thread_id FROM known), :id)
  FROM ready, unnest(CAST(:names AS bigint[])) AS n(reference)
  ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING 1
), room AS (
  UPDATE mailboxes m SET used_bytes = m.used_bytes + :size FROM ready
  WHERE {_FIRST} AND m.id = :mailbox AND m.deleted_at IS NULL AND m.used_bytes + :size <= m.quota_bytes
  RETURNING m.id
), place AS (
  UPDATE folders f SET uidnext = f.uidnext + 1, highestmodseq = f.highestmodseq + 1, messages = f.messages + 1,
    unseen = f.unseen + :unseen, deleted = f.deleted + :deleted, size_bytes = f.size_bytes + :size
  FROM room
  WHERE f.id = :folder AND f.mailbox_id = room.id AND (CAST(:name AS text) IS NULL OR f.name = :name)
  RETURNING f.id, f.uidvalidity, f.uidnext - 1 AS first, f.highestmodseq AS modseq
), stored AS (
  INSERT INTO messages (folder_id, uid, modseq, flags, keywords, size_bytes, received_at, saved_at, content_id,
    thread_id)
  SELECT p.id, p.first, p.modseq, :flags, CAST(:keywords AS smallint[]), :size, :received, :now, :id,
    coalesce((SELECT thread_id FROM known), :id)
  FROM place p
)
SELECT p.uidvalidity, p.first, p.modseq, 1 / (SELECT count(*) FROM place) AS stored
FROM ready LEFT JOIN place p ON true
""",  # noqa: S608  # our own words
    seconds=HOT_SECONDS,
)


async def store_content(connection: Connection, entries: Sequence[Entry]) -> dict[tuple[UUID, UUID], UUID]:
    """Store the letters of ``entries``; gives the thread of each in each mailbox (mailbox, content)."""
    letters = {entry.letter.content_id: entry.letter for entry in entries}
    threads = _Threads(entries)
    arguments = {**_chunk_columns(letters.values()), **_content_columns(list(letters.values())), **threads.columns()}
    found = {row.grp: row.thread_id for row in await _CONTENT.run(connection, arguments)}
    await _note_oddities(connection, letters)
    return threads.resolve(found)


async def _note_oddities(connection: Connection, letters: Mapping[UUID, Letter]) -> None:
    """What POP3 has to know of a message, and what is true of few."""
    odd = {content_id: letter for content_id, letter in letters.items() if not letter.is_plain}
    unended = [content_id for content_id, letter in odd.items() if not letter.content.endswith(b"\r\n")]
    if unended:
        await _UNENDED.run(connection, {"contents": unended})
    for content_id, letter in odd.items():
        if letter.patches:
            places, sizes, texts = map(list, zip(*letter.patches, strict=True))
            growth = sum(map(len, texts)) - sum(sizes)
            columns = {"content": content_id, "places": places, "sizes": sizes, "texts": texts, "growth": growth}
            await _SURROGATE.run(connection, columns)


async def store_rows(
    connection: Connection, entries: Sequence[Entry], threads: dict[tuple[UUID, UUID], UUID], now: datetime
) -> tuple[dict[UUID, bool], dict[UUID, Any]]:
    """Store ``entries`` under the locks of their folders, the first of each folder with its ``first`` UID.

    Gives the mailboxes that had room (False) or whose domain is another's now (True), and the row of each folder.
    """
    mailboxes = sorted({entry.mailbox_id for entry in entries})
    folders = sorted({entry.folder_id for entry in entries})
    if len(folders) > 1:  # one is locked in order by the statement itself
        await _LOCK_MAILBOXES.run(connection, {"mailboxes": mailboxes})
        await _LOCK_FOLDERS.run(connection, {"folders": folders})
    rows = await _ROWS.run(connection, {**_place_columns(entries), **_row_columns(entries, threads), "now": now})
    return {row.mailbox_id: row.is_lost for row in rows}, {
        row.folder_id: row for row in rows if row.folder_id is not None
    }


async def store_one(connection: Connection, entry: Entry, now: datetime) -> Any:
    """Store one message in one statement: the row of its folder, with the message's UID as ``first``.

    None when nothing was stored: there was no room or no such folder, or PostgreSQL began so late that whoever sent it
    may have been told to come again. Who still waits for it stores it in the other way.
    """
    letter, scanned = entry.letter, entry.letter.scanned
    arguments = {
        **{name: getattr(scanned, name) for name in (*_SCANNED_NAMES, *_SEARCHED_NAMES)},
        "id": letter.content_id,
        "size": len(letter.content),
        "chunks": [] if letter.is_stored else _cut(letter.content),
        "parts": pack_parts(scanned.parts),
        "reference_ids": scanned.references,
        "names": letter.references,
        "mailbox": entry.mailbox_id,
        "folder": entry.folder_id,
        "name": entry.folder_name,
        "domain": entry.domain,
        "unseen": int(not entry.flags & 1),
        "deleted": int(entry.flags & 8 > 0),
        "flags": entry.flags,
        "keywords": entry.keywords or None,
        "received": letter.received_at,
        "now": now,
        "until": now + _BEGIN_WITHIN,
    }
    try:
        rows = await _ONE.run(connection, arguments)
    except DivisionByZeroError:
        return None
    return rows[0] if rows else None


class _Threads:
    """Which entries belong together by what they refer to; everything within one mailbox."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._groups: dict[tuple[UUID, UUID], int] = {}  # of (mailbox, content)
        self._names: dict[tuple[UUID, int], tuple[int, int]] = {}  # (mailbox, reference) to group and rank
        self._first: list[tuple[UUID, UUID]] = []  # of each group: mailbox, content
        for entry in entries:
            self._add(entry.mailbox_id, entry.letter)

    def _add(self, mailbox_id: UUID, letter: Letter) -> None:
        key = (mailbox_id, letter.content_id)
        if key in self._groups:
            return
        names = [(mailbox_id, reference) for reference in letter.references]
        group = next((self._names[name][0] for name in names if name in self._names), None)
        if group is None:
            group = len(self._first)
            self._first.append(key)
        self._groups[key] = group
        for rank, name in enumerate(names):
            self._names.setdefault(name, (group, rank))

    def columns(self) -> dict[str, Any]:
        return {
            "n_mailbox": [mailbox for mailbox, _ in self._names],
            "n_reference": [reference for _, reference in self._names],
            "n_group": [group for group, _ in self._names.values()],
            "n_rank": [rank for _, rank in self._names.values()],
            "n_thread": [self._first[group][1] for group, _ in self._names.values()],
        }

    def resolve(self, found: dict[int, UUID]) -> dict[tuple[UUID, UUID], UUID]:
        return {key: found.get(group) or self._first[group][1] for key, group in self._groups.items()}


def _chunk_columns(letters: Iterable[Letter]) -> dict[str, Any]:
    chunks = [
        (letter.content_id, number, chunk)
        for letter in letters
        if not letter.is_stored
        for number, chunk in enumerate(_cut(letter.content))
    ]
    return {
        "k_id": [chunk[0] for chunk in chunks],
        "k_number": [chunk[1] for chunk in chunks],
        "k_bytes": [chunk[2] for chunk in chunks],
    }


def _cut(content: bytes) -> list[bytes]:
    """The chunks of a message; an empty one has one."""
    return [content[start : start + CHUNK_BYTES] for start in range(0, len(content) or 1, CHUNK_BYTES)]


def _content_columns(letters: list[Letter]) -> dict[str, Any]:
    scanned = [letter.scanned for letter in letters]
    return {
        "c_id": [letter.content_id for letter in letters],
        "c_size": [len(letter.content) for letter in letters],
        "c_parts": [pack_parts(one.parts) for one in scanned],
        "c_reference_ids": [" ".join(one.references) for one in scanned],
        **{f"c_{name}": [getattr(one, name) for one in scanned] for name in (*_SCANNED_NAMES, *_SEARCHED_NAMES)},
    }


def _place_columns(entries: Sequence[Entry]) -> dict[str, Any]:
    sizes = Counter[UUID]()
    places: dict[UUID, list[int]] = {}
    owners = {entry.folder_id: entry.mailbox_id for entry in entries}
    domains = {(entry.mailbox_id, entry.domain) for entry in entries if entry.domain is not None}
    names = {entry.folder_id: entry.folder_name for entry in entries if entry.folder_name is not None}
    for entry in entries:
        size = len(entry.letter.content)
        sizes[entry.mailbox_id] += size
        place = places.setdefault(entry.folder_id, [0, 0, 0, 0])
        for index, change in enumerate((1, int(not entry.flags & 1), int(entry.flags & 8 > 0), size)):
            place[index] += change
    return {
        "q_mailbox": list(sizes),
        "q_size": list(sizes.values()),
        "v_mailbox": [mailbox for mailbox, _ in domains],
        "v_domain": [domain for _, domain in domains],
        "t_mailbox": list(owners.values()),
        "t_folder": list(owners),
        "t_count": [places[folder][0] for folder in owners],
        "t_unseen": [places[folder][1] for folder in owners],
        "t_deleted": [places[folder][2] for folder in owners],
        "t_size": [places[folder][3] for folder in owners],
        "t_name": [names.get(folder) for folder in owners],
    }


def _row_columns(entries: Sequence[Entry], threads: dict[tuple[UUID, UUID], UUID]) -> dict[str, Any]:
    return {
        "r_folder": [entry.folder_id for entry in entries],
        "r_number": number_in_folders(entries),
        "r_flags": [entry.flags for entry in entries],
        "r_keywords": [_array(entry.keywords) for entry in entries],
        "r_size": [len(entry.letter.content) for entry in entries],
        "r_received": [entry.letter.received_at for entry in entries],
        "r_content": [entry.letter.content_id for entry in entries],
        "r_thread": [threads[(entry.mailbox_id, entry.letter.content_id)] for entry in entries],
    }


def number_in_folders(entries: Sequence[Entry]) -> list[int]:
    """The place of each entry among those of its folder, from 0."""
    counts = Counter[UUID]()
    numbers = []
    for entry in entries:
        numbers.append(counts[entry.folder_id])
        counts[entry.folder_id] += 1
    return numbers


def _array(numbers: tuple[int, ...]) -> str | None:
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else None
