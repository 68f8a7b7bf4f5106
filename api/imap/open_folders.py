"""The folders that sessions of this process have open: one state each, shared, and never the truth.

A state knows which UIDs there are as of a MODSEQ, and the changes that led there, so that each session can be told
in its own time. What has changed is read once for all of them.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Protocol
from uuid import UUID

import structlog

from hourpost.errors import ServiceUnavailable
from hourpost.gateways.metrics import IMAP_FOLDERS
from hourpost.mailboxes.changes_since import Changes, changes_since
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.known_uids import claim_recent, list_uids_as_of
from hourpost.mailboxes.store import MailStore

log = structlog.get_logger()

_MOST_REMEMBERED = 20_000  # messages in remembered changes; those of more are put together


class Listener(Protocol):
    """A session that has a folder open, and what it was told: all up to ``modseq``."""

    @property
    def modseq(self) -> int:
        """Up to here it knows everything."""

    @property
    def is_readonly(self) -> bool:
        """Whether it only looks (EXAMINE)."""

    def pin(self) -> None:
        """The state is about to go on: hold fast to its UIDs as they are."""

    def hear(self) -> None:
        """The folder has changed, or is gone."""


class Flagged(Protocol):
    """A row with flags."""

    @property
    def uid(self) -> int:
        """Of the message."""

    @property
    def modseq(self) -> int:
        """Of its last change."""

    @property
    def flags(self) -> int:
        """System flags as bits."""

    @property
    def keywords(self) -> list[int] | None:
        """Numbers of its keywords."""


class FolderState:
    """One open folder. ``uids`` is only ever extended in place; when some vanish it is another array."""

    def __init__(self, store: MailStore, folder: Folder) -> None:
        self.folder_id = folder.id
        self.mailbox_id = folder.mailbox_id
        self.modseq = folder.highestmodseq
        self.count = folder.messages
        self.uidnext = folder.uidnext
        self.claimed_uid = folder.uidnext  # up to which no message is \Recent for others
        self.is_gone = False
        self.names: Mapping[int, str] = {}  # of keywords, those that were needed
        self.listeners: set[Listener] = set()
        self.batches: deque[Changes] = deque()
        self._uids: array[int] | None = None if folder.messages else array("I")
        self._store = store
        self._lock = asyncio.Lock()

    @property
    def is_loaded(self) -> bool:
        """Whether the UIDs are there."""
        return self._uids is not None

    @property
    def uids(self) -> array[int]:
        """The UIDs, once ``load`` has run; valid up to ``count``."""
        assert self._uids is not None
        return self._uids

    async def load(self) -> None:
        """Have the UIDs as of ``modseq``: SELECT of a large folder does not wait for them."""
        if self._uids is None:
            async with self._lock:
                await self._load()

    async def catch_up(self) -> None:
        """Read what changed since ``modseq``, if anything did, as of some moment after this call began."""
        async with self._lock:
            missed = await self._store.read(changes_since, self.folder_id, self.modseq)
            if missed is None:
                self.is_gone = True
            elif missed.modseq > self.modseq:
                await self._load()
                await self.name(missed.changed)
                self._take(missed)

    async def claim_recent(self) -> None:
        r"""What sessions here have been told of is \Recent for nobody who comes later; EXAMINE claims nothing."""
        if self.claimed_uid < self.uidnext and not all(one.is_readonly for one in self.listeners):
            self.claimed_uid = self.uidnext
            with suppress(ServiceUnavailable):  # then others are told so too
                await self._store.read(claim_recent, self.folder_id, self.claimed_uid)

    async def name(self, rows: Iterable[Flagged]) -> None:
        """Have the names of all keywords of these rows."""
        await self.name_numbers({number for row in rows if row.keywords for number in row.keywords})

    async def name_numbers(self, numbers: Set[int]) -> None:
        """Have the names of these keywords."""
        if not numbers <= self.names.keys():
            self.names = await self._store.keyword_names_of(self.mailbox_id, sorted(numbers))

    async def _load(self) -> None:
        if self._uids is None:
            uids = await self._store.read(list_uids_as_of, self.folder_id, self.modseq, self.uidnext)
            self._uids, self.count = uids, len(uids)

    def _take(self, changes: Changes) -> None:
        for listener in self.listeners:
            listener.pin()
        self.batches.append(changes)
        self.modseq = changes.modseq
        uids, last = self.uids, self.uids[-1] if self.count else 0
        vanished = {uid for uid in changes.vanished if has_uid(uids, self.count, uid)}
        if vanished:
            uids = array("I", [uid for uid in uids if uid not in vanished])
        uids.extend(row.uid for row in changes.changed if row.uid > last)
        self._uids, self.count = uids, len(uids)
        self.uidnext = max(changes.uidnext, (uids[-1] if uids else 0) + 1)
        self._forget_old()

    def _forget_old(self) -> None:
        """Keep what somebody still has to be told; of long series only how they ended."""
        told = min((listener.modseq for listener in self.listeners), default=self.modseq)
        while self.batches and self.batches[0].modseq <= told:
            self.batches.popleft()
        newer = sum(len(one.changed) + len(one.vanished) for one in islice(self.batches, 1, None))
        if newer > _MOST_REMEMBERED:
            self.batches = deque([_put_together(self.batches)])


def _put_together(batches: Collection[Changes]) -> Changes:
    """All of it as one batch: of each message the last change, or that it vanished, for no UID is given twice."""
    *_, newest = batches
    vanished = {uid for one in batches for uid in one.vanished}
    rows = {row.uid: row for one in batches for row in one.changed if row.uid not in vanished}
    changed = tuple(rows[uid] for uid in sorted(rows))
    return replace(newest, changed=changed, vanished=tuple(sorted(vanished)))


def has_uid(uids: array[int], count: int, uid: int) -> bool:
    """Whether a UID is among the first ``count``."""
    at = bisect_left(uids, uid, 0, count)
    return at < count and uids[at] == uid


class OpenFolders:
    """The states of a process by folder, each as long as a session has it open."""

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self._states: dict[UUID, FolderState] = {}
        self._unwatch: dict[UUID, Callable[[], None]] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._states)

    def enter(self, folder: Folder) -> FolderState:
        """The state of a folder, for a session that adds its listener at once; ``leave`` ends that."""
        state = self._states.get(folder.id)
        if state is None or state.is_gone:
            state = self._states[folder.id] = FolderState(self._store, folder)
            self._watch(folder.id)
        return state

    def leave(self, state: FolderState, listener: Listener) -> None:
        """Close it for a session; the last one takes the state away."""
        state.listeners.discard(listener)
        if not state.listeners and self._states.get(state.folder_id) is state:
            del self._states[state.folder_id]
            self._unwatch.pop(state.folder_id)()
            IMAP_FOLDERS.set(len(self._states))

    async def compare_all(self) -> None:
        """Look at every folder, whatever was or was not heard."""
        for state in list(self._states.values()):
            await self._tell(state)

    def _watch(self, folder_id: UUID) -> None:
        if folder_id in self._unwatch:
            self._unwatch[folder_id]()
        self._unwatch[folder_id] = self._store.feed.watch(folder_id, self._heard)
        IMAP_FOLDERS.set(len(self._states))

    def _heard(self, folder_id: UUID) -> None:
        """Somebody has changed the folder, or may have; the feed has gathered what came within a moment."""
        state = self._states.get(folder_id)
        if state is not None and folder_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._tell_heard(state))
            self._tasks[folder_id] = task

    async def _tell_heard(self, state: FolderState) -> None:
        self._tasks.pop(state.folder_id, None)
        try:
            await self._tell(state)
        except ServiceUnavailable as error:
            log.warning("a change was not read", cause=error.cause)

    async def _tell(self, state: FolderState) -> None:
        await state.catch_up()
        if state.is_gone or any(listener.modseq < state.modseq for listener in state.listeners):
            await state.claim_recent()
            for listener in list(state.listeners):
                listener.hear()
