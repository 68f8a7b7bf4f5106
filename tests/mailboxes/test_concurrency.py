"""Many at once on one folder, as on two processes: numbers become visible in order, and in the end everybody agrees."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

from hourpost.errors import MailboxFull
from hourpost.mailboxes.changes_since import changes_since
from hourpost.mailboxes.folders import get_folder, get_folder_by_id
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.messages import list_rows
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.sweep import find_drift
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.mail_flags import Flag
from tests.mailboxes.conftest import Open, Place
from tests.mailboxes.letters import new_message

TURNS = 40
KEYWORDS = ("$Work", "later", "NIL")


class Watcher:
    """Keeps a copy of a folder by asking only for what has changed since, as a client that resynchronises does."""

    def __init__(self, store: MailStore, folder_id: UUID) -> None:
        self._store = store
        self._folder_id = folder_id
        self.modseq = 0
        self.flags: dict[int, tuple[int, list[int] | None]] = {}
        self._highest = 0

    async def look(self) -> None:
        changes = await self._store.read(changes_since, self._folder_id, self.modseq)
        assert changes.modseq >= self.modseq
        for row in changes.changed:
            assert self.modseq < row.modseq <= changes.modseq
            # A UID that was not there before is greater than all that were: none comes late.
            assert row.uid in self.flags or row.uid > self._highest
        self.flags |= {row.uid: (row.flags, row.keywords) for row in changes.changed}
        for uid in changes.vanished:
            self.flags.pop(uid, None)
        self._highest = max(self._highest, *self.flags, *changes.vanished, 0)
        self.modseq = changes.modseq


async def act(store: MailStore, place: Place, other_id: UUID, chance: random.Random) -> None:
    mailbox_id, inbox_id = place.ids
    here, there = chance.choice([(inbox_id, other_id), (other_id, inbox_id), (inbox_id, inbox_id)])
    first = chance.randrange(1, 80)
    some = [(first, first + chance.randrange(4)), (first + 20, first + 21)]
    flags, keyword = Flag(chance.randrange(32)), chance.choice(KEYWORDS)
    choice = chance.randrange(10)
    if choice < 4:
        news = [new_message(chance.randrange(10**6), flags, keyword) for _ in range(chance.randrange(1, 4))]
        await store.append_all(mailbox_id, here, news)
    elif choice < 7:
        change = FlagChange(chance.choice(list(Way)), int(flags), (keyword,))
        await store.store_flags(mailbox_id, here, some, change)
    elif choice == 7:
        await store.expunge(mailbox_id, here, some)
    elif choice == 8:
        await store.copy(mailbox_id, here, some, there)
    else:
        await store.move(mailbox_id, here, some, there)


async def test_tasks_of_two_processes_leave_a_folder_that_everybody_sees_alike(
    open_store: Open, new_place: Callable[..., Awaitable[Place]]
) -> None:
    stores = [await open_store(), await open_store()]
    place = await new_place()
    other = await stores[0].read(get_folder, place.mailbox.id, "Archive")
    watchers = [Watcher(store, folder) for store in stores for folder in (place.inbox.id, other.id)]
    working = True

    async def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(TURNS):
            await act(stores[seed % 2], place, other.id, chance)

    async def watch(watcher: Watcher) -> None:
        while working:
            await watcher.look()
            await asyncio.sleep(0)

    watching = [asyncio.create_task(watch(watcher)) for watcher in watchers]
    await asyncio.gather(*(work(seed) for seed in range(8)))
    working = False
    await asyncio.gather(*watching)
    for watcher in watchers:
        await watcher.look()
    for folder_id in (place.inbox.id, other.id):
        rows = await stores[0].read(list_rows, folder_id, ALL_UIDS)
        folder = await stores[1].read(get_folder_by_id, place.mailbox.id, folder_id)
        assert rows
        assert folder.uidnext > rows[-1].uid
        assert len({(row.uid, row.modseq) for row in rows}) == folder.messages
    for watcher in watchers:
        rows = await stores[1].read(list_rows, watcher._folder_id, ALL_UIDS)
        assert watcher.flags == {row.uid: (row.flags, row.keywords) for row in rows}
    drift = [one for one in await stores[0].read(find_drift) if one.mailbox_id == place.mailbox.id]
    assert drift == []


async def test_writers_of_two_processes_never_fill_a_mailbox_over(
    open_store: Open, new_place: Callable[..., Awaitable[Place]]
) -> None:
    stores = [await open_store(), await open_store()]
    size = len(new_message(100).content)
    place = await new_place(quota_bytes=size * 25)
    tries = [stores[number % 2].append(*place.ids, new_message(number)) for number in range(100, 160)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    refused = [one for one in found if isinstance(one, MailboxFull)]
    assert len(refused) == 35
    assert len([one for one in found if isinstance(one, BaseException)]) == 35
    assert (await stores[0].read(get_folder_by_id, *place.ids)).messages == 25


async def test_messages_for_many_mailboxes_at_once_do_not_lock_each_other_out(
    open_store: Open, new_place: Callable[..., Awaitable[Place]]
) -> None:
    stores = [await open_store(), await open_store()]
    places = [await new_place() for _ in range(6)]
    archives = [await stores[0].read(get_folder, place.mailbox.id, "Archive") for place in places]
    chance = random.Random(3)

    async def work(store: MailStore) -> None:
        for _ in range(10):
            order = chance.sample(range(6), 6)
            await asyncio.gather(*(store.append(*places[index].ids, new_message(index)) for index in order))
            await asyncio.gather(
                *(store.copy(*places[index].ids, [(1, 2)], archives[index].id) for index in reversed(order))
            )

    await asyncio.gather(*(work(store) for store in stores for _ in range(2)))
    for place in places:
        assert (await stores[0].read(get_folder_by_id, *place.ids)).messages == 40
