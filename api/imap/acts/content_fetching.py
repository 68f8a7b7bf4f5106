"""The part of FETCH that needs a message's bytes: small ones many at once, large ones in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from api.imap.acts.fetch_plan import Plan
from api.imap.acts.flagging import FlagWriter
from api.imap.grammar.fetching import Section
from api.imap.replies import No
from api.imap.view import View
from api.imap.writing.fetched import (
    UnknownEncoding,
    cut,
    decode_binary,
    find_section,
    pick_fields,
    write_binary,
    write_section,
)
from hourpost.mailboxes.contents import read_contents
from hourpost.mailboxes.messages import MessageRow
from hourpost.rules.mail.storing import unpack_parts

if TYPE_CHECKING:
    from api.imap.session import Session

_BYTES_AT_ONCE = 4 * 1024 * 1024


async def write_contents(
    session: Session, view: View, plan: Plan, flags: FlagWriter, rows: Sequence[MessageRow]
) -> bool:
    """Write the answers of these messages; whether the content of all was there."""
    is_whole = True
    for some in _groups(rows):
        found = await _read(session, some)
        for row in some:
            content = found.get(row.content_id)
            if content is None or len(content) != row.size_bytes:
                is_whole = False
                continue
            session.outlet.write(_write(view, plan, flags, row, content))
            await session.outlet.drain()
    return is_whole


def _groups(rows: Sequence[MessageRow]) -> Iterator[list[MessageRow]]:
    group: list[MessageRow] = []
    size = 0
    for row in rows:
        if group and size + row.size_bytes > _BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(row)
        size += row.size_bytes
    if group:
        yield group


async def _read(session: Session, rows: Sequence[MessageRow]) -> dict[UUID, bytes]:
    return await session.door.store.read(read_contents, list({row.content_id for row in rows}))


def _write(view: View, plan: Plan, flags: FlagWriter, row: MessageRow, content: bytes) -> bytes:
    needs_parts = plan.binaries or any(section.part for section in plan.sections)
    parts = unpack_parts(row.parts) if needs_parts else ()
    written = [plan.write(row, flags)]
    for section in plan.sections:
        span = find_section(section, parts, len(content), row.header_size)
        written.append(write_section(section.label, _cut_out(section, span, content)))
    try:
        written += [write_binary(one, decode_binary(one, content, parts)) for one in plan.binaries]
    except UnknownEncoding:
        raise No("UNKNOWN-CTE", "a part has a transfer encoding that nobody knows") from None
    return b"* %d FETCH (%b)\r\n" % (view.number_of(row.uid), b" ".join(filter(None, written)))


def _cut_out(section: Section, span: tuple[int, int] | None, content: bytes) -> bytes | None:
    if span is None:
        return None
    at, size = span
    data = content[at : at + size]
    if section.kind.startswith("HEADER.FIELDS"):
        data = pick_fields(data, section)
    return cut(data, section.partial)
