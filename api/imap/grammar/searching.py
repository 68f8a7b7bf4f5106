"""SEARCH, SORT and THREAD: keys to values, by a stack instead of recursion (RFC 9051 §6.4.4, RFC 5256, RFC 4731)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from api.imap.grammar.access import read_words
from api.imap.grammar.reader import BadCommand, Reader
from api.imap.grammar.sets import read_set
from api.imap.limits import MAX_LISTED
from hourpost.rules.mail.search_keys import (
    All,
    ChangedSince,
    HasEmailId,
    HasFlag,
    HasThreadId,
    InBody,
    InHeader,
    InNumbers,
    InSaved,
    InText,
    InUids,
    IsRecent,
    Key,
    LargerThan,
    Moment,
    OnDay,
    Relation,
    SmallerThan,
    Within,
    both,
    either,
    negate,
)
from hourpost.rules.mail.sorting import Criterion, SortBy

_RETURNED = frozenset(("MIN", "MAX", "ALL", "COUNT", "SAVE"))
_SORTED_BY = frozenset(one.value for one in SortBy)
_CHARSETS = {"US-ASCII": "ascii", "ASCII": "ascii", "UTF-8": "utf-8"}


class BadCharset(BadCommand):
    """A charset that we do not know; a search that would have saved leaves nothing saved (RFC 5182 §2.1)."""

    answer = "NO [BADCHARSET (US-ASCII UTF-8)]"

    def __init__(self, returned: frozenset[str] | None) -> None:
        super().__init__("texts to look for are in US-ASCII or UTF-8")
        self.forgets = returned is not None and "SAVE" in returned


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH. ``returned`` is None without RETURN: then the answer is the old list."""

    key: Key
    returned: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT by several keys, each with whether it goes backwards."""

    key: Key
    order: tuple[Criterion, ...]
    returned: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD by an algorithm: ORDEREDSUBJECT or REFERENCES."""

    key: Key
    algorithm: str


def read_search(reader: Reader) -> Search:
    """SEARCH [RETURN (…)] [CHARSET name] keys."""
    returned = _read_returned(reader)
    charset = "utf-8"
    if reader.takes(b" CHARSET "):
        if not reader.takes_charset:
            raise BadCommand("UTF8=ACCEPT is enabled: texts are in UTF-8, and no charset is named")  # RFC 6855 §3
        charset = _read_charset(reader, returned)
    return Search(_read_keys(reader, charset), returned)


def read_sort(reader: Reader) -> Sort:
    """SORT [RETURN (…)] (criteria) charset keys."""
    returned = _read_returned(reader)
    reader.space()
    start, words = reader.at, read_words(reader)
    order: list[Criterion] = []
    is_reverse = False
    for word in words:
        if word == "REVERSE" and not is_reverse:
            is_reverse = True
            continue
        if word not in _SORTED_BY:
            reader.at = start
            reader.fail("sort criteria")
        order.append(Criterion(SortBy(word), is_reverse))
        is_reverse = False
    if not order or is_reverse:
        reader.at = start
        reader.fail("sort criteria")
    reader.space()
    return Sort(_read_keys(reader, _read_charset(reader, returned)), tuple(order), returned)


def read_thread(reader: Reader) -> Thread:
    """THREAD algorithm charset keys."""
    reader.space()
    start, algorithm = reader.at, reader.word()
    if algorithm not in ("ORDEREDSUBJECT", "REFERENCES"):
        reader.at = start
        reader.fail("ORDEREDSUBJECT or REFERENCES")
    reader.space()
    return Thread(_read_keys(reader, _read_charset(reader)), algorithm)


def _read_returned(reader: Reader) -> frozenset[str] | None:
    if not reader.takes(b" RETURN "):
        return None
    names = frozenset(read_words(reader))
    if names - _RETURNED:
        reader.fail("MIN, MAX, ALL, COUNT or SAVE")
    return names or frozenset(("ALL",))


def _read_charset(reader: Reader, returned: frozenset[str] | None = None) -> str:
    name = reader.astring().upper().decode("ascii", "replace")
    charset = _CHARSETS.get(name)
    if charset is None:
        raise BadCharset(returned)
    return charset


# keys

_OPEN, _NOT, _OR, _OR_SECOND = object(), object(), object(), object()


class _Stack:
    """What has been read of a nested key: markers of what is open, and the keys that have been found inside."""

    def __init__(self) -> None:
        self._marks: list[object] = [_OPEN]
        self._lists: list[list[Key]] = [[]]
        self._lefts: list[Key] = []

    @property
    def depth(self) -> int:
        return len(self._marks)

    @property
    def wants_key(self) -> bool:
        """Whether a key has to follow."""
        return self._marks[-1] is not _OPEN or not self._lists[-1]

    @property
    def is_nested(self) -> bool:
        return self._marks[-1] is _OPEN and len(self._lists) > 1

    def open(self, mark: object) -> None:
        self._marks.append(mark)
        if mark is _OPEN:
            self._lists.append([])

    def close(self) -> None:
        """End a list in parentheses, which is a key itself."""
        self._marks.pop()
        self.add(both(self._lists.pop()))

    def add(self, key: Key) -> None:
        """A whole key: it ends a NOT before it, and is one half of an OR."""
        while True:
            mark = self._marks[-1]
            if mark is _NOT:
                self._marks.pop()
                key = negate(key)
            elif mark is _OR:
                self._marks[-1] = _OR_SECOND
                self._lefts.append(key)
                return
            elif mark is _OR_SECOND:
                self._marks.pop()
                key = either(self._lefts.pop(), key)
            else:
                self._lists[-1].append(key)
                return

    def finish(self) -> Key:
        return both(self._lists[0])


