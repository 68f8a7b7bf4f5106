"""A part's content without its transfer encoding, and its text: broken ones as far as they go."""

from __future__ import annotations

from hourpost.rules.header_text import decode_charset, decode_raw
from hourpost.rules.mail.folding import storable
from hourpost.rules.mail.scanned import Part
from hourpost.rules.transfer_encoding import decode

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
    return to_text(decode_part(content, part), part.charset)


def to_text(decoded: bytes, charset: str | None) -> str:
    """Text of bytes in a part's charset; lines end in LF."""
    text = storable(decode_raw(decoded) if charset in _UNNAMED else decode_charset(decoded, charset or ""))
    return text.replace("\r\n", "\n") if "\r" in text else text
