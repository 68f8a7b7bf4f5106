"""Messages: appended, flagged, expunged; what the folder's row says of them."""

from __future__ import annotations

import asyncio

import pytest

from hourpost.errors import MailboxFull, NotFound
from hourpost.mailboxes.folders import Folder, get_folder_by_id, select_folder
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.messages import Want, list_rows, list_uids
from hourpost.mailboxes.parcels import Appended, Target
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.ids import new_id
from hourpost.rules.mail_flags import Flag
from tests.mailboxes.conftest import Place
from tests.mailboxes.letters import letter, new_message


async def folder_of(store: MailStore, place: Place) -> Folder:
    return await store.read(get_folder_by_id, *place.ids)


async def test_uids_rise_from_one(store: MailStore, place: Place) -> None:
    found = [await store.append(*place.ids, new_message(number)) for number in (1, 2)]
    assert [one.uid for one in found] == [1, 2]
    assert found[0].uidvalidity == place.inbox.uidvalidity
    assert found[1].modseq > found[0].modseq > place.inbox.highestmodseq


async def test_the_folders_row_counts(store: MailStore, place: Place) -> None:
    await store.append(*place.ids, new_message(1))
    await store.append(*place.ids, new_message(2, Flag.SEEN | Flag.DELETED))
    folder = await folder_of(store, place)
    assert (folder.messages, folder.unseen, folder.deleted, folder.uidnext) == (2, 1, 1, 3)
    assert folder.size_bytes == 2 * len(letter())


async def test_rows_come_in_the_order_of_uids(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(number) for number in range(1, 6)])
    rows = await store.read(list_rows, place.inbox.id, [(4, 5), (2, 1)], Want.SIZE | Want.ENVELOPE)
    assert [row.uid for row in rows] == [1, 2, 4, 5]
    assert rows[0].size_bytes == len(letter())
    assert rows[0].envelope.startswith(b"(")
    assert list(await store.read(list_uids, place.inbox.id)) == [1, 2, 3, 4, 5]


async def test_an_empty_folder_has_no_uids(store: MailStore, place: Place) -> None:
    assert list(await store.read(list_uids, place.inbox.id)) == []


async def test_flags_are_added_removed_and_replaced(store: MailStore, place: Place) -> None:
    await store.append(*place.ids, new_message(1, Flag.ANSWERED))
    for way, flags, after in (
        (Way.ADD, Flag.SEEN, Flag.SEEN | Flag.ANSWERED),
        (Way.REMOVE, Flag.ANSWERED, Flag.SEEN),
        (Way.REPLACE, Flag.DELETED, Flag.DELETED),
    ):
        stored = await store.store_flags(*place.ids, ALL_UIDS, FlagChange(way, flags))
        assert [one.flags for one in stored.changed] == [after]
    folder = await folder_of(store, place)
    assert (folder.unseen, folder.deleted) == (1, 1)
    assert folder.highestmodseq == stored.modseq == stored.changed[0].modseq


async def test_what_changes_nothing_takes_no_modseq(store: MailStore, place: Place) -> None:
    await store.append(*place.ids, new_message(1, Flag.SEEN, "$Work"))
    before = (await folder_of(store, place)).highestmodseq
    stored = await store.store_flags(*place.ids, ALL_UIDS, FlagChange(Way.ADD, Flag.SEEN, ("$work",)))
    assert (stored.changed, stored.modseq) == ([], before)
    assert (await folder_of(store, place)).highestmodseq == before


async def test_keywords_are_the_same_in_any_case(store: MailStore, place: Place) -> None:
    await store.append(*place.ids, new_message(1, Flag.NONE, "$Work", "NIL"))
    stored = await store.store_flags(
        *place.ids,
        ALL_UIDS,
        FlagChange(
            Way.ADD,
            Flag.NONE,
            (
                "$WORK",
                "later",
            ),
        ),
    )
    names = await store.keyword_names(place.mailbox.id)
    assert sorted(names[number] for number in stored.changed[0].keywords or ()) == ["$Work", "NIL", "later"]
    stored = await store.store_flags(
        *place.ids,
        ALL_UIDS,
        FlagChange(
            Way.REMOVE,
            Flag.NONE,
            (
                "nil",
                "unheard",
            ),
        ),
    )
    assert sorted(names[number] for number in stored.changed[0].keywords or ()) == ["$Work", "later"]
    stored = await store.store_flags(*place.ids, ALL_UIDS, FlagChange(Way.REPLACE, Flag.NONE))
    assert stored.changed[0].keywords is None


