"""The keys of a SEARCH as SQL: what a client wrote is only ever a parameter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from hourpost.mailboxes.uid_ranges import LAST_UID, UidRanges, normalise_ranges
from hourpost.rules.mail.folding import fold, storable
from hourpost.rules.mail.search_keys import (
    All,
    AllOf,
    AnyOf,
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
    Leaf,
    Moment,
    Not,
    OnDay,
    Relation,
    SmallerThan,
    Within,
)
from hourpost.rules.mail.sets import SequenceSet
from hourpost.rules.mail_flags import find_flag


def _no_numbers(_numbers: SequenceSet) -> UidRanges:
    return ()


@dataclass(frozen=True, slots=True)
class SearchScope:
    r"""What a search means besides its keys.

    ``ranges_of`` turns message numbers of the session into UIDs, ``recent_uids`` are its \Recent ones, ``saved_uids``
    what ``$`` holds, ``keywords`` the numbers of the mailbox's keywords by their names in lower case.
    """

    now: datetime
    last_uid: int = LAST_UID
    ranges_of: Callable[[SequenceSet], UidRanges] = _no_numbers
    recent_uids: UidRanges = ()
    saved_uids: UidRanges = ()
    keywords: Mapping[str, int] = field(default_factory=dict)


_RELATIONS = {Relation.BEFORE: "<", Relation.ON: "=", Relation.SINCE: ">="}
_DAYS = {
    Moment.RECEIVED: "CAST(m.received_at AT TIME ZONE 'UTC' AS date)",
    Moment.SAVED: "CAST(m.saved_at AT TIME ZONE 'UTC' AS date)",
    Moment.SENT: "c.sent_on",
}
_LIKE = re.compile(r"([\\%_])")
_REGEX = re.compile(r"([^\w\s]|_)", re.ASCII)


class Conditions:
    """Writes conditions on ``m`` (messages), ``t`` (texts), ``c`` (contents); gathers ``values``, the folder first."""

    def __init__(self, scope: SearchScope, folder_id: UUID) -> None:
        self._scope = scope
        self.values: list[Any] = [folder_id]

    def write(self, key: Key) -> str:
        """The condition of ``key``: true or false, never NULL."""
        if isinstance(key, Not):
            return f"NOT {self.write(key.key)}"
        if isinstance(key, AllOf | AnyOf):
            return self._join(key)
        return f"({self._WRITERS[type(key)](self, key)})"

    def _join(self, key: AllOf | AnyOf) -> str:
        if not key.keys:
            return "true" if isinstance(key, AllOf) else "false"
        word = " AND " if isinstance(key, AllOf) else " OR "
        return f"({word.join(map(self.write, sorted(key.keys, key=_cost)))})"

    def _value(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"CAST(${len(self.values)} AS {kind})"

    def _in_ranges(self, ranges: UidRanges) -> str:
        pairs = normalise_ranges(ranges)
        if not pairs:
            return "false"
        firsts, lasts = [first for first, _ in pairs], [last for _, last in pairs]
        if len(pairs) == 1:
            return f"m.uid BETWEEN {self._value(firsts[0], 'int')} AND {self._value(lasts[0], 'int')}"
        if firsts == lasts:
            return f"m.uid = ANY({self._value(firsts, 'int[]')})"
        table = f"unnest({self._value(firsts, 'int[]')}, {self._value(lasts, 'int[]')}) AS r(first, last)"
        return f"EXISTS (SELECT FROM {table} WHERE m.uid BETWEEN r.first AND r.last)"

    def _in_numbers(self, key: InNumbers) -> str:
        return self._in_ranges(self._scope.ranges_of(key.numbers))

    def _in_uids(self, key: InUids) -> str:
        return self._in_ranges(key.uids.resolve(self._scope.last_uid))

    def _in_saved(self, _key: InSaved) -> str:
        return self._in_ranges(self._scope.saved_uids)

    def _is_recent(self, _key: IsRecent) -> str:
        return self._in_ranges(self._scope.recent_uids)

    def _has_flag(self, key: HasFlag) -> str:
        flag = find_flag(key.name)
        if flag is not None:
            return f"m.flags & {int(flag)} <> 0"
        number = self._scope.keywords.get(key.name.lower())
        if number is None:
            return "false"
        return f"coalesce({self._value(number, 'smallint')} = ANY(m.keywords), false)"

    def _on_day(self, key: OnDay) -> str:
        return f"coalesce({_DAYS[key.moment]} {_RELATIONS[key.relation]} {self._value(key.day, 'date')}, false)"

    def _within(self, key: Within) -> str:
        try:
            edge = self._scope.now - timedelta(seconds=key.seconds)
        except OverflowError:  # before the year 1
            return "true" if key.is_younger else "false"
        return f"m.received_at {'>=' if key.is_younger else '<='} {self._value(edge, 'timestamptz')}"

    def _larger(self, key: LargerThan) -> str:
        return f"m.size_bytes > {self._value(min(key.size_bytes, 2**62), 'bigint')}"

    def _smaller(self, key: SmallerThan) -> str:
        return f"m.size_bytes < {self._value(min(key.size_bytes, 2**62), 'bigint')}"

    def _changed_since(self, key: ChangedSince) -> str:
        return f"m.modseq >= {self._value(min(key.modseq, 2**63 - 1), 'bigint')}"

    def _in_header(self, key: InHeader) -> str:
        """The line of the field holds the text; a plain look for the text goes first, which an index can answer."""
        text = storable(fold(key.text))
        pattern = f"(?n)^{_quote(storable(key.field.lower()))}[ \t]*:.*{_quote(text)}"
        line = f"t.header ~ {self._value(pattern, 'text')}"
        return f"{self._like('t.header', text)} AND {line}" if text else line

    def _in_body(self, key: InBody) -> str:
        return self._like("t.body", storable(fold(key.text)))

    def _in_text(self, key: InText) -> str:
        text = storable(fold(key.text))
        return f"{self._like('t.header', text)} OR {self._like('t.body', text)}"

    def _like(self, column: str, text: str) -> str:
        pattern = _LIKE.sub(r"\\\1", text)
        return f"{column} LIKE {self._value(f'%{pattern}%', 'text')}"

    def _has_email_id(self, key: HasEmailId) -> str:
        return self._has_id("m.content_id", "M", key.email_id)

    def _has_thread_id(self, key: HasThreadId) -> str:
        return self._has_id("m.thread_id", "T", key.thread_id)

    def _has_id(self, column: str, letter: str, text: str) -> str:
        try:
            wanted = UUID(hex=text.removeprefix(letter))
        except ValueError:
            return "false"
        return f"{column} = {self._value(wanted, 'uuid')}" if text == letter + wanted.hex else "false"

    def _all(self, _key: All) -> str:
        return "true"

    _WRITERS: ClassVar[Mapping[type[Leaf], Callable[[Conditions, Any], str]]] = {
        All: _all,
        InNumbers: _in_numbers,
        InUids: _in_uids,
        InSaved: _in_saved,
        HasFlag: _has_flag,
        IsRecent: _is_recent,
        OnDay: _on_day,
        Within: _within,
        LargerThan: _larger,
        SmallerThan: _smaller,
        InHeader: _in_header,
        InBody: _in_body,
        InText: _in_text,
        ChangedSince: _changed_since,
        HasEmailId: _has_email_id,
        HasThreadId: _has_thread_id,
    }


def _cost(key: Key) -> int:
    """What reads a row is written before what reads a text: PostgreSQL keeps the order of equals."""
    return 2 if isinstance(key, InBody | InText) else 1 if isinstance(key, InHeader | AllOf | AnyOf | Not) else 0


def _quote(text: str) -> str:
    """The text as a PostgreSQL regular expression that means only itself."""
    return _REGEX.sub(r"\\\1", text)
