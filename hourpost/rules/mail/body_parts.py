"""Which parts of a message are its text: of alternatives one, and of parts that stand side by side each in its turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hourpost.rules.mail.fields import find_header_end, first_values, list_fields
from hourpost.rules.mail.parameters import parse_parameterised
from hourpost.rules.mail.scanned import Part

_CARDS = frozenset(("calendar", "vcard", "x-vcard", "directory"))
"""Kinds of text that are for programs: files, whatever they say of themselves."""
_PLAIN = frozenset(("plain", "enriched", "richtext"))
_READ = _PLAIN | {"html"}
# Pages in dialects that other programs ask for, always beside one in HTML
_DIALECTS = frozenset(("x-amp-html", "watch-html"))
_MOST_BLANK_BYTES = 1000


class Body(NamedTuple):
    """The parts that say what a message says, each in the order of the message.

    ``shown`` are to be looked at, ``quoted`` say the same in plain text where the message has that. ``other`` ones say
    it once more, and are neither text nor files.
    """

    shown: tuple[Part, ...]
    quoted: tuple[Part, ...]
    other: tuple[Part, ...] = ()


_NOTHING = Body((), ())


def find_body(content: bytes, parts: Sequence[Part], *, is_alternative: bool) -> Body:
    """What to read of ``parts``: those of the message itself, a holder before what it holds.

    ``is_alternative`` says whether the message, which is no part, is a multipart/alternative. A part that has a name is
    a file; it is read only where a message has nothing else to read, and so is text of a kind that nobody knows
    (RFC 2046 §4.1.4).
    """
    if len(parts) == 1 and _is_read(parts[0]):
        return Body((parts[0],), (parts[0],))
    body = _walk(content, [part for part in parts if _is_read(part)], parts, is_alternative)
    if body.shown:
        return body
    return _walk(content, [part for part in parts if _can_be_read(part)], parts, is_alternative)


def find_own_body(content: bytes, parts: Sequence[Part]) -> tuple[list[Part], Body]:
    """The parts of the message itself, of all that a scan has found, and what to read of them."""
    own = list_own(content, parts)
    values = first_values(list_fields(content, 0, find_header_end(content, 0, len(content))))
    return own, find_body(content, own, is_alternative=is_alternative(values.get(b"content-type", b"")))


def list_own(content: bytes, parts: Sequence[Part]) -> list[Part]:
    """The parts of the message itself; those of a message inside belong to that.

    Where the boundary of a multipart never comes, the empty part that stands for its parts is all its text.
    """
    inside = tuple(f"{part.section}." for part in parts if part.inner_header_size is not None)
    own = [part for part in parts if not part.section.startswith(inside)] if inside else list(parts)
    holders = {part.section: part for part in own if part.media_type == "multipart"}
    for at, part in enumerate(own):
        holder, _, number = part.section.rpartition(".")
        if number == "1" and part.header_size == part.body_size == 0:
            own[at] = _fill(content, part, holders.get(holder))
    return own


def _fill(content: bytes, part: Part, holder: Part | None) -> Part:
    """An empty part with the body of its holder, None for the message, where that has no other part."""
    start, end = (0, len(content)) if holder is None else (holder.header_at, holder.body_at + holder.body_size)
    if part.body_at != end:
        return part
    body_at = find_header_end(content, start, end)
    values = first_values(list_fields(content, start, body_at))
    written = parse_parameterised(values.get(b"content-type", b""))
    boundary = written.parameters.get(b"boundary", b"").rstrip()
    is_split = boundary and content.find(b"--" + boundary, body_at, end) >= 0
    if is_split or not written.value.lower().startswith(b"multipart"):
        return part
    return replace(
        part,
        body_at=body_at,
        body_size=end - body_at,
        encoding=values.get(b"content-transfer-encoding", b"7bit").decode("latin-1").lower(),
        media_type="text",
        media_subtype="plain",
        inner_header_size=None,
    )


def is_page(part: Part) -> bool:
    """Whether a text is HTML, or something like it."""
    return part.media_subtype == "html" or part.media_subtype in _DIALECTS


def is_blank(part: Part, content: bytes) -> bool:
    """Whether a text says nothing; a long one is not looked through."""
    size = part.body_size
    return size <= _MOST_BLANK_BYTES and not content[part.body_at : part.body_at + size].strip()


def is_alternative(content_type: bytes) -> bool:
    """Whether a type as it was written is multipart/alternative (RFC 2046 §5.1.4)."""
    return b"".join(parse_parameterised(content_type).value.split()).lower() == b"multipart/alternative"


def list_files(parts: Sequence[Part], body: Body) -> list[Part]:
    """The parts that are there to be kept: those that have a name, and those that are no text."""
    text = {part.section for some in body for part in some}
    return [
        part
        for part in parts
        if part.media_type != "multipart" and (part.filename is not None or part.section not in text)
    ]


def _is_read(part: Part) -> bool:
    return _can_be_read(part) and part.media_subtype in _READ and part.filename is None


def _can_be_read(part: Part) -> bool:
    is_text = part.media_type == "text" and part.media_subtype not in _CARDS and part.media_subtype not in _DIALECTS
    return is_text and part.disposition != "attachment"


def _walk(content: bytes, read: list[Part], parts: Sequence[Part], is_alternative: bool) -> Body:
    """The body of the whole tree, put together from its leaves up."""
    known = {part.section for part in read}
    below: dict[str, list[Body]] = {}
    for part in reversed(parts):
        if part.media_type == "multipart":
            body = _join(below.pop(part.section, []), content, is_alternative=part.media_subtype == "alternative")
        elif part.section in known:
            body = Body((part,), (part,))
        elif part.media_subtype in _DIALECTS and part.filename is None and part.disposition != "attachment":
            body = Body((), (), (part,))
        else:
            continue
        below.setdefault(part.section.rpartition(".")[0], []).append(body)
    return _join(below.get("", []), content, is_alternative=is_alternative)


def _join(backwards: list[Body], content: bytes, *, is_alternative: bool) -> Body:
    """What a multipart says, of what its parts say; the last of them comes first."""
    if is_alternative:
        return _choose(backwards, content)
    pieces = backwards[::-1]
    return Body(
        tuple(part for one in pieces for part in one.shown),
        tuple(part for one in pieces for part in one.quoted),
        tuple(part for one in pieces if one.shown for part in one.other),  # else it is said nowhere but there
    )


def _choose(backwards: list[Body], content: bytes) -> Body:
    """Of alternatives the richest that is not empty, of equals the last; to be quoted, one without HTML."""
    full = [one for one in backwards if any(not is_blank(part, content) for part in one.shown)]
    full = full or [one for one in backwards if one.shown]
    if not full:
        return _NOTHING
    shown = max(full, key=_rank)  # the first of the highest, which is the last of the message
    quoted = max((one for one in full if not any(map(is_page, one.quoted))), key=_rank, default=shown)
    said = {*shown.shown, *quoted.quoted}
    every = [part for one in backwards[::-1] for some in one for part in some]
    return Body(shown.shown, quoted.quoted, tuple(dict.fromkeys(part for part in every if part not in said)))


def _rank(one: Body) -> int:
    return 2 if any(map(is_page, one.shown)) else int(any(part.media_subtype == "plain" for part in one.shown))
