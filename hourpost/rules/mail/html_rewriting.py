"""HTML of strangers written anew as plain, well-formed HTML, in time and size proportional to what came.

A real HTML parser takes time by the square for nesting, and makes elements by the product for formatting that is not
closed: what it is given here has neither. Nothing of the original stands in what comes out but words and values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from html import escape

from hourpost.rules.mail.html_tags import RAW, Tag, read_tags
from hourpost.rules.mail.html_text import decode_entities

MAX_DEPTH = 200
MAX_FORMATTING = 30

VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u")
)  # fmt: skip

Keep = Callable[[str, str, str], str | None]
"""Given element, attribute and value: the value to write, or None for none."""


class Rewriter:
    """Writes pages anew with ``tags`` alone; what stands in ``emptied`` ones goes with them."""

    def __init__(self, tags: Set[str], emptied: Set[str], keep: Keep) -> None:
        self._tags = tags
        self._emptied = emptied
        self._keep = keep
        self._open: list[str] = []
        self._formatting = 0

    def rewrite(self, page: str) -> str:
        """The page as it may be parsed."""
        pieces = list(self._pieces(page))
        pieces += [f"</{name}>" for name in reversed(self._open)]
        return "".join(pieces)

    def _pieces(self, page: str) -> Iterator[str]:
        silent = ""
        for token in read_tags(page):
            if silent:
                silent = "" if isinstance(token, Tag) and token.is_end and token.name == silent else silent
            elif isinstance(token, str):
                yield _words(token)
            elif token.name in self._emptied:
                silent = "" if token.is_end or token.name in RAW else token.name
            elif token.name in self._tags:
                yield from self._close(token.name) if token.is_end else self._start(token.name, token.attributes)

    def _start(self, name: str, attributes: Mapping[str, str]) -> Iterator[str]:
        if name == "p" and self._open[-1:] == ["p"]:
            yield from self._close("p")
        is_formatting = name in _FORMATTING
        if name not in VOID:
            if len(self._open) >= MAX_DEPTH or (is_formatting and self._formatting >= MAX_FORMATTING):
                return
            self._open.append(name)
            self._formatting += is_formatting
        yield f"<{name}{''.join(self._attributes(name, attributes))}>"

    def _close(self, name: str) -> Iterator[str]:
        if name not in self._open:
            return
        while True:
            last = self._open.pop()
            self._formatting -= last in _FORMATTING
            yield f"</{last}>"
            if last == name:
                return

    def _attributes(self, element: str, attributes: Mapping[str, str]) -> Iterator[str]:
        for name, told in attributes.items():
            value = self._keep(element, name, told)
            if value is not None:
                yield f' {name}="{escape(value)}"'


def _words(text: str) -> str:
    """Text as text: its entities once decoded, and nothing in it a tag."""
    return escape(decode_entities(text), quote=False) if "&" in text or "<" in text or ">" in text else text
