"""FETCH: what of which messages (RFC 9051 §6.4.5, RFC 3516, 7162, 8474, 8514, 8970)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.imap.grammar.reader import Reader
from api.imap.grammar.sets import Chosen, read_chosen
from api.imap.limits import MAX_LISTED

_MACROS: dict[str, tuple[str, ...]] = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
_ATTRIBUTES = frozenset(
    {
        *("FLAGS", "UID", "MODSEQ", "INTERNALDATE", "SAVEDATE", "RFC822.SIZE"),
        *("ENVELOPE", "BODY", "BODYSTRUCTURE", "PREVIEW", "EMAILID", "THREADID"),
    }
)
_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([0-9]{1,10})>")
_SECTION = re.compile(rb"([0-9.]*)(HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME)?", re.IGNORECASE)
_DOTTED = re.compile(rb"[0-9.]*")
_PART = re.compile(rb"[1-9][0-9]{0,5}(?:\.[1-9][0-9]{0,5}){0,99}")
_PLAIN_FIELD = re.compile(rb"[!#-'*+\-./0-9:-@A-Z\[^-z|}~]+")
_ANY_FIELD = re.compile(rb"[\x20-\x7e]{0,998}")


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes of a message. ``label`` is how the answer names them."""

    label: bytes
    part: str = ""  # as 2.1
    kind: str = ""  # HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT, MIME, or empty for all of it
    fields: tuple[bytes, ...] = ()  # in lower case
    partial: tuple[int, int] | None = None  # the first byte, and how many
    is_peek: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """A part with its transfer encoding undone (RFC 3516)."""

    label: bytes
    part: str = ""  # as 2.1
    partial: tuple[int, int] | None = None
    is_peek: bool = False
    is_size: bool = False


Item = str | Section | Binary


@dataclass(frozen=True, slots=True)
class Fetch:
    """What of which messages; ``changed_since`` picks those whose MODSEQ is greater."""

    chosen: Chosen
    items: tuple[Item, ...]
    changed_since: int | None = None
    wants_vanished: bool = False


def read_fetch(reader: Reader) -> Fetch:
    """FETCH set items [(CHANGEDSINCE n [VANISHED])]."""
    chosen = read_chosen(reader)
    reader.space()
    items = _read_items(reader)
    changed_since, wants_vanished = _read_modifiers(reader)
    return Fetch(chosen, tuple(dict.fromkeys(items)), changed_since, wants_vanished)


def _read_items(reader: Reader) -> list[Item]:
    if not reader.takes(b"("):
        start = reader.at
        name = (_ITEM.match(reader.text, start) or [b""])[0].upper().decode()
        if name in _MACROS:
            reader.at += len(name)
            return list(_MACROS[name])
        return [_read_item(reader)]
    items = [_read_item(reader)]
    while reader.takes(b" "):
        items.append(_read_item(reader))
        if len(items) > MAX_LISTED:
            reader.fail("a shorter list")
    reader.expect(b")")
    return items


def _read_item(reader: Reader) -> Item:
    found = _ITEM.match(reader.text, reader.at)
    name = found[0].upper().decode() if found else ""
    start, reader.at = reader.at, reader.at + len(name)
    if name in _OLD:
        return _OLD[name]
    if reader.sees(b"["):
        return _read_bracketed(reader, name, start)
    if name not in _ATTRIBUTES:
        reader.at = start
        reader.fail("something to fetch")
    if name == "PREVIEW":
        reader.takes(b" (LAZY)")
    return name


_OLD = {
    "RFC822": Section(b"RFC822"),
    "RFC822.HEADER": Section(b"RFC822.HEADER", kind="HEADER", is_peek=True),
    "RFC822.TEXT": Section(b"RFC822.TEXT", kind="TEXT"),
}


