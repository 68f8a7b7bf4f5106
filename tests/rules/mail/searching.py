"""Whether a message is what a search looks for, by plain comparison: what the SQL of SEARCH is held against."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from hourpost.rules.mail.folding import fold
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


class Searched(Protocol):
    """A message as a search sees it; what ``find_needs`` does not ask for is never touched."""

    @property
    def number(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def modseq(self) -> int: ...
    @property
    def flag_names(self) -> Set[str]: ...
    @property
    def is_recent(self) -> bool: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def saved_at(self) -> datetime: ...
    @property
    def sent_on(self) -> date | None: ...
    @property
    def search_header(self) -> str: ...
    @property
    def search_text(self) -> str: ...
    @property
    def email_id(self) -> str: ...
    @property
    def thread_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search means besides its keys: the largest numbers there are, now, and what ``$`` holds."""

    last_number: int
    last_uid: int
    now: datetime
    saved_uids: Set[int] = field(default_factory=frozenset)


Test = Callable[[Searched], bool]
_RELATIONS: dict[Relation, Callable[[date, date], bool]] = {
    Relation.BEFORE: operator.lt,
    Relation.ON: operator.eq,
    Relation.SINCE: operator.ge,
}


def make_test(key: Key, scope: Scope) -> Test:
    """A function that says of one message whether it matches."""
    if isinstance(key, Not):
        inner = make_test(key.key, scope)
        return lambda message: not inner(message)
    if isinstance(key, AllOf | AnyOf):
        # What costs nothing is asked first
        tests = [make_test(part, scope) for part in sorted(key.keys, key=_cost)]
        if isinstance(key, AllOf):
            return lambda message: all(test(message) for test in tests)
        return lambda message: any(test(message) for test in tests)
    return _MAKERS[type(key)](key, scope)


def _cost(key: Key) -> int:
    return 2 if isinstance(key, InBody | InText) else 1 if isinstance(key, InHeader | AllOf | AnyOf | Not) else 0


def _make_all(_key: All, _scope: Scope) -> Test:
    return lambda _message: True


def _make_in_numbers(key: InNumbers, scope: Scope) -> Test:
    ranges = key.numbers.resolve(scope.last_number)
    return lambda message: is_in(ranges, message.number)


def _make_in_uids(key: InUids, scope: Scope) -> Test:
    ranges = key.uids.resolve(scope.last_uid)
    return lambda message: is_in(ranges, message.uid)


def _make_in_saved(_key: InSaved, scope: Scope) -> Test:
    return lambda message: message.uid in scope.saved_uids


def _make_has_flag(key: HasFlag, _scope: Scope) -> Test:
    name = key.name.lower()
    return lambda message: name in message.flag_names


def _make_is_recent(_key: IsRecent, _scope: Scope) -> Test:
    return lambda message: message.is_recent


def _make_on_day(key: OnDay, _scope: Scope) -> Test:
    compare, day = _RELATIONS[key.relation], key.day
    if key.moment is Moment.SENT:
        return lambda message: message.sent_on is not None and compare(message.sent_on, day)
    if key.moment is Moment.SAVED:
        return lambda message: compare(message.saved_at.astimezone(UTC).date(), day)
    return lambda message: compare(message.received_at.astimezone(UTC).date(), day)


def _make_within(key: Within, scope: Scope) -> Test:
    try:
        edge = scope.now - timedelta(seconds=key.seconds)
    except OverflowError:  # before the year 1
        return lambda _message: key.is_younger
    if key.is_younger:
        return lambda message: message.received_at >= edge
    return lambda message: message.received_at <= edge


def _make_larger(key: LargerThan, _scope: Scope) -> Test:
    return lambda message: message.size_bytes > key.size_bytes


def _make_smaller(key: SmallerThan, _scope: Scope) -> Test:
    return lambda message: message.size_bytes < key.size_bytes


def _make_in_header(key: InHeader, _scope: Scope) -> Test:
    text = fold(key.text)
    pattern = re.compile(rf"(?m)^{re.escape(key.field.lower())}[ \t]*:(.*)$")
    return lambda message: any(text in match[1] for match in pattern.finditer(message.search_header))


def _make_in_body(key: InBody, _scope: Scope) -> Test:
    text = fold(key.text)
    return lambda message: text in message.search_text


def _make_in_text(key: InText, _scope: Scope) -> Test:
    text = fold(key.text)
    return lambda message: text in message.search_header or text in message.search_text


def _make_changed_since(key: ChangedSince, _scope: Scope) -> Test:
    return lambda message: message.modseq >= key.modseq


def _make_has_email_id(key: HasEmailId, _scope: Scope) -> Test:
    return lambda message: message.email_id == key.email_id


def _make_has_thread_id(key: HasThreadId, _scope: Scope) -> Test:
    return lambda message: message.thread_id == key.thread_id


def is_in(ranges: Sequence[tuple[int, int]], number: int) -> bool:
    """Whether a number is in one of the ranges."""
    return any(first <= number <= last for first, last in ranges)


_MAKERS: dict[type[Leaf], Callable[..., Test]] = {
    All: _make_all,
    InNumbers: _make_in_numbers,
    InUids: _make_in_uids,
    InSaved: _make_in_saved,
    HasFlag: _make_has_flag,
    IsRecent: _make_is_recent,
    OnDay: _make_on_day,
    Within: _make_within,
    LargerThan: _make_larger,
    SmallerThan: _make_smaller,
    InHeader: _make_in_header,
    InBody: _make_in_body,
    InText: _make_in_text,
    ChangedSince: _make_changed_since,
    HasEmailId: _make_has_email_id,
    HasThreadId: _make_has_thread_id,
}
