"""What a message says, from the parts that say it: a safe page to look at, and plain text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from hourpost.rules.mail.body_parts import Body, is_page
from hourpost.rules.mail.decoding import decode_text
from hourpost.rules.mail.fields import first_values, list_fields
from hourpost.rules.mail.flowed import join_flowed
from hourpost.rules.mail.page_lines import read_lines
from hourpost.rules.mail.parameters import parse_parameterised
from hourpost.rules.mail.safe_html import MAX_AMPERSANDS, MAX_CHARACTERS, MAX_WRITTEN, SafeHtml, make_safe_html
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mail.web_links import split_links

MAX_TEXT_BYTES = 8 * MAX_CHARACTERS
"""Of each part that is read: the same in any charset and encoding that writers of mail use."""
_BLOCK = '<div dir="auto" style="white-space: pre-wrap">{}</div>'
_LINK = '<a href="{0}">{0}</a>'


def make_page(content: bytes, body: Body, inline: Mapping[str, str], *, with_images: bool) -> SafeHtml | None:
    """All of a message that has HTML as one safe fragment, what is plain in it as a block of its own.

    None for a message without HTML, or in whose HTML nothing is to be seen. ``inline`` is that of ``make_safe_html``.
    """
    if not any(map(is_page, body.shown)):
        return None
    room, pieces, blocked, is_seen = _Room(), [], 0, False
    for whole in body.shown:
        part = room.beginning_of(whole)
        page = decode_text(content, part) if is_page(part) else room.block(read_plain(content, part))
        # Each by itself, so that a tag or a comment which one of them leaves open takes in nothing of the next
        safe = make_safe_html(room.take(page), inline, with_images=with_images, most_written=room.written)
        room.note(safe)
        blocked += safe.blocked_images
        if safe.html.strip():
            pieces.append(safe.html)
            is_seen |= is_page(part)
    return SafeHtml("<hr>".join(pieces), blocked, room.is_short) if is_seen else None


class PlainText(NamedTuple):
    """A message in plain text, None where it has nothing but pages; ``is_complete`` unless a page was too long."""

    text: str | None
    is_complete: bool


def make_text(content: bytes, body: Body) -> PlainText:
    """As much of a message as people are shown as plain text."""
    beginnings = tuple(map(beginning_of, body.quoted))
    written = write_text(content, body._replace(quoted=beginnings))
    if written.text is None:
        return written
    is_whole = beginnings == body.quoted and len(written.text) <= MAX_CHARACTERS
    return PlainText(written.text[:MAX_CHARACTERS], written.is_complete and is_whole)


def write_text(content: bytes, body: Body) -> PlainText:
    """All of a message as plain text, a page in it by its words."""
    if all(map(is_page, body.quoted)):
        return PlainText(None, is_complete=True)
    room, pieces = _Room(), []
    for part in body.quoted:
        if is_page(part):
            safe = make_safe_html(room.take(decode_text(content, part)), {}, most_written=room.written)
            room.note(safe)
            pieces.append(f"\n{read_lines(safe.html).strip()}\n")
        else:
            pieces.append(read_plain(content, part))
    text = "\n".join(pieces)
    return PlainText(text.strip("\n") if any(map(is_page, body.quoted)) else text, is_complete=not room.is_short)


def to_block(text: str) -> str:
    """Plain text as HTML; what would be read as a tag or an entity is written otherwise, and links can be followed."""
    pieces = split_links(text[:MAX_CHARACTERS].strip("\n"))
    return _BLOCK.format("".join(_LINK.format(_escape(it)) if is_link else _escape(it) for it, is_link in pieces))


def read_plain(content: bytes, part: Part) -> str:
    """A plain part's text, its lines joined where they were broken softly."""
    text = decode_text(content, part)
    header = content[part.header_at : part.header_at + part.header_size]
    if b"flowed" not in header.lower():
        return text
    value = first_values(list_fields(header, 0, len(header))).get(b"content-type", b"")
    parameters = parse_parameterised(value).parameters
    if parameters.get(b"format", b"").lower() != b"flowed":
        return text
    return join_flowed(text, drops_space=parameters.get(b"delsp", b"").lower() == b"yes")


def beginning_of(part: Part) -> Part:
    """The part with as much of it as can be shown, however it is encoded."""
    return part if part.body_size <= MAX_TEXT_BYTES else replace(part, body_size=MAX_TEXT_BYTES)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


class _Room:
    """What all pages of a message together may have, because the parser takes time by the square."""

    def __init__(self) -> None:
        self._characters = MAX_CHARACTERS
        self._ampersands = MAX_AMPERSANDS
        self.written = MAX_WRITTEN
        self.is_short = False

    def take(self, page: str) -> str:
        """As much of a page as there is room for; where that is not all, it was too short."""
        taken = "&".join(page[: self._characters].split("&", self._ampersands)[: self._ampersands])
        self.is_short |= len(taken) < len(page)
        self._characters -= len(taken)
        self._ampersands -= taken.count("&")
        return taken

    def note(self, safe: SafeHtml) -> None:
        """This has come of a page."""
        self.written = max(0, self.written - len(safe.html))
        self.is_short |= safe.is_cut

    def beginning_of(self, part: Part) -> Part:
        """As much of a part as can be shown."""
        self.is_short |= part.body_size > MAX_TEXT_BYTES
        return beginning_of(part)

    def block(self, text: str) -> str:
        """A plain text as HTML."""
        self.is_short |= len(text) > MAX_CHARACTERS
        return to_block(text)
