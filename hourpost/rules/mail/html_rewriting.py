"""HTML of strangers written anew as plain, well-formed HTML, in time and size proportional to what came.

A real HTML parser takes time by the square for nesting, and makes elements by the product for formatting that is not
closed: what it is given here has neither. Nothing of the original stands in what comes out but words and values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from html import escape

from hourpost.rules.mail.html_elements import OpenElements
from hourpost.rules.mail.html_tags import RAW, Tag, read_tags
from hourpost.rules.mail.html_text import decode_entities

_REOPENED_ANYWAY = 64 * 1024

Keep = Callable[[str, str, str], str | None]
"""Given element, attribute and value: the value to write, or None for none."""


class Rewriter:
    """Writes pages anew with ``tags`` alone; what stands in ``emptied`` ones goes with them."""

    def __init__(self, tags: Set[str], emptied: Set[str], keep: Keep) -> None:
        self._tags = tags
        self._emptied = emptied
        self._keep = keep

    def rewrite(self, page: str) -> str:
        """The page as it may be parsed."""
        return "".join(self._pieces(page))

    def _pieces(self, page: str) -> Iterator[str]:
        elements = OpenElements(len(page) + _REOPENED_ANYWAY)
        silent = ""
        for token in read_tags(page):
            if silent:
                silent = "" if isinstance(token, Tag) and token.is_end and token.name == silent else silent
            elif isinstance(token, str):
                yield from elements.add_words(_words(token))
            elif token.name in self._emptied:
                silent = "" if token.is_end or token.name in RAW else token.name
            elif token.name in self._tags:
                yield from elements.end(token.name) if token.is_end else elements.start(token.name, self._write(token))
        yield from elements.end_all()

    def _write(self, tag: Tag) -> str:
        return f"<{tag.name}{''.join(self._attributes(tag.name, tag.attributes))}>"

    def _attributes(self, element: str, attributes: Mapping[str, str]) -> Iterator[str]:
        for name, told in attributes.items():
            value = self._keep(element, name, told)
            if value is not None:
                yield f' {name}="{escape(value)}"'


def _words(text: str) -> str:
    """Text as text: its entities once decoded, and nothing in it a tag."""
    return escape(decode_entities(text), quote=False) if "&" in text or "<" in text or ">" in text else text
