"""Deleting as people know it: into Trash first, and out of there for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hourpost.mailboxes.folders import Folder
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
    """Delete messages of a folder: into Trash, which is made where it is missing; for good out of Trash alone.

    Raises: NotFound, Conflict, ServiceUnavailable.
    """
    ranges = ranges_of(uids)
    if not permanently and folder.special_use != "trash":
        trash, moved = await store.move_for(folder.mailbox_id, folder.id, ranges, "trash")
        if trash.id != folder.id:  # else it is Trash by its name, and has the use from now on
            return Deleted(moved.uids, trash, moved.target_uids)
    gone = await store.remove(folder.mailbox_id, folder.id, ranges)
    return Deleted(gone.uids, None, [])
