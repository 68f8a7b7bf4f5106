"""What the scanner finds in a message, and the limits within which it looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

# Raised whenever the same bytes would scan to something else; what an older version stored is rendered again
PARSER_VERSION = 4

MAX_HEADER_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_ADDRESSES = 1000
MAX_PARTS = 1000
MAX_DEPTH = 50
MAX_PARAMETERS = 100
MAX_REFERENCES = 1000
MAX_SEARCH_CHARACTERS = 256 * 1024
MAX_PREVIEW_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One numbered part of a message (RFC 9051 §6.4.5.1): where it lies in the content, and what it is.

    ``section`` is its number (``1.2``). The header, with the empty line that ends it, is what ``MIME`` asks for.
    ``inner_header_size`` is the size of the header of the message in a message/rfc822, which begins at ``body_at``;
    None for every other part. Names of types and encodings are in lower case; the file's name is decoded.
    """

    section: str
    header_at: int
    header_size: int
    body_at: int
    body_size: int
    encoding: str
    media_type: str
    media_subtype: str
    charset: str | None
    filename: str | None
    disposition: str | None
    content_id: str | None
    inner_header_size: int | None


@dataclass(frozen=True, slots=True)
class Scanned:
    """A message as IMAP, POP3, search and lists need it.

    ``envelope``, ``body`` and ``bodystructure`` are the bytes to send behind those names (RFC 9051 §7.5.2).
    A ``_key`` is text to compare by code point, already case-mapped (RFC 5051); ``base_subject`` is one too.
    ``sent_at`` is in UTC, ``sent_on`` the day as its writer wrote it, for SENTSINCE and its like.
    Message-IDs stand with their angle brackets.
    ``search_header`` has a line ``name: value`` per field; it and ``search_text`` are folded by ``fold``.
    ``plain_header`` and ``plain_text`` are the same without accents, None where there are none.
    No text holds a NUL or half a surrogate pair: a text column takes each.
    """

    parser_version: int
    header_size: int
    envelope: bytes
    body: bytes
    bodystructure: bytes
    parts: tuple[Part, ...]
    subject: str
    base_subject: str
    is_reply: bool
    from_key: str
    to_key: str
    cc_key: str
    display_from_key: str
    display_to_key: str
    from_text: str
    to_text: str
    sent_at: datetime | None
    sent_on: date | None
    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    search_header: str
    search_text: str
    plain_header: str | None
    plain_text: str | None
    preview: str
    has_attachments: bool
