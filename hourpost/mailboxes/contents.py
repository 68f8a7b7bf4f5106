"""Reading the bytes of messages: whole or by slice, many at once, never more than was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.mailboxes.append_statements import CHUNK_BYTES
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import PARSER_VERSION, Part
from hourpost.rules.mail.storing import pack_parts, unpack_parts

_TO_THE_END = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a message's bytes, cut where the message ends."""

    content_id: UUID
    start: int = 0
    size: int = _TO_THE_END


# Chunks are stored uncompressed, so a slice of a large one reads only its own pages.
_SLICES = HotStatement(
    f"""
SELECT s.place, c.number, substring(c.bytes FROM greatest(s.start - c.number * {CHUNK_BYTES}, 0) + 1
  FOR CAST(least(s.start + s.size - c.number * CAST({CHUNK_BYTES} AS bigint), {CHUNK_BYTES})
    - greatest(s.start - c.number * {CHUNK_BYTES}, 0) AS int)) AS bytes
FROM unnest(CAST(:content AS uuid[]), CAST(:start AS int[]), CAST(:size AS bigint[]))
  WITH ORDINALITY AS s(content, start, size, place)
JOIN content_chunks c ON c.content_id = s.content
  AND c.number BETWEEN s.start / {CHUNK_BYTES} AND (s.start + s.size - 1) / {CHUNK_BYTES}
ORDER BY s.place, c.number
"""  # noqa: S608  # our own number
)
# Chunks as they are: put together by PostgreSQL every message would be sorted, and copied once more.
_CONTENTS = HotStatement(
    "SELECT content_id, number, bytes FROM content_chunks WHERE content_id = ANY(CAST(:ids AS uuid[]))"
)
_PARTS = HotStatement("SELECT parser_version, parts FROM message_contents WHERE content_id = :content")
_RENEW = HotStatement(
    """
UPDATE message_contents SET parser_version = :parser_version, header_size = :header_size, envelope = :envelope,
  body = :body, bodystructure = :bodystructure, parts = :parts, message_id = :message_id, in_reply_to = :in_reply_to,
  subject = :subject, base_subject = :base_subject, is_reply = :is_reply, from_key = :from_key, to_key = :to_key,
  cc_key = :cc_key, display_from_key = :display_from_key, display_to_key = :display_to_key, from_text = :from_text,
  to_text = :to_text, sent_at = :sent_at, sent_on = :sent_on, preview = :preview, has_attachments = :has_attachments
WHERE content_id = :content AND parser_version < :parser_version
"""
)
_RENEW_TEXT = HotStatement(
    "UPDATE message_texts SET header = :search_header, body = :search_text, plain_header = :plain_header,"
    " plain_body = :plain_text WHERE content_id = :content"
)


async def read_contents(connection: Connection, content_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The whole bytes of several messages; one whose content is gone is left out."""
    found: dict[UUID, bytes] = {}
    several: dict[UUID, dict[int, bytes]] = {}
    for content_id, number, chunk in await _CONTENTS.run(connection, {"ids": list(content_ids)}):
        if number or content_id in several or content_id in found:
            several.setdefault(content_id, {})[number] = chunk
        else:
            found[content_id] = chunk
    for content_id, chunks in several.items():
        chunks.setdefault(0, found.get(content_id, b""))
        found[content_id] = b"".join([chunks[number] for number in sorted(chunks)])
    return found


async def read_slices(connection: Connection, slices: Sequence[Slice]) -> list[bytes]:
    """The bytes of each slice; empty where it lies behind the end, or its message is gone."""
    found: list[list[bytes]] = [[] for _ in slices]
    arguments = {
        "content": [one.content_id for one in slices],
        "start": [min(max(one.start, 0), _TO_THE_END) for one in slices],
        "size": [max(one.size, 0) for one in slices],
    }
    for row in await _SLICES.run(connection, arguments):
        found[row.place - 1].append(row.bytes)
    return [chunks[0] if len(chunks) == 1 else b"".join(chunks) for chunks in found]


async def read_content(connection: Connection, content_id: UUID) -> bytes:
    """All bytes of one message; empty when it is gone."""
    return (await read_contents(connection, [content_id])).get(content_id, b"")


async def read_parts(connection: Connection, content_id: UUID) -> tuple[Part, ...] | None:
    """The parts of a message, or None when it is gone."""
    rows = await _PARTS.run(connection, {"content": content_id})
    if not rows:
        return None
    if rows[0].parser_version < PARSER_VERSION:
        return await renew(connection, content_id)
    return unpack_parts(rows[0].parts)


async def renew(connection: Connection, content_id: UUID) -> tuple[Part, ...]:
    """Scan a message again that an older scanner has read; gives its parts."""
    content = await read_content(connection, content_id)
    scanned = scan(content)
    values = {name: getattr(scanned, name) for name in scanned.__slots__}
    arguments = values | {"content": content_id, "parts": pack_parts(scanned.parts)}
    await _RENEW.run(connection, arguments)
    await _RENEW_TEXT.run(connection, arguments)
    return scanned.parts
