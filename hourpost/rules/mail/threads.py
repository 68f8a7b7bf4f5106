"""THREAD (RFC 5256 §4): messages gathered by subject, or by who answers whom; lists in place of recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Protocol

from hourpost.rules.mail.sorting import Dated, date_of

# A walk up to look for a ring ends here, so that a thread made to be deep takes no time by the square
MAX_WALK = 1000
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Threadable(Dated, Protocol):
    """A message with what the scanner found of its relations."""

    @property
    def message_id(self) -> str | None: ...  # noqa: D102
    @property
    def in_reply_to(self) -> str | None: ...  # noqa: D102
    @property
    def references(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def base_subject(self) -> str: ...  # noqa: D102
    @property
    def is_reply(self) -> bool: ...  # noqa: D102


@dataclass(slots=True, eq=False)
class Thread:
    """A message and its answers; without a message it holds together what belongs to one that is not here."""

    row: Threadable | None = None
    children: list[Thread] = field(default_factory=list)
    parent: Thread | None = None  # as long as threads are made; the children follow from it
    answers: int = 0

    @property
    def first(self) -> Threadable | None:
        """The message that speaks for the thread: its own, or its first answer's."""
        if self.row is None and self.children:
            return self.children[0].row
        return self.row

    @property
    def order(self) -> tuple[datetime, int]:
        """By what siblings are sorted."""
        first = self.first
        return (_BEGINNING, 0) if first is None else (date_of(first), first.uid)


def thread_by_subject(rows: Iterable[Threadable]) -> list[Thread]:
    """ORDEREDSUBJECT: the first message of each base subject, with the others as its answers."""
    ordered = sorted(rows, key=lambda row: (row.base_subject, date_of(row), row.uid))
    threads = []
    for _, group in groupby(ordered, key=lambda row: row.base_subject):
        first, *others = group
        threads.append(Thread(first, children=[Thread(row) for row in others]))
    return sorted(threads, key=lambda thread: thread.order)


def thread_by_references(rows: Iterable[Threadable]) -> list[Thread]:
    """REFERENCES: each message below the one that it answers; what has one base subject is brought together."""
    tops = _prune(_link(sorted(rows, key=lambda row: row.uid)))
    for top in tops:
        if top.row is None:
            top.children.sort(key=lambda thread: thread.order)
    tops.sort(key=lambda thread: thread.order)
    tops = _gather_subjects(tops)
    _sort_all(tops)
    return sorted(tops, key=lambda thread: thread.order)


def write_threads(threads: Iterable[Thread], number_of: Callable[[int], int]) -> bytes:
    """The threads as THREAD answers, ``(3)(6 (7)(8 9))``, with the number for each UID."""
    written: list[str] = []
    waiting: list[Thread | str] = []
    for top in threads:
        waiting += (")", top, "(")
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                written.append(item)
            else:
                _write_members(item, number_of, written, waiting)
    return "".join(written).encode("ascii")


def _write_members(
    thread: Thread, number_of: Callable[[int], int], written: list[str], waiting: list[Thread | str]
) -> None:
    """One message after the other as long as each has one answer; more answers wait in their parentheses."""
    while True:
        if thread.row is not None:
            written.append(str(number_of(thread.row.uid)))
        if not thread.children:
            return
        if thread.row is not None:
            written.append(" ")
        if len(thread.children) > 1:
            for child in reversed(thread.children):
                waiting += (")", child, "(")
            return
        thread = thread.children[0]


def _link(rows: list[Threadable]) -> list[Thread]:
    """Step 1 and 2: every message, and every one that is only spoken of, below the one before it; those on top."""
    by_id: dict[str, Thread] = {}
    alone: list[Thread] = []
    for row in rows:
        thread = _place(row, by_id, alone)
        above: Thread | None = None
        for name in row.references or ((row.in_reply_to,) if row.in_reply_to else ()):
            here = by_id.setdefault(name, Thread())
            if above is not None and here.parent is None:
                _attach(here, above)
            above = here
        # What others only supposed gives way to what the message itself says, also when that is nothing
        if thread.parent is not above:
            _detach(thread)
            if above is not None:
                _attach(thread, above)
    tops: list[Thread] = []
    for thread in (*by_id.values(), *alone):
        (tops if thread.parent is None else thread.parent.children).append(thread)
    return tops


