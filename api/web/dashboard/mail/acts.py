"""Acting: flags, moves and deletions of messages, one or several at once, and folders of one's own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.cookies import Flash
from api.web.dashboard.forms import local_path, read_form, read_list
from api.web.dashboard.mail.box import FOLDER
from api.web.dashboard.mail.readers import HOME, Reader, TheReader
from hourpost.errors import Conflict, NotFound, Refused
from hourpost.mailboxes.deleting import delete_messages
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.uid_ranges import UidRanges, find_uid, ranges_of
from hourpost.rules.mail_flags import Flag

router = APIRouter()

MOST_UIDS = 1000
_MOST_UNDONE = 150  # as many as the cookie of a message has room for
EMPTIED = frozenset({"trash", "junk"})
_FLAGS = {
    "seen": FlagChange(Way.ADD, Flag.SEEN),
    "unseen": FlagChange(Way.REMOVE, Flag.SEEN),
    "flag": FlagChange(Way.ADD, Flag.FLAGGED),
    "unflag": FlagChange(Way.REMOVE, Flag.FLAGGED),
}
_USES = frozenset({"archive", "junk"})
_DONE = {
    "archive": "Archived",
    "junk": "Moved to Junk",
    "inbox": "Moved to the inbox",
    "delete": "Deleted",
    "move": "Moved",
}


@router.post(FOLDER + "/act")
async def post_act(folder: str, request: Request, reader: TheReader) -> Response:
    """Do one thing to the chosen messages, and go back to where that was asked."""
    here = await reader.folder(folder)
    form, chosen = await read_form(request), await read_list(request, "uid")
    uids = [uid for uid in map(find_uid, chosen) if uid is not None][:MOST_UIDS]
    back = local_path(form.get("back"), f"{HOME}/f/{here.public_id}")
    act = form.get("act", "move")
    if not uids:
        return reader.redirect(back, "Choose some messages first.", "warn")
    if act in _FLAGS:
        await reader.parts.mail.store_flags(reader.mailbox.id, here.id, ranges_of(uids), _FLAGS[act])
        return reader.redirect(back if act == "unseen" else local_path(form.get("stay"), back))
    if act == "move" and not form.get("to"):
        return reader.redirect(back, "Choose a folder first.", "warn")
    try:
        target, moved = await _go(reader, here, act, uids, form.get("to", ""))
    except Conflict as error:  # no room for a folder that is missing
        return reader.redirect(back, error.message, "bad")
    words = f"{_DONE[act]}: {len(moved)} message{'s' if len(moved) != 1 else ''}."
    if target is None or not 0 < len(moved) <= _MOST_UNDONE:
        return reader.redirect(back, words, "info")
    undo = [("act", "move"), ("to", here.public_id), ("back", back), *(("uid", str(uid)) for uid in moved)]
    return reader.lead(back, Flash(words, "info", f"{HOME}/f/{target.public_id}/act", undo))


@router.post(FOLDER + "/empty")
async def post_empty(folder: str, request: Request, reader: TheReader) -> Response:
    """Delete for good all that was in Trash or in Junk when the page was made. Raises: NotFound for other folders."""
    here = await reader.folder(folder)
    if here.special_use not in EMPTIED:
        raise NotFound("Only Trash and Junk are emptied.")
    gone = await reader.parts.mail.remove(reader.mailbox.id, here.id, await _shown(request))
    return reader.redirect(f"{HOME}/f/{here.public_id}", f"{here.name} is empty: {len(gone.uids)} deleted.", "info")


@router.post(FOLDER + "/read")
async def post_read(folder: str, request: Request, reader: TheReader) -> Response:
    """Mark all as read that was in the folder when the page was made."""
    here = await reader.folder(folder)
    await reader.parts.mail.store_flags(reader.mailbox.id, here.id, await _shown(request), _FLAGS["seen"])
    return reader.redirect(f"{HOME}/f/{here.public_id}")


@router.post(HOME + "/folders")
async def post_folder(request: Request, reader: TheReader) -> Response:
    """Make a folder."""
    name = (await read_form(request)).get("name", "")
    try:
        made = await reader.parts.mail.create_folder(reader.mailbox.id, name, subscribed=True)
    except Refused as error:
        return reader.redirect(HOME, error.message, "bad")
    return reader.redirect(f"{HOME}/f/{made.public_id}", f"The folder {made.name} is made.")


@router.post(FOLDER + "/rename")
async def post_rename(folder: str, request: Request, reader: TheReader) -> Response:
    """Give a folder another name."""
    here = await reader.folder(folder)
    name = (await read_form(request)).get("name", "")
    try:
        renamed = await reader.parts.mail.rename_folder(reader.mailbox.id, here.name, name)
    except Refused as error:
        return reader.redirect(f"{HOME}/f/{here.public_id}", error.message, "bad")
    return reader.redirect(f"{HOME}/f/{renamed.public_id}", f"The folder is called {renamed.name}.")


@router.post(FOLDER + "/remove")
async def post_remove(folder: str, reader: TheReader) -> Response:
    """Delete a folder with all that is in it; not one that has a use, which others would miss."""
    here = await reader.folder(folder)
    if here.special_use:
        words = f"The folder {here.name} is for {here.special_use}, and stays."
        return reader.redirect(f"{HOME}/f/{here.public_id}", words, "bad")
    try:
        await reader.parts.mail.delete_folder(reader.mailbox.id, here.name)
    except Refused as error:
        return reader.redirect(f"{HOME}/f/{here.public_id}", error.message, "bad")
    return reader.redirect(HOME, f"The folder {here.name} is deleted.")


async def _shown(request: Request) -> UidRanges:
    """What was there already when the page was made: what has come since was not meant."""
    last = find_uid((await read_form(request)).get("last", ""))
    return ((1, last),) if last else ()


async def _go(reader: Reader, here: Folder, act: str, uids: list[int], to: str) -> tuple[Folder | None, list[int]]:
    """Take the messages elsewhere; gives where they are, None for gone, and their numbers. Raises: NotFound."""
    if act == "delete":
        deleted = await delete_messages(reader.parts.mail, here, uids)
        return deleted.trash, deleted.trash_uids or deleted.uids
    if act not in _DONE:
        raise NotFound("There is no such thing to do.")
    if act in _USES:
        target, moved = await reader.parts.mail.move_for(reader.mailbox.id, here.id, ranges_of(uids), act)
        return target, moved.target_uids
    target = await reader.folder(to if act == "move" else act)
    moved = await reader.parts.mail.move(reader.mailbox.id, here.id, ranges_of(uids), target.id)
    return target, moved.target_uids
