"""The words and tags of an HTML page, told apart as browsers do (HTML §13.2.5), in time proportional to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hourpost.rules.mail.html_text import decode_attribute

MAX_ATTRIBUTES = 50

RAW = frozenset(("script", "style", "title", "textarea", "iframe", "noframes"))
"""Elements whose content is no HTML."""
_FOREIGN = frozenset(("math", "svg"))
_NOT_FOREIGN_NAMES = (
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta"
    " nobr ol p pre ruby s small span strike strong sub sup table tt u ul var"
)
_NOT_FOREIGN = frozenset(_NOT_FOREIGN_NAMES.split())
_OF_HTML_FONT = frozenset(("color", "face", "size"))
# Each alternative takes all the rest where its end is missing, or every "<" would look for it again
_TOKEN = re.compile(r"<!--(?:-?>|.*?--!?>|.*)|<(/?)([A-Za-z][^ \t\n\f\r/>]*+)|<[!?/][^>]*+>?", re.DOTALL)
# A quote begins a value directly behind "=" alone; elsewhere it belongs to a name
_ATTRIBUTE = re.compile(
    r"""[ \t\n\f\r/]*+([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"""
    r"""(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:"([^"]*+)(?:"|(\Z))|'([^']*+)(?:'|(\Z))|([^ \t\n\f\r>]*+)))?"""
)
_TAG_END = re.compile(r"[ \t\n\f\r/]*+>?")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag. Names are in small letters; values are decoded, and of an attribute told twice the first one counts.

    ``closes_itself`` means something in drawings and formulas alone.
    """

    name: str
    is_end: bool
    attributes: dict[str, str]
    closes_itself: bool


def read_tags(page: str) -> Iterator[str | Tag]:
    """The tags of a page and the words between them, not yet decoded.

    Comments are passed over, and so is what stands in elements whose content is no HTML: scripts, styles, drawings.
    What stands in ``noscript`` is HTML, but nothing in it takes its end: with scripts or without, that is the same one.
    """
    foreign = _Foreign()
    at, end, is_within = 0, len(page), False
    while at < len(page):
        found = _TOKEN.search(page, at, end)
        if not foreign.name and (words := page[at : found.start() if found else end]):
            yield words
        if found is None:
            at, end, is_within = end, len(page), False
            continue
        tag, at = _read_tag(page, found, end) if found[2] else (None, found.end())
        if tag is None or foreign.has(tag):
            continue
        yield tag
        if tag.is_end:
            continue
        if tag.name in RAW:
            at = _find_end(page, tag.name, at, end)
        elif tag.name == "noscript" and not is_within:
            end, is_within = _find_end(page, tag.name, at, end), True


class _Foreign:
    """The drawing or formula in which the reader is. Tags of HTML end it where its end tag is missing."""

    def __init__(self) -> None:
        self.name = ""
        self._open: Counter[str] = Counter()

    def has(self, tag: Tag) -> bool:
        """Whether the tag is of a drawing or formula: it begins one, ends one or stands in it."""
        if not self.name and (tag.is_end or tag.name not in _FOREIGN):
            return False
        if (not self._open[tag.name]) if tag.is_end else _is_html(tag):
            self._leave()
            return False
        self.name = self.name or tag.name
        self._open[tag.name] += -1 if tag.is_end else not tag.closes_itself
        if not self._open[self.name]:
            self._leave()
        return True

    def _leave(self) -> None:
        self.name = ""
        self._open.clear()


def _is_html(tag: Tag) -> bool:
    return tag.name in _NOT_FOREIGN or (tag.name == "font" and not _OF_HTML_FONT.isdisjoint(tag.attributes))


def _read_tag(page: str, begun: re.Match[str], end: int) -> tuple[Tag | None, int]:
    """The tag whose name was found, and where it ends; None for one that no browser would see.

    That is one with a quote that is never closed: it takes all the rest of the page.
    """
    at = begun.end()
    attributes: dict[str, str] = {}
    while (found := _ATTRIBUTE.match(page, at, end)) is not None:
        at = found.end()
        if found[3] is not None or found[5] is not None:
            return None, at
        if len(attributes) < MAX_ATTRIBUTES:
            attributes.setdefault(found[1].lower(), decode_attribute(found[2] or found[4] or found[6] or ""))
    closing = _TAG_END.match(page, at, end)
    rest = closing[0] if closing else ""
    return Tag(begun[2].lower(), bool(begun[1]), attributes, rest.endswith("/>")), at + len(rest)


def _find_end(page: str, name: str, at: int, end: int) -> int:
    """Where the end tag begins, before ``end``."""
    found = re.compile(rf"</{name}[ \t\n\f\r/>]", re.IGNORECASE | re.ASCII).search(page, at, end)
    return end if found is None else found.start()
