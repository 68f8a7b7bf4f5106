"""What a message says as it was written, for programs: its texts, its headers, and all that is neither."""

from __future__ import annotations

from typing import NamedTuple

from hourpost.rules.header_text import decode_raw, decode_words, make_safe
from hourpost.rules.mail.attachments import list_files_of
from hourpost.rules.mail.body_parts import Body, find_own_body, is_page
from hourpost.rules.mail.decoding import decode_text
from hourpost.rules.mail.fields import find_header_end, list_written_fields, unfold
from hourpost.rules.mail.readable import read_plain, to_block, write_text
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import MAX_FIELDS, MAX_HEADER_BYTES, Part


class Written(NamedTuple):
    """A message for programs; its HTML is what its writer wrote and may do anything.

    Each part is in ``text``, in ``html`` or among the ``files``. ``is_complete`` is False where something was left out:
    headers behind the first 1,000 or 256 KiB, or words of a very long page in a message that has plain text as well.
    """

    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    files: tuple[Part, ...]
    is_complete: bool


def read_written(content: bytes) -> Written:
    """All of a message; never raises, and takes time in proportion to its size."""
    end = find_header_end(content, 0, len(content))
    fields = list_written_fields(content, 0, end)
    parts, body = find_own_body(content, scan(content).parts)
    text = write_text(content, body)
    headers = tuple((name.decode(), make_safe(decode_words(decode_raw(unfold(value))))) for name, value in fields)
    has_all = text.is_complete and end <= MAX_HEADER_BYTES and len(fields) < MAX_FIELDS
    return Written(text.text, _write_html(content, body), headers, tuple(list_files_of(content, parts, body)), has_all)


def _write_html(content: bytes, body: Body) -> str | None:
    """The message's page; of several parts each in its turn, what is plain among them as a block of its own."""
    if not any(map(is_page, body.shown)):
        return None
    if len(body.shown) == 1:
        return decode_text(content, body.shown[0])
    pieces = [_to_piece(content, part) for part in body.shown]
    return "<hr>".join(piece for piece in pieces if piece.strip())


def _to_piece(content: bytes, part: Part) -> str:
    if is_page(part):
        return decode_text(content, part)
    text = read_plain(content, part)
    return to_block(text) if text.strip() else ""
