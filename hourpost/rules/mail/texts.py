"""The text of a message: what is searched, the preview, and whether something is attached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hourpost.rules.header_text import decode_raw, decode_words, make_safe
from hourpost.rules.mail.body_parts import find_body, is_page, list_own
from hourpost.rules.mail.decoding import to_text
from hourpost.rules.mail.folding import drop_invisible, fold, storable
from hourpost.rules.mail.html_text import read_html
from hourpost.rules.mail.scanned import MAX_HEADER_BYTES, MAX_PREVIEW_CHARACTERS, MAX_SEARCH_CHARACTERS, Part
from hourpost.rules.mail.structure import Node
from hourpost.rules.transfer_encoding import decode

# Base64 writes three bytes as four characters, quoted-printable one as three; four more for UTF-32 would be rare
_MAX_ENCODED_BYTES = 4 * MAX_SEARCH_CHARACTERS
_PREVIEWED_CHARACTERS = 4000
# Types that programs write beside the text and no person attached
_SILENT_TYPES = frozenset(
    ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
     "application/pgp-encrypted", "application/ms-tnef")
)  # fmt: skip


class Texts(NamedTuple):
    """What people and searches see of a body."""

    search_text: str
    preview: str


def read_texts(content: bytes, found: list[tuple[Node, Part]], *, is_alternative: bool) -> Texts:
    """The text of every text part, with the subjects of messages inside and the names of files.

    ``is_alternative`` says what the message itself is. The preview is of what an answer would quote.
    """
    searched: list[str] = []
    room = MAX_SEARCH_CHARACTERS
    own = {part.section: part for part in list_own(content, [part for _, part in found])}
    quoted = {part.section for part in find_body(content, [*own.values()], is_alternative=is_alternative).quoted}
    preview, further = "", ""
    for node, scanned in found:
        part = own.get(scanned.section, scanned)
        if room <= 0:
            break
        text = _read_part(content, part) if part.media_type == "text" else _describe(node, part)
        if not text:
            continue
        if part.section in quoted:
            preview = preview or _preview(text)
        elif part.media_type == "text" and part.disposition != "attachment" and not preview:
            further = further or _preview(text)
        folded = fold(text).strip()[:room]
        searched.append(folded)
        room -= len(folded) + 1
    return Texts(" ".join(searched)[:MAX_SEARCH_CHARACTERS], preview or further)


def read_search_header(content: bytes, end: int) -> str:
    """The header's fields, a line each, decoded and folded; of a long header its first 256 KiB."""
    text = _decode_header(content[: min(end, MAX_HEADER_BYTES)])
    text = storable(text.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " "))
    if "=?" in text:
        text = "\n".join(make_safe(decode_words(line)) if "=?" in line else line for line in text.split("\n"))
    if text.isascii():
        return text.lower().strip()
    return "\n".join(fold(line) for line in text.split("\n")).strip()


def is_attachment(part: Part) -> bool:
    """Whether people would say that this is attached to the message."""
    if part.disposition == "attachment":
        return True
    if part.media_type == "multipart" or f"{part.media_type}/{part.media_subtype}" in _SILENT_TYPES:
        return False
    if part.media_type == "text":
        return part.filename is not None
    return part.content_id is None or part.media_type != "image"


def _decode_header(header: bytes) -> str:
    """Each field in the charset that its own writer meant."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return "\n".join(map(decode_raw, header.split(b"\n")))


def _read_part(content: bytes, part: Part) -> str:
    size = min(part.body_size, _MAX_ENCODED_BYTES)
    decoded = decode(part.encoding, content[part.body_at : part.body_at + size])
    text = to_text(decoded, part)
    text = (read_html(text) if is_page(part) else text)[:MAX_SEARCH_CHARACTERS]
    return f"{text} {part.filename}" if part.filename else text


def _describe(node: Node, part: Part) -> str:
    subject = None if node.inner is None else node.inner.values.get(b"subject")
    words = decode_words(decode_raw(subject)) if subject else ""
    return storable(f"{part.filename or ''} {words}".strip())


def _preview(text: str) -> str:
    """The first words that are the writer's own; of a text that only quotes, those it quotes."""
    lines = drop_invisible(text[:_PREVIEWED_CHARACTERS]).split("\n")
    return _first_words(line for line in lines if not line.startswith(">")) or _first_words(lines)


def _first_words(lines: Iterable[str]) -> str:
    """What a preview has room for, of no more lines than that takes."""
    words: list[str] = []
    size = 0
    for line in lines:
        found = line.split()
        words += found
        size += sum(map(len, found)) + len(found)
        if size > MAX_PREVIEW_CHARACTERS:
            break
    return " ".join(words)[:MAX_PREVIEW_CHARACTERS].strip()
