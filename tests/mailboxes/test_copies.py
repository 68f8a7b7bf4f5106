"""Copies and moves: content shared, flags kept, numbers right on both sides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hourpost.errors import MailboxFull, NotFound
from hourpost.mailboxes.changes_since import changes_since, list_vanished
from hourpost.mailboxes.folders import Folder, get_folder
from hourpost.mailboxes.messages import Want, list_expunged_rows, list_rows
from hourpost.mailboxes.quota import get_quota
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.ids import new_id
from hourpost.rules.mail_flags import Flag
from tests.mailboxes.conftest import Place
from tests.mailboxes.letters import letter, new_message


async def named(store: MailStore, place: Place, name: str) -> Folder:
    return await store.read(get_folder, place.mailbox.id, name)


async def test_a_copy_has_the_flags_and_the_content(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2, Flag.SEEN, "$Work"), new_message(3)])
    archive = await named(store, place, "Archive")
    copied = await store.copy(*place.ids, [(2, 3)], archive.id)
    assert (copied.uids, copied.target_uids, copied.uidvalidity) == ([2, 3], [1, 2], archive.uidvalidity)
    want = Want.IDS | Want.DATES
    there = await store.read(list_rows, archive.id, ALL_UIDS, want)
    here = await store.read(list_rows, place.inbox.id, [(2, 3)], want)
    for one, other in zip(there, here, strict=True):
        assert (one.flags, one.keywords, one.content_id, one.thread_id, one.received_at) == (
            other.flags,
            other.keywords,
            other.content_id,
            other.thread_id,
            other.received_at,
        )
    after = await named(store, place, "Archive")
    assert (after.messages, after.unseen, after.highestmodseq) == (2, 1, copied.target_modseq)
    assert (await store.read(get_quota, place.mailbox.id)).used_bytes == 5 * len(letter())


async def test_a_copy_onto_the_same_folder_doubles(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    copied = await store.copy(*place.ids, ALL_UIDS, place.inbox.id)
    assert copied.target_uids == [3, 4]
    assert (await named(store, place, "INBOX")).messages == 4


async def test_a_full_mailbox_takes_no_copy_but_lets_move(
    store: MailStore, new_place: Callable[..., Awaitable[Place]]
) -> None:
    place = await new_place(quota_bytes=len(letter()))
    await store.append(*place.ids, new_message(1))
    archive = await named(store, place, "Archive")
    with pytest.raises(MailboxFull):
        await store.copy(*place.ids, ALL_UIDS, archive.id)
    assert (await named(store, place, "Archive")).uidnext == 1
    await store.move(*place.ids, ALL_UIDS, archive.id)
    assert (await named(store, place, "Archive")).messages == 1


async def test_what_is_moved_is_there_and_no_longer_here(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1, Flag.DELETED), new_message(2)])
    trash, before = await named(store, place, "Trash"), await named(store, place, "INBOX")
    moved = await store.move(*place.ids, [(1, 1)], trash.id)
    assert (moved.uids, moved.target_uids) == ([1], [1])
    inbox, trash = await named(store, place, "INBOX"), await named(store, place, "Trash")
    assert (inbox.messages, inbox.deleted, inbox.highestmodseq) == (1, 0, moved.source_modseq)
    assert (trash.messages, trash.deleted, trash.highestmodseq) == (1, 1, moved.target_modseq)
    assert await store.read(list_vanished, inbox.id, before.highestmodseq) == [1]
    assert (await store.read(get_quota, place.mailbox.id)).used_bytes == 2 * len(letter())


async def test_a_move_onto_the_same_folder_gives_new_uids(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    moved = await store.move(*place.ids, [(1, 1)], place.inbox.id)
    assert (moved.uids, moved.target_uids, moved.source_modseq) == ([1], [3], moved.target_modseq)
    inbox = await named(store, place, "INBOX")
    assert (inbox.messages, inbox.uidnext, inbox.size_bytes) == (2, 4, 2 * len(letter()))
    changes = await store.read(changes_since, inbox.id, moved.source_modseq - 1)
    assert ([row.uid for row in changes.changed], changes.vanished) == ([3], (1,))


async def test_nothing_is_copied_from_nothing(store: MailStore, place: Place) -> None:
    archive = await named(store, place, "Archive")
    for copied in (
        await store.copy(*place.ids, ALL_UIDS, archive.id),
        await store.move(*place.ids, ALL_UIDS, archive.id),
        await store.move(*place.ids, ALL_UIDS, place.inbox.id),
    ):
        assert copied.uids == []
    assert (await named(store, place, "Archive")).highestmodseq == archive.highestmodseq


async def test_nobody_copies_into_another_mailbox(
    store: MailStore, place: Place, new_place: Callable[..., Awaitable[Place]]
) -> None:
    await store.append(*place.ids, new_message(1))
    theirs = await new_place()
    for target in (theirs.inbox.id, new_id()):
        with pytest.raises(NotFound):
            await store.copy(*place.ids, ALL_UIDS, target)
        with pytest.raises(NotFound):
            await store.move(*place.ids, ALL_UIDS, target)


async def test_who_was_not_told_still_reads_what_is_expunged(store: MailStore, place: Place) -> None:
    appended = await store.append(*place.ids, new_message(1, Flag.SEEN))
    await store.remove(*place.ids, ALL_UIDS)
    rows = await store.read(
        list_expunged_rows, place.inbox.id, [appended.uid], appended.modseq, Want.SIZE | Want.ENVELOPE | Want.IDS
    )
    assert [(row.uid, row.flags, row.size_bytes) for row in rows] == [(1, Flag.SEEN, len(letter()))]
    assert rows[0].envelope.startswith(b"(")
    assert rows[0].content_id == appended.content_id
