"""The words and tags of an HTML page, told apart as browsers do (HTML §13.2.5), in time proportional to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hourpost.rules.mail.html_text import decode_attribute

MAX_ATTRIBUTES = 50

RAW = frozenset(("script", "style", "title", "textarea", "iframe", "noframes", "noscript"))
"""Elements whose content is no HTML."""
# Each alternative takes all the rest where its end is missing, or every "<" would look for it again
_TOKEN = re.compile(r"<!--(?:.*?-->|.*)|<(/?)([A-Za-z][^ \t\n\f\r/>]*+)|<[!?/][^>]*+>?", re.DOTALL)
# A quote begins a value directly behind "=" alone; elsewhere it belongs to a name
_ATTRIBUTE = re.compile(
    r"""[ \t\n\f\r/]*+([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"""
    r"""(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:"([^"]*+)(?:"|(\Z))|'([^']*+)(?:'|(\Z))|([^ \t\n\f\r>]*+)))?"""
)
_TAG_END = re.compile(r"[ \t\n\f\r/]*+>?")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag. Names are in small letters; values are decoded, and of an attribute told twice the first one counts."""

    name: str
    is_end: bool
    attributes: dict[str, str]


def read_tags(page: str) -> Iterator[str | Tag]:
    """The tags of a page and the words between them, not yet decoded.

    Comments are passed over, and so is what stands in elements whose content is no HTML: scripts, styles and the like.
    """
    at = 0
    while (found := _TOKEN.search(page, at)) is not None:
        if found.start() > at:
            yield page[at : found.start()]
        at = found.end()
        if found[2] is None:
            continue
        attributes, at = _read_attributes(page, at)
        if attributes is None:
            continue
        tag = Tag(found[2].lower(), bool(found[1]), attributes)
        yield tag
        if tag.name in RAW and not tag.is_end:
            at = _find_end(page, tag.name, at)
    if at < len(page):
        yield page[at:]


def _read_attributes(page: str, at: int) -> tuple[dict[str, str] | None, int]:
    """The attributes from ``at`` on and where their tag ends; None for a tag that no browser would see.

    That is one with a quote that is never closed: it takes all the rest of the page.
    """
    attributes: dict[str, str] = {}
    while (found := _ATTRIBUTE.match(page, at)) is not None:
        at = found.end()
        if found[3] is not None or found[5] is not None:
            return None, at
        if len(attributes) < MAX_ATTRIBUTES:
            attributes.setdefault(found[1].lower(), decode_attribute(found[2] or found[4] or found[6] or ""))
    end = _TAG_END.match(page, at)
    return attributes, end.end() if end else at


def _find_end(page: str, name: str, at: int) -> int:
    """Where the end tag begins."""
    found = re.compile(rf"</{name}[ \t\n\f\r/>]", re.IGNORECASE | re.ASCII).search(page, at)
    return len(page) if found is None else found.start()
