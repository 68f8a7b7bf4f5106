"""Deleting as people know it: into Trash first, and out of there for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hourpost.mailboxes.folders import Folder, find_special_folder
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ranges_of


@dataclass(frozen=True, slots=True)
class Deleted:
    """Which messages went; ``trash`` is where they are now under ``trash_uids``, None for those that are gone."""

    uids: list[int]
    trash: Folder | None
    trash_uids: list[int]


async def delete_messages(
    store: MailStore, folder: Folder, uids: Iterable[int], *, permanently: bool = False
) -> Deleted:
    """Delete messages of a folder; a mailbox without Trash loses them at once. Raises: NotFound, ServiceUnavailable."""
    ranges = ranges_of(uids)
    trash = None if permanently else await store.read(find_special_folder, folder.mailbox_id, "trash")
    if trash is None or trash.id == folder.id:
        gone = await store.remove(folder.mailbox_id, folder.id, ranges)
        return Deleted(gone.uids, None, [])
    moved = await store.move(folder.mailbox_id, folder.id, ranges, trash.id)
    return Deleted(moved.uids, trash, moved.target_uids)
