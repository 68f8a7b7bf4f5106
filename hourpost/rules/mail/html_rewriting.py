"""HTML of strangers written anew as plain, well-formed HTML, in time and size proportional to what came.

A real HTML parser takes time by the square for nesting, and makes elements by the product for formatting that is not
closed: what it is given here has neither. Nothing of the original stands in what comes out but words and values, and
however it ends, everything that was opened is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from html import escape

from hourpost.rules.mail.html_elements import WRITTEN_AS, OpenElements
from hourpost.rules.mail.html_tags import RAW, Tag, read_tags
from hourpost.rules.mail.html_text import decode_entities

_REOPENED_ANYWAY = 64 * 1024
_ADDED_TO_LINK = 64
_LINK = ("<a ", "<a>")
_TIMES = 8  # the same for a short page: a message may have hundreds of them

Keep = Callable[[str, Mapping[str, str]], Iterable[tuple[str, str]]]
"""Given an element and its attributes: those to write."""


class Rewriter:
    """Writes pages anew with ``tags`` alone; what stands in ``emptied`` ones goes with them.

    Where ``body`` is among them, it is a ``div`` if anything is to be written of its attributes. About ``most_written``
    characters are written, with what is added to each link; where that is not all, the rest of the page ``is_cut``.
    """

    def __init__(self, tags: Set[str], emptied: Set[str], keep: Keep, most_written: int) -> None:
        self._tags = tags
        self._emptied = emptied
        self._keep = keep
        self._most_written = most_written
        self.is_cut = False

    def rewrite(self, page: str) -> str:
        """The page as it may be parsed."""
        elements = OpenElements(len(page) + min(_REOPENED_ANYWAY, _TIMES * len(page)))
        pieces, left = [], self._most_written
        for piece in self._pieces(page, elements):
            pieces.append(piece)  # what stands open has changed with it already
            left -= len(piece) + (_ADDED_TO_LINK if piece.startswith(_LINK) else 0)
            if left < 0:
                self.is_cut = True
                break
        return "".join([*pieces, *elements.end_all()])

    def _pieces(self, page: str, elements: OpenElements) -> Iterator[str]:
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
        kept = [f' {name}="{escape(value)}"' for name, value in self._keep(tag.name, tag.attributes)]
        return f"<{WRITTEN_AS.get(tag.name, tag.name)}{''.join(kept)}>"


def _words(text: str) -> str:
    """Text as text: its entities once decoded, and nothing in it a tag."""
    return escape(decode_entities(text), quote=False) if "&" in text or "<" in text or ">" in text else text
