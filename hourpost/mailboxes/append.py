"""Append: messages in, UIDs out; what arrives together shares one commit, as in ``flow.accept``.

While up to two commits are in flight, what arrives waits for the next. The second stores its content while the first
holds the folder's lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from asyncpg import Connection, PostgresError

from hourpost.database import Database
from hourpost.errors import HourpostError, MailboxFull, NotFound, RolledBack, ServiceUnavailable
from hourpost.gateways import metrics
from hourpost.gateways.clock import Clock
from hourpost.mailboxes.append_statements import number_in_folders, store_content, store_one, store_rows
from hourpost.mailboxes.parcels import Appended, Entry, Outcome, address_moved

_NO_FOLDER = "There is no such folder."
_FLIGHTS = 2
_ENTRIES_IN_A_FLIGHT = 500
_BYTES_IN_A_FLIGHT = 16 * 1024 * 1024

Tell = Callable[[UUID, int], None]
"""Called after a commit with a folder and its new MODSEQ."""

Also = Callable[[Connection], Awaitable[None]]
"""What is written in the same transaction, after the messages."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Parcel:
    entries: Sequence[Entry]
    is_whole: bool  # all of it or nothing
    answer: asyncio.Future[list[Outcome]]
    also: Also | None = None
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def resolve(self) -> None:
        if not self.answer.done():
            self.answer.set_result([self.outcomes[index] for index in range(len(self.entries))])


class _Spoilt(Exception):
    """Some entries cannot be stored: by index, why."""

    def __init__(self, why: dict[int, HourpostError]) -> None:
        super().__init__()
        self.why = why


class _AlsoFailed(Exception):
    """What goes with one parcel was refused; the others have nothing to do with it."""

    def __init__(self, parcel: _Parcel, error: HourpostError) -> None:
        super().__init__()
        self.parcel = parcel
        self.error = error


