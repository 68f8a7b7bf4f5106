"""A part's content without its transfer encoding, and its text: broken ones as far as they go."""

from __future__ import annotations

import re

from hourpost.rules.header_text import CUT, decode_charset, decode_raw, names_charset
from hourpost.rules.mail.body_parts import is_page
from hourpost.rules.mail.folding import storable
from hourpost.rules.mail.scanned import Part
from hourpost.rules.transfer_encoding import decode

_META = re.compile(rb"<meta\b[^<>]*?\bcharset\s*+=\s*+[\"']?\s*+([A-Za-z0-9_.:-]{1,40}+)", re.IGNORECASE)
_META_BYTES = 1024
_KNOWN_ENCODINGS = frozenset(("", "7bit", "8bit", "binary", "base64", "quoted-printable"))
_UNNAMED = frozenset((None, "", "us-ascii", "ascii", "unknown-8bit", "x-unknown", "8bit", "unknown"))


def is_decodable(part: Part) -> bool:
    """Whether BINARY can be answered; otherwise it is NO [UNKNOWN-CTE] (RFC 3516 §4.3)."""
    return part.encoding in _KNOWN_ENCODINGS


def decode_part(content: bytes, part: Part) -> bytes:
    """The part decoded, as BINARY and a download have it; an encoding that nobody knows is left as it is."""
    return decode(part.encoding, content[part.body_at : part.body_at + part.body_size])


def decode_text(content: bytes, part: Part) -> str:
    """The part's text with plain line ends; without NUL, and in UTF-8 when its charset is none."""
    return to_text(decode_part(content, part), part)


def to_text(decoded: bytes, part: Part) -> str:
    """Text of a part's bytes, or of the first of them, in its charset; lines end in LF."""
    if part.charset not in _UNNAMED:
        text = decode_charset(decoded, part.charset or "")
    else:
        text = _decode_page(decoded) if is_page(part) else decode_raw(decoded)
    text = storable(text)
    return text.replace("\r\n", "\n") if "\r" in text else text


def _decode_page(decoded: bytes) -> str:
    """A page whose part names no charset: where it is not UTF-8, its own beginning may (HTML §13.2.3.2)."""
    try:
        return decoded.decode()
    except UnicodeDecodeError as error:
        found = None if error.reason == CUT else _META.search(decoded, 0, _META_BYTES)
    charset = "" if found is None else found[1].decode()
    return decode_charset(decoded, charset) if names_charset(charset) else decode_raw(decoded)