def _read_keys(reader: Reader, charset: str) -> Key:
    stack, count = _Stack(), 0
    reader.space()
    while True:
        if reader.takes(b"("):
            stack.open(_OPEN)
        elif reader.takes(b"NOT "):
            stack.open(_NOT)
        elif reader.takes(b"OR "):
            stack.open(_OR)
        else:
            stack.add(_read_key(reader, charset))
            while stack.is_nested and not stack.wants_key and reader.takes(b")"):
                stack.close()
            if not stack.wants_key and not stack.is_nested and reader.is_at_end:
                return stack.finish()
            reader.space()
        count += 1
        if stack.depth > reader.max_depth * 4 or count > MAX_LISTED:
            reader.fail("a simpler search")


def _read_key(reader: Reader, charset: str) -> Key:
    if reader.takes(b"$"):
        return InSaved()
    if reader.text[reader.at : reader.at + 1].isdigit() or reader.sees(b"*"):
        return InNumbers(read_set(reader))
    start, word = reader.at, reader.word()
    simple = _SIMPLE.get(word)
    if simple is not None:
        return simple
    read = _WITH_ARGUMENT.get(word)
    if read is not None:
        reader.space()
        return read(reader, charset)
    reader.at = start
    reader.fail("a search key")


def _text(reader: Reader, charset: str) -> str:
    try:
        return reader.astring().decode(charset)
    except UnicodeDecodeError:
        raise BadCommand(f"the text to look for is not in {charset}") from None


def _read_header(reader: Reader, charset: str) -> Key:
    field = reader.astring().decode("ascii", "replace")
    reader.space()
    return InHeader(field, _text(reader, charset))


def _read_modseq(reader: Reader, charset: str) -> Key:
    if reader.sees(b'"'):  # a flag whose own MODSEQ we do not keep (RFC 7162 §3.1.5 lets us take the message's)
        reader.string()
        reader.space()
        reader.word()
        reader.space()
    return ChangedSince(reader.modseq())


def _day(moment: Moment, relation: Relation) -> Callable[[Reader, str], Key]:
    return lambda reader, charset: OnDay(moment, relation, reader.date())


def _in_field(name: str) -> Callable[[Reader, str], Key]:
    return lambda reader, charset: InHeader(name, _text(reader, charset))


_SIMPLE: dict[str, Key] = {
    "ALL": All(),
    "ANSWERED": HasFlag("\\Answered"),
    "DELETED": HasFlag("\\Deleted"),
    "DRAFT": HasFlag("\\Draft"),
    "FLAGGED": HasFlag("\\Flagged"),
    "SEEN": HasFlag("\\Seen"),
    "UNANSWERED": negate(HasFlag("\\Answered")),
    "UNDELETED": negate(HasFlag("\\Deleted")),
    "UNDRAFT": negate(HasFlag("\\Draft")),
    "UNFLAGGED": negate(HasFlag("\\Flagged")),
    "UNSEEN": negate(HasFlag("\\Seen")),
    "RECENT": IsRecent(),
    "OLD": negate(IsRecent()),
    "NEW": both((IsRecent(), negate(HasFlag("\\Seen")))),
    "SAVEDATESUPPORTED": All(),
}
_WITH_ARGUMENT: dict[str, Callable[[Reader, str], Key]] = {
    "BCC": _in_field("bcc"),
    "CC": _in_field("cc"),
    "FROM": _in_field("from"),
    "TO": _in_field("to"),
    "SUBJECT": _in_field("subject"),
    "BODY": lambda reader, charset: InBody(_text(reader, charset)),
    "TEXT": lambda reader, charset: InText(_text(reader, charset)),
    "HEADER": _read_header,
    "KEYWORD": lambda reader, charset: HasFlag(reader.flag()),
    "UNKEYWORD": lambda reader, charset: negate(HasFlag(reader.flag())),
    "LARGER": lambda reader, charset: LargerThan(reader.modseq()),
    "SMALLER": lambda reader, charset: SmallerThan(reader.modseq()),
    "UID": lambda reader, charset: InSaved() if reader.takes(b"$") else InUids(read_set(reader)),
    "BEFORE": _day(Moment.RECEIVED, Relation.BEFORE),
    "ON": _day(Moment.RECEIVED, Relation.ON),
    "SINCE": _day(Moment.RECEIVED, Relation.SINCE),
    "SENTBEFORE": _day(Moment.SENT, Relation.BEFORE),
    "SENTON": _day(Moment.SENT, Relation.ON),
    "SENTSINCE": _day(Moment.SENT, Relation.SINCE),
    "SAVEDBEFORE": _day(Moment.SAVED, Relation.BEFORE),
    "SAVEDON": _day(Moment.SAVED, Relation.ON),
    "SAVEDSINCE": _day(Moment.SAVED, Relation.SINCE),
    "OLDER": lambda reader, charset: Within(reader.number(least=1), is_younger=False),
    "YOUNGER": lambda reader, charset: Within(reader.number(least=1), is_younger=True),
    "MODSEQ": _read_modseq,
    "EMAILID": lambda reader, charset: HasEmailId(reader.atom().decode("ascii")),
    "THREADID": lambda reader, charset: HasThreadId(reader.atom().decode("ascii")),
}
