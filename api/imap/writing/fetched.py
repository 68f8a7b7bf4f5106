"""The attributes of a message in a FETCH answer, one function for each, bytes ready to send."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from api.imap.grammar.fetching import Binary, Section
from api.imap.writing.words import write_moment, write_text
from hourpost.mailboxes.messages import MessageRow
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mail.sections import Span, find_part, find_span

_FIELD = re.compile(rb"(?m)^([^\s:]++)[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")


class UnknownEncoding(Exception):
    """BINARY of a part whose transfer encoding nobody knows."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one attribute is written: a template, and what of a row goes into it."""

    template: bytes
    value: Callable[[MessageRow], object]


# A row gives its columns by item eight times as quick as by attribute.
ATTRIBUTES: Mapping[str, Attribute] = {
    "UID": Attribute(b"UID %d", itemgetter("uid")),
    "MODSEQ": Attribute(b"MODSEQ (%d)", itemgetter("modseq")),
    "INTERNALDATE": Attribute(b"INTERNALDATE %b", lambda row: write_moment(row.received_at)),
    "SAVEDATE": Attribute(b"SAVEDATE %b", lambda row: write_moment(row.saved_at)),
    "RFC822.SIZE": Attribute(b"RFC822.SIZE %d", itemgetter("size_bytes")),
    "ENVELOPE": Attribute(b"ENVELOPE %b", itemgetter("envelope")),
    "BODY": Attribute(b"BODY %b", itemgetter("body")),
    "BODYSTRUCTURE": Attribute(b"BODYSTRUCTURE %b", itemgetter("bodystructure")),
    "EMAILID": Attribute(b"EMAILID (M%b)", lambda row: row.content_id.hex.encode("ascii")),
    "THREADID": Attribute(b"THREADID (T%b)", lambda row: row.thread_id.hex.encode("ascii")),
}


def write_lines(numbers: Sequence[int], attributes: Sequence[Attribute], rows: Sequence[MessageRow]) -> bytes:
    """The answers for many messages; those of number 0 are not known to the client, and left out."""
    template = b"* %d FETCH (" + b" ".join([one.template for one in attributes]) + b")\r\n"
    if 0 in numbers:
        rows = [row for number, row in zip(numbers, rows, strict=True) if number]
        numbers = [number for number in numbers if number]
    columns = [map(one.value, rows) for one in attributes]
    return template * len(rows) % tuple(chain.from_iterable(zip(numbers, *columns, strict=True)))


def preview(*, is_utf8: bool) -> Attribute:
    """PREVIEW (RFC 8970): a string, empty for a message without text."""
    return Attribute(b"PREVIEW %b", lambda row: write_text(row.preview, is_utf8=is_utf8))


def write_section(label: bytes, data: bytes | None) -> bytes:
    """Bytes of a message as a literal; NIL for a part that is not there."""
    return label + b" NIL" if data is None else b"%b {%d}\r\n%b" % (label, len(data), data)


def cut(data: bytes, partial: tuple[int, int] | None) -> bytes:
    """What ``<first.count>`` leaves."""
    return data if partial is None else data[partial[0] : partial[0] + partial[1]]


def find_section(section: Section, parts: Sequence[Part], row: MessageRow) -> Span | None:
    """Where in the message the section lies; of HEADER.FIELDS the whole header. None when there is no such part."""
    what = "HEADER" if section.kind.startswith("HEADER") else section.kind
    if not section.part:
        if not what:
            return Span(0, row.size_bytes)
        return Span(0, row.header_size) if what == "HEADER" else Span(row.header_size, row.size_bytes - row.header_size)
    part = find_part(parts, section.part)
    return None if part is None else find_span(part, what)


def pick_fields(header: bytes, section: Section) -> bytes:
    """The header with only those fields, or without them, and the empty line that ends it."""
    wanted, is_without = frozenset(section.fields), section.kind.endswith("NOT")
    picked = [match[0] for match in _FIELD.finditer(header) if (match[1].lower() in wanted) is not is_without]
    return b"".join(picked) + b"\r\n"


def write_binary(binary: Binary, data: bytes | None) -> bytes:
    """BINARY as a literal8 where it holds NUL, and BINARY.SIZE as a number."""
    if binary.is_size:
        return b"%b %d" % (binary.label, len(data or b""))
    if data is None:
        return binary.label + b" NIL"
    data = cut(data, binary.partial)
    mark = b"~" if b"\0" in data else b""
    return b"%b %b{%d}\r\n%b" % (binary.label, mark, len(data), data)
