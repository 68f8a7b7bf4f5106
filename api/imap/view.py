r"""What one session knows of its selected folder: the numbers it was given, and what it has still to be told.

Message numbers change only in ``take_news``: that is where expunged messages leave and new ones come, as the client
is told of it. Everything in between runs against the numbers that the client knows.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from api.imap.open_folders import FolderState, has_uid
from hourpost.mailboxes.changes_since import ChangedRow

_NOTHING: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class News:
    """What a session is to be told, in this order."""

    vanished_numbers: tuple[int, ...]  # each as of when the ones before it are gone
    vanished_uids: tuple[int, ...]
    count: int | None  # of messages, when there are new ones
    changed: tuple[tuple[int, ChangedRow], ...]  # with their numbers


class View:
    """A selected folder as one session sees it."""

    __slots__ = (
        *("count", "expunged_modseq", "gone", "hear", "is_readonly", "keywords", "modseq", "recent_uid", "saved"),
        *("state", "_told", "_uids"),
    )

    def __init__(self, state: FolderState, *, is_readonly: bool, recent_uid: int, hear: Callable[[], None]) -> None:
        self.state = state
        self.is_readonly = is_readonly
        self.recent_uid = recent_uid  # from here on messages are \Recent in this session
        self.modseq = self.expunged_modseq = 0  # up to which changes, and expunges, were told
        self.count = 0
        self.gone: Set[int] = frozenset()  # vanished, and the client has not been told
        self.saved: tuple[int, ...] = ()  # the result that SEARCH saved (RFC 5182)
        self.keywords: Set[str] = frozenset()  # that the client has been told of
        self._uids: array[int] | None = None  # the state's, as they were when this was told of them
        self._told: Mapping[int, int] = _NOTHING  # UID and MODSEQ of changes that need not be told again
        self.hear = hear

    def begin(self) -> None:
        """Know what the state knows now: SELECT tells it."""
        self.modseq = self.expunged_modseq = self.state.modseq
        self.count = self.state.count
        self._uids = None
        self.pin()

    def pin(self) -> None:
        """Hold fast to the state's UIDs as they are, when they are there."""
        if self._uids is None and self.state.is_loaded:
            self._uids = self.state.uids

    async def load(self) -> None:
        """Have the UIDs. Call it before anything below."""
        await self.state.load()
        self.pin()

    @property
    def uids(self) -> array[int]:
        """The UIDs of the messages 1 to ``count``, in order; what stands behind is not known to the client."""
        return self.state.uids if self._uids is None else self._uids

    @property
    def last_uid(self) -> int:
        """The UID of the last message, 0 when there is none."""
        return self.uids[self.count - 1] if self.count else 0

    def number_of(self, uid: int) -> int:
        """The number of a message, 0 when there is none of this UID."""
        uids, count = self.uids, self.count
        at = bisect_left(uids, uid, 0, count)
        return at + 1 if at < count and uids[at] == uid else 0

    def numbers_of(self, uids: Sequence[int]) -> Sequence[int]:
        """The number of each of ascending ``uids``, 0 where there is none of this UID."""
        first = self.number_of(uids[0]) if uids else 0
        end = first - 1 + len(uids)
        if first and end <= self.count and self.uids[first - 1 : end] == array("I", uids):
            return range(first, end + 1)
        return [self.number_of(uid) for uid in uids]

    def known(self, uids: Sequence[int]) -> Sequence[int]:
        """Those of ascending ``uids`` that the client knows."""
        if len(uids) < self.count // 8:
            return [uid for uid in uids if self.number_of(uid)]
        found = set(uids)
        return [uid for uid in self.uids[: self.count] if uid in found]

    def is_recent(self, uid: int) -> bool:
        r"""Whether the message is \Recent in this session."""
        return uid >= self.recent_uid

    @property
    def recent_count(self) -> int:
        r"""How many messages are \Recent."""
        return self.count - bisect_left(self.uids, self.recent_uid, 0, self.count)

    def has_told(self, rows: Iterable[tuple[int, int]]) -> None:
        """These changes (UID, MODSEQ) the client has made or been told of."""
        self._told = {**self._told, **dict(rows)}

    # news

    @property
    def is_behind(self) -> bool:
        """Whether there is anything to tell."""
        return self.modseq < self.state.modseq or bool(self.gone)

    def take_news(self, *, may_expunge: bool) -> News:
        """Learn what the state knows, as far as it may be told now."""
        changed = self._collect()
        numbers, uids = self._expunge() if may_expunge and self.gone else ((), ())
        if may_expunge:
            self.expunged_modseq = self.modseq
        had = self.count
        self._extend()
        news = [(self.number_of(uid), row) for uid, row in sorted(changed.items())]
        return News(
            numbers,
            uids,
            self.count if self.count != had else None,
            tuple((number, row) for number, row in news if 0 < number <= had),
        )

    def _collect(self) -> dict[int, ChangedRow]:
        changed: dict[int, ChangedRow] = {}
        for batch in self.state.batches:
            if batch.modseq <= self.modseq:
                continue
            self.gone |= {uid for uid in batch.vanished if has_uid(self.uids, self.count, uid)}
            changed.update((row.uid, row) for row in batch.changed if row.modseq > self.modseq)
        self.modseq = self.state.modseq
        told, gone = self._told, self.gone
        news = {uid: row for uid, row in changed.items() if uid not in gone and told.get(uid, 0) < row.modseq}
        self._told = _NOTHING
        return news

    def _expunge(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        uids = tuple(sorted(self.gone))
        numbers = tuple(self.number_of(uid) - before for before, uid in enumerate(uids))
        gone, self.gone = self.gone, frozenset()
        self._uids = array("I", [uid for uid in self.uids[: self.count] if uid not in gone])
        self.count = len(self._uids)
        return numbers, uids

    def _extend(self) -> None:
        """Let the new messages in. Without anything untold the state's own array is as good, and shared."""
        state = self.state
        if not self.gone:
            self._uids, self.count = state.uids, state.count
            return
        last = self.last_uid
        first_new = bisect_left(state.uids, last + 1, 0, state.count)
        self._uids = self.uids[: self.count] + state.uids[first_new : state.count]
        self.count = len(self._uids)
