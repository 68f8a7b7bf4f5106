"""The store of mail as a process holds it: reads on one connection, changes in one transaction, and word after commit.

Every change of a folder's messages goes through here, so that nobody forgets to tell. Reads are the functions of
``folders``, ``messages``, ``contents``, ``changes_since`` and ``search``, run by ``read``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from asyncpg import Connection

from hourpost.database import Database
from hourpost.errors import HourpostError
from hourpost.gateways.clock import Clock
from hourpost.gateways.folder_feed import FolderFeed
from hourpost.mailboxes import folder_changes, message_changes
from hourpost.mailboxes.append import Also, Appender
from hourpost.mailboxes.folders import Folder, find_special_folder, list_folders
from hourpost.mailboxes.keywords import KeywordBook
from hourpost.mailboxes.message_changes import Copied, Expunged, FlagChange, Stored, Way
from hourpost.mailboxes.message_copies import Route, copy_messages, move_messages
from hourpost.mailboxes.parcels import Appended, Entry, Letter, NewMessage, Outcome, Target
from hourpost.mailboxes.readings import Readings
from hourpost.mailboxes.search import Found, search
from hourpost.mailboxes.search_conditions import SearchScope
from hourpost.mailboxes.uid_ranges import ALL_UIDS, UidRanges
from hourpost.rules.folder_names import INBOX
from hourpost.rules.ids import new_id
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import Scanned
from hourpost.rules.mail.search_keys import HasFlag, Key, list_leaves
from hourpost.rules.mail.surrogates import Patch, find_patches
from hourpost.rules.mail_flags import Flag

P = ParamSpec("P")
T = TypeVar("T")

_SCANNED_AT_ONCE_BYTES = 256 * 1024


class MailStore:
    """Mailboxes' folders and messages, for one process and event loop."""

    def __init__(self, database: Database, feed: FolderFeed, clock: Clock) -> None:
        self.feed = feed
        self.readings = Readings()
        self._database = database
        self._clock = clock
        self._keywords = KeywordBook()
        self._appender = Appender(database, clock, feed.publish)

    async def start(self) -> None:
        """Begin to hear of changes; Redis may be away."""
        await self.feed.start()

    async def stop(self) -> None:
        """Wait for the commits in flight."""
        await self._appender.stop()
        await self.feed.stop()

    async def read(
        self, function: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one reading function, each of its statements with its own snapshot. Raises: ServiceUnavailable."""
        async with self._database.hot_statements() as connection:
            return await function(connection, *args, **kwargs)

    async def keyword_names(self, mailbox_id: UUID) -> Mapping[int, str]:
        """Every keyword of the mailbox, by the number that rows carry."""
        return await self.read(self._keywords.names, mailbox_id)

    async def keyword_names_of(self, mailbox_id: UUID, numbers: Sequence[int]) -> Mapping[int, str]:
        """The same, asked of PostgreSQL only when one of ``numbers`` is not remembered."""
        return await self.read(self._keywords.names_of, mailbox_id, numbers)

    async def find_keyword_numbers(self, mailbox_id: UUID, names: Sequence[str]) -> list[int]:
        """The numbers of those ``names`` that the mailbox knows."""
        return await self.read(self._keywords.find_numbers, mailbox_id, names)

    async def search(self, mailbox_id: UUID, folder_id: UUID, key: Key, scope: SearchScope) -> Found:
        """The messages that ``key`` means; the scope's keywords are filled in here. Raises: ServiceUnavailable."""
        if any(isinstance(leaf, HasFlag) for leaf in list_leaves(key)):
            names = await self.keyword_names(mailbox_id)
            scope = replace(scope, keywords={name.lower(): number for number, name in names.items()})
        return await self.read(search, folder_id, key, scope)

    async def append(self, mailbox_id: UUID, folder_id: UUID, new: NewMessage) -> Appended:
        """Store one message; committed when this returns.

        Raises: NotFound, MailboxFull, ServiceUnavailable; ValidationFailed for too many keywords.
        """
        return (await self.append_all(mailbox_id, folder_id, [new]))[0]

    async def append_all(self, mailbox_id: UUID, folder_id: UUID, news: Sequence[NewMessage]) -> list[Appended]:
        """Store several messages, all or none (RFC 3502). Raises: as ``append``."""
        return await self.append_to(Target(mailbox_id, folder_id), news)

    async def append_to(self, target: Target, news: Sequence[NewMessage]) -> list[Appended]:
        """The same, to a folder that must still have the target's name if it says one. Raises: as ``append``."""
        entries = [await self._entry(await self._letter(new), new, target) for new in news]
        return [_stored(outcome) for outcome in await self._appender.put(entries, is_whole=True)]

    async def deliver(
        self,
        new: NewMessage,
        targets: Sequence[Target],
        *,
        stored_content_id: UUID | None = None,
        is_whole: bool = False,
        also: Also | None = None,
    ) -> list[Outcome]:
        """Store one message in folders of several mailboxes, its content once; one outcome for each target.

        With ``is_whole`` in all of them or in none. ``also`` is run in the transaction that stores it.
        ``stored_content_id``: its bytes are in ``content_chunks`` under this id already.

        Raises: what ``also`` raises, and nothing is stored then; ServiceUnavailable: what was stored is not known.
        """
        letter = await self._letter(new, stored_content_id)
        entries = [await self._entry(letter, new, target) for target in targets]
        return await self._appender.put(entries, is_whole=is_whole, also=also)

    async def store_flags(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges, change: FlagChange) -> Stored:
        """Change flags and keywords of messages. Raises: NotFound, ValidationFailed, ServiceUnavailable."""
        numbers = await self._numbers(mailbox_id, change.keywords, is_new=change.way is not Way.REMOVE)
        stored = await self._change(message_changes.store_flags, folder_id, ranges, change, numbers)
        if stored.changed:
            self.feed.publish(folder_id, stored.modseq)
        return stored

    async def expunge(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges = ALL_UIDS) -> Expunged:
        r"""Take away what is \Deleted among ``ranges``. Raises: NotFound, ServiceUnavailable."""
        return await self._expunge(mailbox_id, folder_id, ranges, any_flags=False)

    async def remove(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges) -> Expunged:
        """Take messages away whatever their flags, as POP3's QUIT does. Raises: NotFound, ServiceUnavailable."""
        return await self._expunge(mailbox_id, folder_id, ranges, any_flags=True)

    async def remove_and_see(
        self, mailbox_id: UUID, folder_id: UUID, gone: UidRanges, seen: UidRanges
    ) -> tuple[Expunged, Stored]:
        r"""Take ``gone`` away and make ``seen`` \Seen, both or neither. Raises: NotFound, ServiceUnavailable."""
        async with self._database.hot_transaction() as connection:
            place, now = (mailbox_id, folder_id), self._clock.now()
            expunged = await message_changes.expunge(connection, place, now, gone, any_flags=True)
            change = FlagChange(Way.ADD, int(Flag.SEEN))
            stored = await message_changes.store_flags(connection, folder_id, seen, change, ())
        if expunged.uids or stored.changed:
            self.feed.publish(folder_id, stored.modseq)
        return expunged, stored

    async def copy(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges, target_id: UUID) -> Copied:
        """Copy messages to another folder of the mailbox. Raises: NotFound, MailboxFull, ServiceUnavailable."""
        route = Route(mailbox_id, folder_id, target_id)
        copied = await self._change(copy_messages, route, ranges, self._clock.now())
        if copied.uids:
            self.feed.publish(target_id, copied.target_modseq)
        return copied

    async def move(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges, target_id: UUID) -> Copied:
        """Move messages to a folder of the mailbox, also the same. Raises: NotFound, ServiceUnavailable."""
        route = Route(mailbox_id, folder_id, target_id)
        moved = await self._change(move_messages, route, ranges, self._clock.now())
        self._tell_of_move(folder_id, target_id, moved)
        return moved

    async def move_for(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges, use: str) -> tuple[Folder, Copied]:
        """Move messages to the folder for a use, which is made where it is missing; gives it as it was before.

        Where that turns out to be the folder in which they are, they stay, and nothing is moved.

        Raises: NotFound, Conflict, ServiceUnavailable.
        """
        async with self._database.hot_transaction() as connection:
            now = self._clock.now()
            target = await folder_changes.need_special_folder(connection, mailbox_id, use, now)
            if target.id == folder_id:
                return target, Copied(target.uidvalidity, [], [], 0, 0)
            moved = await move_messages(connection, Route(mailbox_id, folder_id, target.id), ranges, now)
        self._tell_of_move(folder_id, target.id, moved)
        return target, moved

    async def need_special_folder(self, mailbox_id: UUID, use: str) -> Folder:
        """The folder for a use; one that is missing is made. Raises: NotFound, Conflict, ServiceUnavailable."""
        found = await self.read(find_special_folder, mailbox_id, use)
        if found is not None:
            return found
        return await self._change(folder_changes.need_special_folder, mailbox_id, use, self._clock.now())

    async def create_folder(
        self, mailbox_id: UUID, name: str, special_use: str | None = None, *, subscribed: bool = False
    ) -> Folder:
        """Make a folder, and those above it that are missing. Raises: NotFound, ValidationFailed, Conflict."""
        make, now = folder_changes.create_folder, self._clock.now()
        return await self._change(make, mailbox_id, name, now, special_use=special_use, subscribed=subscribed)

    async def rename_folder(self, mailbox_id: UUID, old: str, new: str) -> Folder:
        """Give a folder, and all below it, another name. Raises: NotFound, ValidationFailed, Conflict."""
        renamed = await self._change(folder_changes.rename_folder, mailbox_id, old, new, self._clock.now())
        for folder in await self.read(list_folders, mailbox_id):
            if folder.name in (INBOX, renamed.name):
                self.feed.publish(folder.id, folder.highestmodseq)
        return renamed

    async def delete_folder(self, mailbox_id: UUID, name: str) -> None:
        """Delete a folder with its messages; who has it open is told, and finds it gone. Raises: NotFound, Conflict."""
        folder = await self._change(folder_changes.delete_folder, mailbox_id, name, self._clock.now())
        self.feed.publish(folder.id, folder.highestmodseq + 1)

    async def subscribe(self, mailbox_id: UUID, name: str, *, wanted: bool) -> None:
        """Subscribe to a folder, or no longer. Raises: NotFound, ValidationFailed."""
        await self._change(folder_changes.subscribe, mailbox_id, name, wanted=wanted)

    def _tell_of_move(self, folder_id: UUID, target_id: UUID, moved: Copied) -> None:
        if moved.uids:
            self.feed.publish(folder_id, moved.source_modseq)
            self.feed.publish(target_id, moved.target_modseq)

    async def _expunge(self, mailbox_id: UUID, folder_id: UUID, ranges: UidRanges, *, any_flags: bool) -> Expunged:
        place, now = (mailbox_id, folder_id), self._clock.now()
        expunged = await self._change(message_changes.expunge, place, now, ranges, any_flags=any_flags)
        if expunged.uids:
            self.feed.publish(folder_id, expunged.modseq)
        return expunged

    async def _change(
        self, function: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._database.hot_transaction() as connection:
            return await function(connection, *args, **kwargs)

    async def _letter(self, new: NewMessage, stored_content_id: UUID | None = None) -> Letter:
        """Read a message; a large one in another thread, so that others are served meanwhile."""
        if len(new.content) <= _SCANNED_AT_ONCE_BYTES:
            scanned, patches = _read(new.content)
        else:
            scanned, patches = await asyncio.to_thread(_read, new.content)
        received_at = new.received_at or self._clock.now()
        content_id = stored_content_id or new.content_id or new_id()
        return Letter(content_id, new.content, scanned, received_at, stored_content_id is not None, patches)

    async def _entry(self, letter: Letter, new: NewMessage, target: Target) -> Entry:
        numbers = await self._numbers(target.mailbox_id, (*new.keywords, *target.keywords), is_new=True)
        flags = int(new.flags | target.flags)
        return Entry(letter, target.mailbox_id, target.folder_id, flags, tuple(numbers), target.name, target.domain)

    async def _numbers(self, mailbox_id: UUID, keywords: Sequence[str], *, is_new: bool) -> list[int]:
        if not keywords:
            return []
        if not is_new:
            return await self.find_keyword_numbers(mailbox_id, keywords)
        found = await self.find_keyword_numbers(mailbox_id, keywords)
        if len(found) == len({keyword.lower() for keyword in keywords}):
            return found
        return await self._change(self._keywords.numbers, mailbox_id, keywords)


def _read(content: bytes) -> tuple[Scanned, tuple[Patch, ...]]:
    scanned = scan(content)
    return scanned, find_patches(content, scanned)


def _stored(outcome: Outcome) -> Appended:
    if isinstance(outcome, HourpostError):
        raise outcome
    return outcome