def _read_bracketed(reader: Reader, name: str, start: int) -> Item:
    is_peek = name.endswith(".PEEK")
    if name in ("BODY", "BODY.PEEK"):
        return _read_section(reader, is_peek=is_peek)
    if name in ("BINARY", "BINARY.PEEK", "BINARY.SIZE"):
        return _read_binary(reader, name, is_peek=is_peek)
    reader.at = start
    reader.fail("BODY[ or BINARY[")


def _read_section(reader: Reader, *, is_peek: bool) -> Section:
    reader.expect(b"[")
    start = reader.at
    found = _SECTION.match(reader.text, reader.at)
    assert found is not None
    reader.at = found.end()
    kind = (found[2] or b"").upper().decode()
    numbers = found[1].removesuffix(b".") if kind else found[1]
    part = _to_part(reader, numbers, start)
    if (kind == "MIME" and not part) or (kind and part and not found[1].endswith(b".")):
        reader.at = start
        reader.fail("a section")
    fields = _read_fields(reader) if kind.startswith("HEADER.FIELDS") else ()
    reader.expect(b"]")
    label = b"BODY[" + numbers + (b"." if numbers and kind else b"") + kind.encode()
    if fields:
        label += b" (" + b" ".join(_write_field(field) for field in fields) + b")"
    partial = _read_partial(reader)
    label += b"]" if partial is None else b"]<%d>" % partial[0]
    return Section(label, part, kind, tuple(field.lower() for field in fields), partial, is_peek)


def _to_part(reader: Reader, numbers: bytes, start: int) -> str:
    if not numbers:
        return ""
    if _PART.fullmatch(numbers) is None:
        reader.at = start
        reader.fail("the number of a part")
    return numbers.decode()


def _read_fields(reader: Reader) -> tuple[bytes, ...]:
    reader.space()
    reader.expect(b"(")
    fields = [_read_field(reader)]
    while reader.takes(b" "):
        fields.append(_read_field(reader))
        if len(fields) > MAX_LISTED:
            reader.fail("a shorter list")
    reader.expect(b")")
    return tuple(fields)


def _read_field(reader: Reader) -> bytes:
    start = reader.at
    field = reader.astring()
    if _ANY_FIELD.fullmatch(field) is None:
        reader.at = start
        reader.fail("the name of a header field")
    return field


def _write_field(field: bytes) -> bytes:
    if _PLAIN_FIELD.fullmatch(field):
        return field
    return b'"' + field.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _read_partial(reader: Reader) -> tuple[int, int] | None:
    if not reader.sees(b"<"):
        return None
    found = _PARTIAL.match(reader.text, reader.at)
    if found is None or int(found[2]) == 0:
        reader.fail("<first.count>")
    reader.at = found.end()
    return int(found[1]), int(found[2])


def _read_binary(reader: Reader, name: str, *, is_peek: bool) -> Binary:
    reader.expect(b"[")
    start = reader.at
    numbers = (_DOTTED.match(reader.text, start) or [b""])[0]
    reader.at += len(numbers)
    part = _to_part(reader, numbers, start)
    reader.expect(b"]")
    is_size = name == "BINARY.SIZE"
    label = (b"BINARY.SIZE[" if is_size else b"BINARY[") + numbers + b"]"
    partial = None if is_size else _read_partial(reader)
    if partial is not None:
        label += b"<%d>" % partial[0]
    return Binary(label, part, partial, is_peek, is_size)


def _read_modifiers(reader: Reader) -> tuple[int | None, bool]:
    if not reader.takes(b" ("):
        return None, False
    changed_since, wants_vanished = None, False
    while True:
        if reader.takes(b"CHANGEDSINCE "):
            changed_since = reader.modseq(least=1)
        elif reader.takes(b"VANISHED"):
            wants_vanished = True
        else:
            reader.fail("CHANGEDSINCE or VANISHED")
        if reader.takes(b")"):
            break
        reader.space()
    if wants_vanished and changed_since is None:
        reader.fail("CHANGEDSINCE with VANISHED")
    return changed_since, wants_vanished
