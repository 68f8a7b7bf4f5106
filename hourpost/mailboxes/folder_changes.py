"""Making, renaming and deleting folders, each in the caller's transaction under the mailbox's lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.mailboxes.folders import Folder, find_folder, find_special_folder, get_folder
from hourpost.mailboxes.message_copies import Route, move_messages
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.folder_names import (
    DEFAULT_NAMES,
    INBOX,
    SPECIAL_USES,
    FolderNameError,
    is_below,
    normalise_folder_name,
    normalise_new_name,
    parents_of,
)
from hourpost.rules.ids import new_id

MOST_FOLDERS = 5000
"""Of a mailbox, and as many subscriptions to folders that are gone."""

_LOCK = HotStatement("SELECT id FROM mailboxes WHERE id = :mailbox AND deleted_at IS NULL FOR NO KEY UPDATE")
_NAMES = HotStatement("SELECT name, special_use FROM folders WHERE mailbox_id = :mailbox")
# Greater than any this mailbox ever had, and than any a client may remember from before a restored backup.
_UIDVALIDITY = HotStatement(
    "UPDATE mailboxes SET last_uidvalidity = greatest(last_uidvalidity, :seconds) + :count"
    " WHERE id = :mailbox RETURNING last_uidvalidity"
)
_CREATE = HotStatement(
    """
WITH fresh AS (
  SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:uses AS text[]),
    CAST(:validities AS bigint[])) AS f(id, name, special_use, uidvalidity)
), remembered AS (
  DELETE FROM folder_subscriptions s USING fresh f WHERE s.mailbox_id = :mailbox AND s.name = f.name RETURNING s.name
)
INSERT INTO folders (id, mailbox_id, name, special_use, subscribed, uidvalidity, created_at)
SELECT f.id, :mailbox, f.name, f.special_use, :subscribed OR EXISTS (SELECT FROM remembered r WHERE r.name = f.name),
  f.uidvalidity, :now FROM fresh f
"""
)
_RENAME = HotStatement(
    "UPDATE folders SET name = :new || substr(name, length(:old) + 1)"
    " WHERE mailbox_id = :mailbox AND (name = :old OR starts_with(name, :old || '/'))"
)
_GIVE_USE = HotStatement("UPDATE folders SET special_use = :use WHERE mailbox_id = :mailbox AND name = :name")
_DELETE = HotStatement(
    """