async def test_what_has_changed_since_is_left_alone(store: MailStore, place: Place) -> None:
    first, second = await store.append_all(*place.ids, [new_message(1), new_message(2)])
    seen = await store.store_flags(*place.ids, [(first.uid, first.uid)], FlagChange(Way.ADD, Flag.SEEN))
    stored = await store.store_flags(
        *place.ids, ALL_UIDS, FlagChange(Way.ADD, Flag.FLAGGED, unchanged_since=second.modseq)
    )
    assert [one.uid for one in stored.changed] == [second.uid]
    assert stored.missed == [first.uid]
    assert stored.modseq > seen.modseq


async def test_only_deleted_messages_are_expunged(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(n, Flag.DELETED if n > 1 else Flag.NONE) for n in range(1, 5)])
    assert (await store.expunge(*place.ids, [(1, 2)])).uids == [2]
    assert (await store.expunge(*place.ids)).uids == [3, 4]
    folder = await folder_of(store, place)
    assert (folder.messages, folder.unseen, folder.deleted, folder.size_bytes) == (1, 1, 0, len(letter()))


async def test_what_is_removed_needs_no_flag(store: MailStore, place: Place) -> None:
    await store.append_all(*place.ids, [new_message(1), new_message(2)])
    assert (await store.remove(*place.ids, [(2, 2)])).uids == [2]


async def test_a_message_is_recent_for_the_first_who_selects(store: MailStore, place: Place) -> None:
    await store.append(*place.ids, new_message(1))
    first, second = [await store.read(select_folder, place.mailbox.id, "INBOX") for _ in range(2)]
    assert first.recent_uid == 1
    assert second.recent_uid == second.uidnext == 2


async def test_a_full_mailbox_takes_nothing(store: MailStore, new_place: object) -> None:
    place: Place = await new_place(quota_bytes=len(letter()) * 2)  # type: ignore[operator]
    await store.append(*place.ids, new_message(1))
    with pytest.raises(MailboxFull):
        await store.append_all(*place.ids, [new_message(2), new_message(3)])
    assert (await folder_of(store, place)).messages == 1
    await store.append(*place.ids, new_message(2))
    await store.remove(*place.ids, ALL_UIDS)
    await store.append(*place.ids, new_message(4))


async def test_one_message_goes_to_many_and_each_is_answered(store: MailStore, new_place: object) -> None:
    places: list[Place] = [await new_place(quota_bytes=size) for size in (10**6, 10, 10**6)]  # type: ignore[operator]
    targets = [Target(*one.ids) for one in places] + [Target(places[0].mailbox.id, new_id())]
    outcomes = await store.deliver(new_message(1), targets)
    assert [type(one) for one in outcomes] == [Appended, MailboxFull, Appended, NotFound]
    assert len({one.content_id for one in outcomes if isinstance(one, Appended)}) == 1


async def test_a_folder_that_is_not_there_takes_no_message(store: MailStore, place: Place) -> None:
    with pytest.raises(NotFound):
        await store.append(place.mailbox.id, new_id(), new_message(1))


async def test_one_that_cannot_be_stored_does_not_spoil_the_others(store: MailStore, new_place: object) -> None:
    good: Place = await new_place()  # type: ignore[operator]
    full: Place = await new_place(quota_bytes=1)  # type: ignore[operator]
    tries = [store.append(*(full if n == 3 else good).ids, new_message(n)) for n in range(8)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert [isinstance(one, MailboxFull) for one in found] == [n == 3 for n in range(8)]
    assert sorted(one.uid for one in found if isinstance(one, Appended)) == list(range(1, 8))


async def test_a_reply_belongs_to_the_thread_of_what_it_answers(store: MailStore, place: Place) -> None:
    reply = "In-Reply-To: <letter-1@example.net>\r\n"
    await store.append(*place.ids, new_message(1))
    await store.append_all(*place.ids, [new_message(2, headers=reply), new_message(3)])
    late = "References: <letter-2@example.net>\r\n"
    await store.append(*place.ids, new_message(4, headers=late))
    rows = await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.IDS)
    threads = [row.thread_id for row in rows]
    assert threads[0] == threads[1] == threads[3] == rows[0].content_id
    assert threads[2] == rows[2].content_id