class Appender:
    """One per process and event loop."""

    def __init__(self, database: Database, clock: Clock, tell: Tell) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._queue: deque[_Parcel] = deque()
        self._flights: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Wait for the commits in flight."""
        while self._flights:
            await asyncio.wait(self._flights)

    async def put(self, entries: Sequence[Entry], *, is_whole: bool, also: Also | None = None) -> list[Outcome]:
        """Store ``entries``; when this returns, they are committed. One outcome for each.

        With ``is_whole`` all are stored, or none and each has its error; else each by itself. ``also`` is run in the
        transaction that stores them, perhaps more than once after others of the same commit had to be left out.

        Raises: what ``also`` raises, and nothing is stored then; ServiceUnavailable: PostgreSQL is away, and whether
            they were stored is not known.
        """
        parcel = _Parcel(entries, is_whole, asyncio.get_running_loop().create_future(), also)
        self._queue.append(parcel)
        self._launch()
        return await parcel.answer

    def _launch(self) -> None:
        while self._queue and len(self._flights) < _FLIGHTS:
            flight = asyncio.create_task(self._fly(self._board()))
            self._flights.add(flight)
            flight.add_done_callback(self._land)

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._launch()

    def _board(self) -> list[_Parcel]:
        boarded, entries, size = [], 0, 0
        while self._queue and entries < _ENTRIES_IN_A_FLIGHT and size < _BYTES_IN_A_FLIGHT:
            parcel = self._queue.popleft()
            boarded.append(parcel)
            entries += len(parcel.entries)
            size += sum(len(entry.letter.content) for entry in parcel.entries)
        return boarded

    async def _fly(self, boarded: list[_Parcel]) -> None:
        try:
            try:
                await self._commit(boarded)
            except RolledBack:  # the others have what they wanted, and are gone by now
                await self._commit(boarded)
        except Exception as error:  # the outermost loop of appending: everybody on board must get an answer
            await self._divert(boarded, error)

    async def _divert(self, boarded: list[_Parcel], error: Exception) -> None:
        """Answer a failed flight: one by one where one may have spoilt it for all, else the same error for all."""
        if isinstance(error, (_Spoilt, PostgresError)) and len(boarded) > 1:
            for parcel in boarded:
                await self._fly([parcel])
            return
        if isinstance(error, _Spoilt):
            await self._without(boarded[0], error.why)
            return
        if isinstance(error, _AlsoFailed):
            error.parcel.fail(error.error)
            await self._fly([parcel for parcel in boarded if parcel is not error.parcel])
            return
        if not isinstance(error, ServiceUnavailable):
            log.error("appending failed", error=repr(error))
        for parcel in boarded:
            parcel.fail(error)

    async def _without(self, parcel: _Parcel, why: dict[int, HourpostError]) -> None:
        """Store the rest of a parcel, or say of a whole one why nothing of it was stored."""
        if parcel.is_whole:
            first = next(iter(why.values()))
            parcel.outcomes = dict.fromkeys(range(len(parcel.entries)), first)
            parcel.resolve()
            return
        parcel.outcomes.update(why)
        await self._fly([parcel])

    async def _commit(self, boarded: list[_Parcel]) -> None:
        places = [(parcel, index) for parcel in boarded for index in _left(parcel)]
        entries = [parcel.entries[index] for parcel, index in places]
        if entries:
            with metrics.MAIL_COMMIT_SECONDS.time():
                appended = await self._store(entries, [parcel for parcel in boarded if parcel.also and _left(parcel)])
            metrics.MAIL_STORED.inc(len(appended))
            for (parcel, index), one in zip(places, appended, strict=True):
                parcel.outcomes[index] = one
        for parcel in boarded:
            parcel.resolve()
        self._tell_all(parcel.outcomes[index] for parcel, index in places)

    async def _store(self, entries: list[Entry], more: Sequence[_Parcel]) -> list[Appended]:
        now = self._clock.now()
        # What is odd about a message is noted beside it, which takes a statement more
        if len(entries) == 1 and not more and entries[0].letter.is_plain:
            async with self._database.hot_statements() as connection:
                row = await store_one(connection, entries[0], now)
            if row is not None:
                return [_appended(entries[0], row, 0)]
        if is_misnamed := _list_misnamed(entries):
            raise _Spoilt({index: NotFound(_NO_FOLDER) for index in is_misnamed})
        # Also for one that was not stored: these steps tell why
        async with self._database.hot_transaction() as connection:
            threads = await store_content(connection, entries)
            mailboxes, folders = await store_rows(connection, entries, threads, now)
            why = {
                index: error
                for index, entry in enumerate(entries)
                if (error := _refusal(entry, mailboxes, folders)) is not None
            }
            if why:
                raise _Spoilt(why)
            for parcel in more:
                await _run_also(parcel, connection)
        return [
            _appended(entry, folders[entry.folder_id], number)
            for entry, number in zip(entries, number_in_folders(entries), strict=True)
        ]

    def _tell_all(self, outcomes: Iterable[Outcome]) -> None:
        modseqs = {one.folder_id: one.modseq for one in outcomes if isinstance(one, Appended)}
        for folder_id, modseq in modseqs.items():
            self._tell(folder_id, modseq)


async def _run_also(parcel: _Parcel, connection: Connection) -> None:
    assert parcel.also is not None
    try:
        await parcel.also(connection)
    except HourpostError as error:
        raise _AlsoFailed(parcel, error) from error


def _appended(entry: Entry, row: Any, number: int) -> Appended:
    return Appended(entry.folder_id, row.uidvalidity, row.first + number, row.modseq, entry.letter.content_id)


def _left(parcel: _Parcel) -> list[int]:
    return [index for index in range(len(parcel.entries)) if index not in parcel.outcomes]


def _list_misnamed(entries: Sequence[Entry]) -> list[int]:
    """Those whose folder is known under another name to others that go there now: each has to be tried by itself."""
    names: dict[UUID, str] = {}
    return [
        index
        for index, entry in enumerate(entries)
        if entry.folder_name is not None and names.setdefault(entry.folder_id, entry.folder_name) != entry.folder_name
    ]


def _refusal(entry: Entry, mailboxes: Mapping[UUID, bool], folders: Collection[UUID]) -> HourpostError | None:
    if entry.folder_id in folders:
        return None
    is_lost = mailboxes.get(entry.mailbox_id)
    if is_lost:
        return address_moved()
    if is_lost is not None:
        return NotFound(_NO_FOLDER)
    return MailboxFull("The mailbox is full.")