def _place(row: Threadable, by_id: dict[str, Thread], alone: list[Thread]) -> Thread:
    """The thread of a message; one without an id, or with one that another has, is known to nobody."""
    known = by_id.setdefault(row.message_id, Thread()) if row.message_id else None
    if known is None or known.row is not None:
        known = Thread()
        alone.append(known)
    known.row = row
    return known


def _attach(child: Thread, parent: Thread) -> None:
    if not _is_below(parent, child):
        child.parent = parent
        parent.answers += 1


def _detach(child: Thread) -> None:
    if child.parent is not None:
        child.parent.answers -= 1
        child.parent = None


def _is_below(thread: Thread, other: Thread) -> bool:
    """Whether ``thread`` is ``other`` or somewhere below it, so that to put ``other`` below it would make a ring."""
    if thread is other:
        return True
    if not other.answers:
        return False
    above: Thread | None = thread
    for _ in range(MAX_WALK):
        if above is None:
            return False
        if above is other:
            return True
        above = above.parent
    return True


def _prune(tops: list[Thread]) -> list[Thread]:
    """Step 3: without places that no message is at, but for those on top that hold several together."""
    order: list[Thread] = []
    waiting = list(tops)
    while waiting:
        thread = waiting.pop()
        order.append(thread)
        waiting += thread.children
    for thread in reversed(order):  # what is below comes first
        thread.children = [kept for child in thread.children for kept in _keep(child)]
    kept = []
    for top in tops:
        kept += [top] if top.row is not None or len(top.children) > 1 else top.children
    return kept


def _keep(child: Thread) -> list[Thread]:
    return child.children if child.row is None else [child]


def _gather_subjects(tops: list[Thread]) -> list[Thread]:
    """Step 5: threads with the same base subject become one."""
    by_subject: dict[str, Thread] = {}
    for top in tops:
        subject = _subject_of(top)
        known = by_subject.get(subject)
        if subject and (known is None or _speaks_better(top, known)):
            by_subject[subject] = top
    gathered: dict[int, Thread] = {}
    for top in tops:
        subject = _subject_of(top)
        known = by_subject.get(subject, top)
        if known is top:
            gathered[id(top)] = top
            continue
        merged = _merge(top, known)
        if merged is not known:
            by_subject[subject] = merged
            del gathered[id(known)]
            gathered[id(merged)] = merged
    return list(gathered.values())


def _subject_of(thread: Thread) -> str:
    first = thread.first
    return "" if first is None else first.base_subject


def _speaks_better(top: Thread, known: Thread) -> bool:
    """Whether a thread is the one to which others of its subject are added."""
    if (top.row is None) != (known.row is None):
        return top.row is None
    return known.row is not None and top.row is not None and known.row.is_reply and not top.row.is_reply


def _merge(top: Thread, known: Thread) -> Thread:
    """The thread that holds both: ``known``, or a new one without a message in its place."""
    if known.row is None:
        known.children += [top] if top.row is not None else top.children
        return known
    if top.row is not None and top.row.is_reply and not known.row.is_reply:
        known.children.append(top)
        return known
    return Thread(children=[known, top])


def _sort_all(tops: list[Thread]) -> None:
    """Step 6: siblings by when they were sent; what is below first, because a place without one goes by its first."""
    order: list[Thread] = []
    waiting = list(tops)
    while waiting:
        thread = waiting.pop()
        order.append(thread)
        waiting += thread.children
    for thread in reversed(order):
        thread.children.sort(key=lambda child: child.order)
