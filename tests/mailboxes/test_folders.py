"""Folders: made, renamed, deleted, subscribed; and the numbers that tell one from another of the same name."""

from __future__ import annotations

import asyncio

import pytest

from hourpost.errors import Conflict, NotFound, ValidationFailed
from hourpost.mailboxes import folder_changes
from hourpost.mailboxes.folders import find_special_folder, get_folder, list_folders, list_subscriptions
from hourpost.mailboxes.messages import list_uids
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.quota import get_quota
from hourpost.mailboxes.store import MailStore
from tests.mailboxes.conftest import Place
from tests.mailboxes.letters import new_message


async def names_of(store: MailStore, mailbox: Mailbox) -> list[str]:
    return [folder.name for folder in await store.read(list_folders, mailbox.id)]


async def test_a_new_mailbox_has_its_folders(store: MailStore, place: Place) -> None:
    assert await names_of(store, place.mailbox) == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    sent = await store.read(find_special_folder, place.mailbox.id, "sent")
    assert sent is not None
    assert sent.name == "Sent"
    assert await store.read(list_subscriptions, place.mailbox.id) == await names_of(store, place.mailbox)


async def test_no_two_folders_have_had_the_same_uidvalidity(store: MailStore, place: Place) -> None:
    first = await store.create_folder(place.mailbox.id, "Work")
    await store.delete_folder(place.mailbox.id, "Work")
    second = await store.create_folder(place.mailbox.id, "Work/Deep/Deeper")
    folders = await store.read(list_folders, place.mailbox.id)
    assert len({folder.uidvalidity for folder in folders}) == len(folders)
    assert all(folder.uidvalidity > first.uidvalidity for folder in folders if folder.name.startswith("Work"))
    assert second.uidvalidity == max(folder.uidvalidity for folder in folders)


async def test_missing_parents_are_made(store: MailStore, place: Place) -> None:
    await store.create_folder(place.mailbox.id, "inbox/2026/May")
    assert {"INBOX/2026", "INBOX/2026/May"} <= set(await names_of(store, place.mailbox))


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/", "a\u2028", "a\nb", "x" * 1001, "..", "a/./b", "x" * 241])
async def test_some_names_are_none(store: MailStore, place: Place, name: str) -> None:
    with pytest.raises(ValidationFailed):
        await store.create_folder(place.mailbox.id, name)
    await store.create_folder(place.mailbox.id, "a..b")
    with pytest.raises(ValidationFailed):
        await store.rename_folder(place.mailbox.id, "a..b", name)


async def test_a_name_stays_as_it_was_given(store: MailStore, place: Place) -> None:
    """Letters that are composed in one name and not in the other make two names, as in the mailbox they came from."""
    names = ["B\u00fccher", "Bu\u0308cher", "100 %", "a*b/c%"]
    for name in names:
        assert (await store.create_folder(place.mailbox.id, name)).name == name
    assert set(names) <= set(await names_of(store, place.mailbox))
    await store.delete_folder(place.mailbox.id, names[0])
    assert (await store.read(get_folder, place.mailbox.id, names[1])).name == names[1]


async def use_of(store: MailStore, mailbox: Mailbox, name: str) -> str | None:
    return (await store.read(get_folder, mailbox.id, name)).special_use


@pytest.mark.parametrize("old", [None, "Bin", "Trash/Old"])
async def test_the_default_name_of_a_use_that_no_folder_is_for_gives_it(
    store: MailStore, place: Place, old: str | None
) -> None:
    """Programs that synchronise delete Trash and make it again; without a use nothing would find it."""
    await store.delete_folder(place.mailbox.id, "Trash")
    if old == "Bin":
        await store.create_folder(place.mailbox.id, old)
        await store.rename_folder(place.mailbox.id, old, "Trash")
    else:
        await store.create_folder(place.mailbox.id, old or "Trash")
    assert await use_of(store, place.mailbox, "Trash") == "trash"


async def test_a_use_stays_where_it_is(store: MailStore, place: Place) -> None:
    await store.rename_folder(place.mailbox.id, "Trash", "Bin")
    await store.create_folder(place.mailbox.id, "Trash")
    assert await use_of(store, place.mailbox, "Trash") is None
    await store.delete_folder(place.mailbox.id, "Bin")
    await store.delete_folder(place.mailbox.id, "Archive")
    await store.rename_folder(place.mailbox.id, "Sent", "Archive")  # which has one already
    assert await use_of(store, place.mailbox, "Archive") == "sent"
    found = await store.need_special_folder(place.mailbox.id, "trash")
    assert (found.name, found.special_use) == ("Trash", "trash")
    for _ in range(2):
        found = await store.need_special_folder(place.mailbox.id, "archive")
        assert (found.name, found.special_use, found.subscribed) == ("Archive 2", "archive", True)


