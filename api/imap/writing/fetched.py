"""The attributes of a message in a FETCH answer, one function for each, bytes ready to send."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from api.imap.grammar.fetching import Binary, Section
from api.imap.writing.words import write_moment, write_text
from hourpost.mailboxes.messages import MessageRow
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mail.sections import Span, find_part, find_span

Write = Callable[[MessageRow], bytes]

_FIELD = re.compile(rb"(?m)^([^\s:]++)[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")


class UnknownEncoding(Exception):
    """BINARY of a part whose transfer encoding nobody knows."""


WRITERS: dict[str, Write] = {
    "UID": lambda row: b"UID %d" % row.uid,
    "MODSEQ": lambda row: b"MODSEQ (%d)" % row.modseq,
    "INTERNALDATE": lambda row: b"INTERNALDATE " + write_moment(row.received_at),
    "SAVEDATE": lambda row: b"SAVEDATE " + write_moment(row.saved_at),
    "RFC822.SIZE": lambda row: b"RFC822.SIZE %d" % row.size_bytes,
    "ENVELOPE": lambda row: b"ENVELOPE " + row.envelope,
    "BODY": lambda row: b"BODY " + row.body,
    "BODYSTRUCTURE": lambda row: b"BODYSTRUCTURE " + row.bodystructure,
    "EMAILID": lambda row: b"EMAILID (M%b)" % row.content_id.hex.encode("ascii"),
    "THREADID": lambda row: b"THREADID (T%b)" % row.thread_id.hex.encode("ascii"),
}


def write_preview(preview: str, *, is_utf8: bool) -> bytes:
    """PREVIEW (RFC 8970): a string, empty for a message without text."""
    return b"PREVIEW " + write_text(preview, is_utf8=is_utf8)


def write_section(label: bytes, data: bytes | None) -> bytes:
    """Bytes of a message as a literal; NIL for a part that is not there."""
    return label + b" NIL" if data is None else b"%b {%d}\r\n%b" % (label, len(data), data)


def cut(data: bytes, partial: tuple[int, int] | None) -> bytes:
    """What ``<first.count>`` leaves."""
    return data if partial is None else data[partial[0] : partial[0] + partial[1]]


def find_section(section: Section, parts: Sequence[Part], size_bytes: int, header_size: int) -> Span | None:
    """Where in the message the section lies; of HEADER.FIELDS the whole header. None when there is no such part."""
    what = "HEADER" if section.kind.startswith("HEADER") else section.kind
    if not section.part:
        whole = {"": Span(0, size_bytes), "HEADER": Span(0, header_size)}
        return whole.get(what) or Span(header_size, size_bytes - header_size)
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