WITH gone AS (
  DELETE FROM folders WHERE id = :folder RETURNING id, mailbox_id, name, subscribed, highestmodseq
), kept AS (
  INSERT INTO folder_subscriptions (mailbox_id, name) SELECT mailbox_id, name FROM gone WHERE subscribed
    AND (SELECT count(*) FROM folder_subscriptions WHERE mailbox_id = :mailbox) < :most
  ON CONFLICT DO NOTHING
), emptied AS (
  DELETE FROM messages WHERE folder_id = :folder RETURNING *
), traces AS (
  INSERT INTO expunges (folder_id, modseq, uid, flags, size_bytes, received_at, saved_at, content_id, thread_id,
    expunged_at)
  SELECT e.folder_id, g.highestmodseq + 1, e.uid, e.flags, e.size_bytes, e.received_at, e.saved_at, e.content_id,
    e.thread_id, :now FROM emptied e, gone g
)
UPDATE mailboxes SET used_bytes = greatest(0, used_bytes - (SELECT coalesce(sum(size_bytes), 0) FROM emptied))
WHERE id = :mailbox
"""
)
_LOCK_FOLDER = HotStatement("SELECT id FROM folders WHERE id = :folder FOR UPDATE")
_SUBSCRIBE = HotStatement(
    "UPDATE folders SET subscribed = :wanted WHERE mailbox_id = :mailbox AND name = :name RETURNING name"
)
_FORGET = HotStatement("DELETE FROM folder_subscriptions WHERE mailbox_id = :mailbox AND name = :name RETURNING name")


async def create_folder(
    connection: Connection,
    mailbox_id: UUID,
    name: str,
    now: datetime,
    *,
    special_use: str | None = None,
    subscribed: bool = False,
) -> Folder:
    """Make a folder, and those above it that are missing. Raises: NotFound, ValidationFailed, Conflict.

    One that has the default name of a use which no folder is for is for that.
    """
    name = _normalise(name, normalise_new_name)
    if special_use is not None and special_use not in SPECIAL_USES:
        raise ValidationFailed([Fault("/special_use", f"special uses are {', '.join(SPECIAL_USES)}")])
    existing = await _lock(connection, mailbox_id)
    if name in existing:
        raise Conflict("already_exists", "There is a folder of this name already.")
    if special_use is not None and special_use in existing.values():
        raise Conflict("use_taken", f"Another folder is for {special_use} already.")
    names = [parent for parent in parents_of(name) if parent not in existing]
    uses = _free_uses(existing, {special_use}) | ({name: special_use} if special_use else {})
    await _create(connection, mailbox_id, {one: uses.get(one) for one in (*names, name)}, now, subscribed=subscribed)
    return await get_folder(connection, mailbox_id, name)


async def need_special_folder(connection: Connection, mailbox_id: UUID, use: str, now: datetime) -> Folder:
    """The folder for a use, which stays until the transaction ends.

    Where there is none, the folder of the default name is for it from now on, or is made. Raises: NotFound, Conflict.
    """
    existing = await _lock(connection, mailbox_id)
    found = await find_special_folder(connection, mailbox_id, use)
    if found is not None:
        return found
    name = _name_for(use, existing)
    if name in existing:
        await _GIVE_USE.run(connection, {"mailbox": mailbox_id, "name": name, "use": use})
    else:
        await _create(connection, mailbox_id, {name: use}, now, subscribed=True)
    return await get_folder(connection, mailbox_id, name)


async def rename_folder(connection: Connection, mailbox_id: UUID, old: str, new: str, now: datetime) -> Folder:
    """Give a folder, and all below it, another name; of INBOX only the messages go (RFC 9051 §6.3.6).

    One without a use that gets the default name of a use which no folder is for is for that.

    Raises: NotFound, ValidationFailed, Conflict.
    """
    old, new = _normalise(old), _normalise(new, normalise_new_name)
    existing = await _lock(connection, mailbox_id)
    moving = [name for name in existing if name == old or is_below(name, old)]
    if not moving:
        raise NotFound("There is no such folder.")
    if old == INBOX:
        return await _empty_inbox(connection, mailbox_id, new, now)
    if is_below(new, old):
        raise Conflict("impossible", "A folder cannot go there.")
    if any(new + name[len(old) :] in existing for name in moving):
        raise Conflict("already_exists", "There is a folder of this name already.")
    parents = [parent for parent in parents_of(new) if parent not in existing]
    uses = _free_uses(existing)
    await _create(connection, mailbox_id, {parent: uses.get(parent) for parent in parents}, now, subscribed=False)
    await _RENAME.run(connection, {"mailbox": mailbox_id, "old": old, "new": new})
    if new in uses and existing.get(old) is None:
        await _GIVE_USE.run(connection, {"mailbox": mailbox_id, "name": new, "use": uses[new]})
    renamed = await find_folder(connection, mailbox_id, new)
    return renamed or await get_folder(connection, mailbox_id, new + min(moving)[len(old) :])


async def delete_folder(connection: Connection, mailbox_id: UUID, name: str, now: datetime) -> Folder:
    """Delete a folder with its messages; folders below it and its subscription stay. Gives what it was.

    Raises: NotFound; Conflict for INBOX.
    """
    name = _normalise(name)
    if name == INBOX:
        raise Conflict("impossible", "INBOX cannot be deleted.")
    await _lock(connection, mailbox_id)
    folder = await get_folder(connection, mailbox_id, name)
    await _LOCK_FOLDER.run(connection, {"folder": folder.id})
    await _DELETE.run(connection, {"folder": folder.id, "mailbox": mailbox_id, "now": now, "most": MOST_FOLDERS})
    return folder


async def subscribe(connection: Connection, mailbox_id: UUID, name: str, *, wanted: bool) -> None:
    """Subscribe to a folder, or no longer, also to one that is gone. Raises: NotFound, ValidationFailed."""
    name = _normalise(name)
    arguments: dict[str, Any] = {"mailbox": mailbox_id, "name": name, "wanted": wanted}
    found = await _SUBSCRIBE.run(connection, arguments)
    if not found and not wanted:
        found = await _FORGET.run(connection, arguments)
    if not found:
        raise NotFound("There is no such folder.")


def _free_uses(existing: Mapping[str, str | None], taken: Collection[str | None] = ()) -> dict[str, str]:
    """The default names of the uses that no folder is for, each with its use."""
    return {name: use for use, name in DEFAULT_NAMES.items() if use not in taken and use not in existing.values()}


def _name_for(use: str, existing: Mapping[str, str | None]) -> str:
    """The default name, or one like it where the folder of that name is for something else."""
    name = DEFAULT_NAMES[use]
    if existing.get(name) is None:
        return name
    return next(other for number in count(2) if (other := f"{name} {number}") not in existing)


async def _empty_inbox(connection: Connection, mailbox_id: UUID, new: str, now: datetime) -> Folder:
    target = await create_folder(connection, mailbox_id, new, now)
    inbox = await get_folder(connection, mailbox_id, INBOX)
    await move_messages(connection, Route(mailbox_id, inbox.id, target.id), ALL_UIDS, now)
    return target


async def _lock(connection: Connection, mailbox_id: UUID) -> dict[str, str | None]:
    """The names and special uses of all folders, none of which changes until the transaction ends."""
    if not await _LOCK.run(connection, {"mailbox": mailbox_id}):
        raise NotFound("There is no such mailbox.")
    return {row.name: row.special_use for row in await _NAMES.run(connection, {"mailbox": mailbox_id})}


async def _create(
    connection: Connection, mailbox_id: UUID, names: dict[str, str | None], now: datetime, *, subscribed: bool
) -> None:
    if not names:
        return
    if len(await _NAMES.run(connection, {"mailbox": mailbox_id})) + len(names) > MOST_FOLDERS:
        raise Conflict("too_many", f"A mailbox has {MOST_FOLDERS} folders at most.")
    rows = await _UIDVALIDITY.run(
        connection, {"mailbox": mailbox_id, "seconds": int(now.timestamp()), "count": len(names)}
    )
    last = rows[0].last_uidvalidity
    arguments = {
        "mailbox": mailbox_id,
        "ids": [new_id() for _ in names],
        "names": list(names),
        "uses": list(names.values()),
        "validities": list(range(last - len(names) + 1, last + 1)),
        "subscribed": subscribed,
        "now": now,
    }
    await _CREATE.run(connection, arguments)


def _normalise(name: str, normalise: Callable[[str], str] = normalise_folder_name) -> str:
    try:
        return normalise(name)
    except FolderNameError as error:
        raise ValidationFailed([Fault("/name", str(error))]) from error