async def test_who_needs_the_same_missing_folder_at_once_gets_the_same_one(store: MailStore, place: Place) -> None:
    await store.delete_folder(place.mailbox.id, "Trash")
    found = await asyncio.gather(*(store.need_special_folder(place.mailbox.id, "trash") for _ in range(4)))
    assert len({folder.id for folder in found}) == 1


async def test_a_name_is_taken_once(store: MailStore, place: Place) -> None:
    with pytest.raises(Conflict):
        await store.create_folder(place.mailbox.id, "iNbOx")
    with pytest.raises(Conflict):
        await store.create_folder(place.mailbox.id, "My junk", "junk")


async def test_all_below_a_folder_is_renamed_with_it(store: MailStore, place: Place) -> None:
    for name in ("a/b/c", "ab"):
        await store.create_folder(place.mailbox.id, name)
    before = await store.read(get_folder, place.mailbox.id, "a/b")
    await store.rename_folder(place.mailbox.id, "a", "x/y")
    assert {"x", "x/y", "x/y/b", "x/y/b/c", "ab"} <= set(await names_of(store, place.mailbox))
    after = await store.read(get_folder, place.mailbox.id, "x/y/b")
    assert (after.id, after.uidvalidity) == (before.id, before.uidvalidity)


@pytest.mark.parametrize(
    ("old", "new", "error"), [("a", "a/b", Conflict), ("a", "Sent", Conflict), ("z", "y", NotFound)]
)
async def test_some_renames_are_impossible(
    store: MailStore, place: Place, old: str, new: str, error: type[Exception]
) -> None:
    await store.create_folder(place.mailbox.id, "a")
    with pytest.raises(error):
        await store.rename_folder(place.mailbox.id, old, new)


async def test_of_a_renamed_inbox_only_the_messages_go(store: MailStore, place: Place) -> None:
    await store.append(*place.ids, new_message(1))
    target = await store.rename_folder(place.mailbox.id, "INBOX", "Old")
    assert len(await store.read(list_uids, target.id)) == 1
    assert (await store.read(get_folder, place.mailbox.id, "INBOX")).messages == 0


async def test_a_deleted_folder_leaves_its_children_and_its_subscription(store: MailStore, place: Place) -> None:
    folder = await store.create_folder(place.mailbox.id, "a", subscribed=True)
    await store.create_folder(place.mailbox.id, "a/b")
    await store.append(place.mailbox.id, folder.id, new_message(1))
    await store.delete_folder(place.mailbox.id, "a")
    assert "a/b" in await names_of(store, place.mailbox)
    assert "a" in await store.read(list_subscriptions, place.mailbox.id)
    assert (await store.read(get_quota, place.mailbox.id)).used_bytes == 0
    await store.create_folder(place.mailbox.id, "a")
    await store.subscribe(place.mailbox.id, "a", wanted=False)
    assert "a" not in await store.read(list_subscriptions, place.mailbox.id)


async def test_a_mailbox_has_so_many_folders_and_subscriptions_to_what_is_gone_and_no_more(
    store: MailStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_changes, "MOST_FOLDERS", 8)
    await store.create_folder(place.mailbox.id, "one", subscribed=True)
    with pytest.raises(Conflict, match="8 folders at most"):
        await store.create_folder(place.mailbox.id, "two/three")
    assert len(await names_of(store, place.mailbox)) == 7
    for number in range(12):
        await store.create_folder(place.mailbox.id, f"gone {number}", subscribed=True)
        await store.delete_folder(place.mailbox.id, f"gone {number}")
    assert len(await store.read(list_subscriptions, place.mailbox.id)) == 7 + 8


async def test_inbox_stays(store: MailStore, place: Place) -> None:
    with pytest.raises(Conflict):
        await store.delete_folder(place.mailbox.id, "inbox")


async def test_what_is_not_there_cannot_be_deleted_or_subscribed(store: MailStore, place: Place) -> None:
    with pytest.raises(NotFound):
        await store.delete_folder(place.mailbox.id, "nothing")
    with pytest.raises(NotFound):
        await store.subscribe(place.mailbox.id, "nothing", wanted=True)
