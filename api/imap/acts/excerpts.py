"""Which bytes of a message a FETCH needs, and what is made of them; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.imap.acts.fetch_plan import Plan
from api.imap.grammar.fetching import Binary, Section
from api.imap.writing.fetched import (
    UnknownEncoding,
    cut,
    find_section,
    pick_fields,
    write_binary,
    write_section,
)
from hourpost.mailboxes.contents import Slice
from hourpost.mailboxes.messages import MessageRow
from hourpost.rules.mail.decoding import is_decodable
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mail.sections import Span, find_part
from hourpost.rules.mail.storing import unpack_parts
from hourpost.rules.transfer_encoding import decode


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Bytes to be read for one item; ``encoding`` is undone for BINARY."""

    item: Section | Binary
    slice: Slice
    encoding: str = ""

    @property
    def label(self) -> bytes:
        """How the answer names it."""
        return self.item.label

    @property
    def is_plain(self) -> bool:
        """Whether the bytes are the answer as they are."""
        return isinstance(self.item, Section) and not _needs_all(self.item)


@dataclass(frozen=True, slots=True)
class Message:
    """One message's items in their order; bytes are those for which nothing has to be read."""

    row: MessageRow
    items: Sequence[Excerpt | bytes]

    @property
    def excerpts(self) -> list[Excerpt]:
        """Those for which something has."""
        return [one for one in self.items if isinstance(one, Excerpt)]

    @property
    def size(self) -> int:
        """How many bytes will be read."""
        return sum(one.slice.size for one in self.excerpts)


def _needs_all(section: Section) -> bool:
    """Whether a partial answer still needs the whole section."""
    return section.kind.startswith("HEADER.FIELDS")


def list_excerpts(plan: Plan, row: MessageRow) -> Message:
    """What to read of a message. Raises: UnknownEncoding."""
    needs_parts = plan.binaries or any(section.part for section in plan.sections)
    parts = unpack_parts(row.parts) if needs_parts else ()
    items = [_find_section(section, row, parts) for section in plan.sections]
    return Message(row, items + [_find_binary(binary, row, parts) for binary in plan.binaries])


def _find_section(section: Section, row: MessageRow, parts: Sequence[Part]) -> Excerpt | bytes:
    span = find_section(section, parts, row)
    if span is None:
        return write_section(section.label, None)
    return Excerpt(section, _narrow(row, section, span))


def _narrow(row: MessageRow, section: Section, span: Span) -> Slice:
    if section.partial is None or _needs_all(section):
        return Slice(row.content_id, span.at, span.size)
    first, count = section.partial
    start = min(first, span.size)
    return Slice(row.content_id, span.at + start, min(count, span.size - start))


def _find_binary(binary: Binary, row: MessageRow, parts: Sequence[Part]) -> Excerpt | bytes:
    if not binary.part:
        return Excerpt(binary, Slice(row.content_id, 0, row.size_bytes))
    part = find_part(parts, binary.part)
    if part is None:
        return write_binary(binary, None)
    if not is_decodable(part):
        raise UnknownEncoding
    return Excerpt(binary, Slice(row.content_id, part.body_at, part.body_size), part.encoding)


def cut_out(one: Excerpt, content: bytes) -> bytes:
    """The item of an answer, from the bytes that were read for it."""
    item = one.item
    if isinstance(item, Binary):
        return write_binary(item, decode(one.encoding, content) if one.encoding else content)
    if _needs_all(item):
        return write_section(item.label, cut(pick_fields(content, item), item.partial))
    return write_section(item.label, content)
