"""Where the section of a FETCH lies in the content (RFC 9051 §6.4.5.1): ``2.1.MIME``, ``2.HEADER``, ``TEXT``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hourpost.rules.mail.scanned import Part


class Span(NamedTuple):
    """A stretch of the content."""

    at: int
    size: int


def find_part(parts: Sequence[Part], section: str) -> Part | None:
    """The part of that number; ``2.1`` below a message/rfc822 that holds no multipart is its text."""
    return next((part for part in parts if part.section == section), None)


def find_span(part: Part, what: str) -> Span | None:
    """The stretch of a part that ``""``, ``MIME``, ``HEADER`` or ``TEXT`` means.

    None where the part holds no message and so has no HEADER and no TEXT.
    """
    if what == "MIME":
        return Span(part.header_at, part.header_size)
    if what == "":
        return Span(part.body_at, part.body_size)
    inner = part.inner_header_size
    if inner is None:
        return None
    return Span(part.body_at, inner) if what == "HEADER" else Span(part.body_at + inner, part.body_size - inner)
