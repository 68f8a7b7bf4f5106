"""What stands open while HTML is written anew: which elements a tag ends though it does not say so (HTML §13.2.6).

Rows, items and paragraphs end where the next one begins. An end tag ends nothing outside of its table cell. Formatting
that a block broke off goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

MAX_DEPTH = 200
MAX_FORMATTING = 30

VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u")
)  # fmt: skip
WRITTEN_AS = {"body": "div"}
"""Elements that are written as others: a page that is shown within another has no body."""
_MOST_ALIKE = 3
_CELLS = frozenset(("caption", "td", "th"))
_LIMITS = _CELLS | {"table"}
_SECTIONS = frozenset(("tbody", "tfoot", "thead"))
_BETWEEN_CELLS = frozenset(("colgroup", "table", "tr")) | _SECTIONS
_PLACES = {
    "caption": frozenset(("table",)),
    "col": frozenset(("colgroup", "table")),
    "colgroup": frozenset(("table",)),
    "tbody": frozenset(("table",)),
    "td": frozenset(("tr", "table")) | _SECTIONS,
    "tfoot": frozenset(("table",)),
    "th": frozenset(("tr", "table")) | _SECTIONS,
    "thead": frozenset(("table",)),
    "tr": frozenset(("table",)) | _SECTIONS,
}
"""The parts of a table, and within which of its parts each may stand."""
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCKS_NAMES = (
    "address article aside blockquote body center dd details div dl dt figcaption figure footer header hgroup hr li"
    " main nav ol p pre section summary table ul"
)
_BLOCKS = frozenset(_BLOCKS_NAMES.split()) | _HEADINGS
_SPECIAL = _BLOCKS | _PLACES.keys()

Search = tuple[Set[str], Set[str]]
"""Names of which the nearest open element is looked for, and names of elements that are not looked through."""
_P: Search = ({"p"}, _LIMITS)
_NOT_THROUGH = _SPECIAL - {"address", "div", "p"}
_ENDED_BY_START: dict[str, Search] = {
    "a": ({"a"}, _SPECIAL),
    "dd": ({"dd", "dt"}, _NOT_THROUGH),
    "dt": ({"dd", "dt"}, _NOT_THROUGH),
    "li": ({"li"}, _NOT_THROUGH),
    "rp": ({"rp", "rt"}, _SPECIAL | {"ruby"}),
    "rt": ({"rp", "rt"}, _SPECIAL | {"ruby"}),
    "table": ({"table"}, _CELLS),
}


class OpenElements:
    """The open elements of a page; its methods give what is to be written.

    ``most_reopened`` is how many characters of tags may be written once more, for formatting that goes on.
    """

    def __init__(self, most_reopened: int) -> None:
        self._names: list[str] = []
        self._tags: list[str] = []
        self._broken: list[list[tuple[str, str]]] = [[]]  # formatting to go on, for each open cell and outside of all
        self._formatting = 0
        self._left = most_reopened

    def add_words(self, words: str) -> Iterator[str]:
        """Text, already written as HTML."""
        if words.strip():
            yield from self._reopen()
        yield words

    def start(self, name: str, tag: str) -> Iterator[str]:
        """An element begins, whose start tag is written ``tag``."""
        if name in _PLACES:
            yield from self._start_in_table(name, tag)
            return
        if name == "body" and (tag == "<div>" or (self._names and self._names[-1] in _BETWEEN_CELLS)):
            return
        if name == "a":
            self._forget(name)
        if name in _ENDED_BY_START:
            yield from self._close(_ENDED_BY_START[name])
        if name in _BLOCKS:
            yield from self._close(_P)
            if name in _HEADINGS and self._names[-1:] and self._names[-1] in _HEADINGS:
                yield self._pop()
        else:
            yield from self._reopen()
        yield from self._push(name, tag)

    def end(self, name: str) -> Iterator[str]:
        """An end tag: without an element that it may end it is none, but ``</br>`` and ``</p>`` break lines."""
        if name == "body":  # what comes behind is in it nevertheless
            return
        if name == "br" or (name == "p" and self._find(_P) is None):
            yield from self.start(name, f"<{name}>")
        if name in _FORMATTING:
            if not self._forget(name):
                yield from self._close(({name}, _LIMITS), goes_on=False)
        else:
            yield from self._close(_ended_by(name))

    def end_all(self) -> Iterator[str]:
        """The page ends."""
        yield from self._cut(0)

    def _start_in_table(self, name: str, tag: str) -> Iterator[str]:
        place = self._find((_PLACES[name], frozenset()))
        if place is None:
            return
        yield from self._cut(place + 1)
        if name in ("td", "th", "tr") and self._names[-1] == "table":
            yield from self._push("tbody", "<tbody>")
        if name in ("td", "th") and self._names[-1] != "tr":
            yield from self._push("tr", "<tr>")
        yield from self._push(name, tag)

    def _find(self, search: Search) -> int | None:
        wanted, limits = search
        if wanted.isdisjoint(self._names):
            return None
        for at in range(len(self._names) - 1, -1, -1):
            if self._names[at] in wanted:
                return at
            if self._names[at] in limits:
                return None
        return None

    def _close(self, search: Search, *, goes_on: bool = True) -> Iterator[str]:
        """Ends what is found and all within; formatting within ``goes_on``."""
        at = self._find(search)
        if at is not None:
            yield from self._cut(at + 1, goes_on=goes_on)
            yield self._pop()

    def _cut(self, length: int, *, goes_on: bool = True) -> Iterator[str]:
        """Ends all but the outermost ``length`` elements."""
        broken: list[tuple[str, str]] = []
        while len(self._names) > length:
            name, tag = self._names[-1], self._tags[-1]
            if name in _CELLS:
                broken.clear()
            elif name in _FORMATTING:
                broken.append((name, tag))
            yield self._pop()
        if goes_on:
            for one in reversed(broken):
                if self._broken[-1].count(one) < _MOST_ALIKE:
                    self._broken[-1].append(one)
            del self._broken[-1][:-MAX_FORMATTING]  # no more can be open

    def _pop(self) -> str:
        name = self._names.pop()
        self._tags.pop()
        self._formatting -= name in _FORMATTING
        if name in _CELLS:
            self._broken.pop()
        return f"</{WRITTEN_AS.get(name, name)}>"

    def _push(self, name: str, tag: str) -> Iterator[str]:
        if name not in VOID:
            is_formatting = name in _FORMATTING
            if len(self._names) >= MAX_DEPTH or (is_formatting and self._formatting >= MAX_FORMATTING):
                return
            self._names.append(name)
            self._tags.append(tag)
            self._formatting += is_formatting
            if name in _CELLS:
                self._broken.append([])
        yield tag

    def _reopen(self) -> Iterator[str]:
        if not self._broken[-1] or (self._names and self._names[-1] in _BETWEEN_CELLS):
            return
        broken, self._broken[-1] = self._broken[-1], []
        for name, tag in broken:
            if len(tag) <= self._left:
                self._left -= len(tag)
                yield from self._push(name, tag)

    def _forget(self, name: str) -> bool:
        """Whether formatting of this name was broken off; it does not go on."""
        broken = self._broken[-1]
        at = next((at for at in range(len(broken) - 1, -1, -1) if broken[at][0] == name), None)
        if at is not None:
            del broken[at]
        return at is not None


def _ended_by(name: str) -> Search:
    """What the end tag of an element that is no formatting ends."""
    if name in _HEADINGS:
        return _HEADINGS, _LIMITS
    if name == "li":
        return {"li"}, _LIMITS | {"ol", "ul"}
    if name in _PLACES:
        return {name}, frozenset(("table",))
    if name == "table":
        return {name}, frozenset()
    return {name}, _LIMITS if name in _SPECIAL else _SPECIAL
