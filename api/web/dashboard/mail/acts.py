"""Acting: flags, moves and deletions of messages, one or several at once, and folders of one's own."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from api.web.dashboard.cookies import Flash
from api.web.dashboard.filters import plural
from api.web.dashboard.forms import local_path, read_form, read_list
from api.web.dashboard.mail.box import FOLDER
from api.web.dashboard.mail.readers import HOME, Reader, TheReader
from api.web.dashboard.mail.steps import Batches, Done, Step, batched, in_steps, whole
from hourpost.errors import Conflict, NotFound, Refused
from hourpost.mailboxes.deleting import delete_messages
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.uid_ranges import find_uid, ranges_of
from hourpost.rules.mail_flags import Flag

router = APIRouter()

_MOST_UNDONE = 150  # as many as the cookie of a message has room for
EMPTIED = frozenset({"trash", "junk"})
_MORE = "There are more, for which there was no time: do it again."
_FLAGS = {
    "seen": FlagChange(Way.ADD, Flag.SEEN),
    "unseen": FlagChange(Way.REMOVE, Flag.SEEN),
    "flag": FlagChange(Way.ADD, Flag.FLAGGED),
    "unflag": FlagChange(Way.REMOVE, Flag.FLAGGED),
}
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
    form = await read_form(request)
    batches = await _chosen(request, reader, here)
    back = local_path(form.get("back"), f"{HOME}/f/{here.public_id}")
    act = form.get("act", "move")
    if batches is None:
        return reader.redirect(back, "Choose some messages first.", "warn")
    if act == "move" and not form.get("to"):
        return reader.redirect(back, "Choose a folder first.", "warn")
    try:
        target = await _target(reader, act, form.get("to", ""))
        done = await in_steps(batches, partial(_do, reader, here, act, target))
    except Conflict as error:  # no room for a folder that is missing
        return reader.redirect(back, error.message, "bad")
    if act in _FLAGS and done.is_all:
        return reader.redirect(back if act == "unseen" else local_path(form.get("stay"), back))
    return _tell(reader, here, act, back, done)


def _tell(reader: Reader, here: Folder, act: str, back: str, done: Done) -> Response:
    """Say what was done, and offer to undo it where that is a move of a few."""
    words = f"{_DONE.get(act, 'Marked')}: {plural(len(done.uids), 'message')}."
    if not done.is_all:
        return reader.redirect(back, f"{words} {_MORE}", "warn")
    if done.folder is None or not 0 < len(done.uids) <= _MOST_UNDONE:
        return reader.redirect(back, words, "info")
    undo = [("act", "move"), ("to", here.public_id), ("back", back), *(("uid", str(uid)) for uid in done.uids)]
    return reader.lead(back, Flash(words, "info", f"{HOME}/f/{done.folder.public_id}/act", undo))


@router.post(FOLDER + "/empty")
async def post_empty(folder: str, request: Request, reader: TheReader) -> Response:
    """Delete for good all that was in Trash or in Junk when the page was made. Raises: NotFound for other folders."""
    here = await reader.folder(folder)
    if here.special_use not in EMPTIED:
        raise NotFound("Only Trash and Junk are emptied.")
    done = await in_steps(await _shown(request, reader, here), partial(_remove, reader, here))
    words = (
        f"{here.name} is empty: {len(done.uids):,} deleted." if done.is_all else f"{len(done.uids):,} deleted. {_MORE}"
    )
    return reader.redirect(f"{HOME}/f/{here.public_id}", words, "info" if done.is_all else "warn")


@router.post(FOLDER + "/read")
async def post_read(folder: str, request: Request, reader: TheReader) -> Response:
    """Mark all as read that was in the folder when the page was made."""
    here = await reader.folder(folder)
    done = await in_steps(await _shown(request, reader, here), partial(_do, reader, here, "seen", None))
    return reader.redirect(f"{HOME}/f/{here.public_id}", "" if done.is_all else _MORE, "warn")


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


async def _chosen(request: Request, reader: Reader, here: Folder) -> Batches | None:
    """What is chosen, one by one or as the whole folder and what came since; None for nothing.

    Of Trash, where a deletion is for good, never the whole: to empty it is a question of its own.
    """
    uids = [uid for uid in map(find_uid, await read_list(request, "uid")) if uid is not None]
    last = find_uid((await read_form(request)).get("whole", ""))
    if last and here.special_use != "trash":
        return whole(reader.parts.mail, here.id, last, [uid for uid in uids if uid > last])
    return batched(uids) if uids else None


async def _shown(request: Request, reader: Reader, here: Folder) -> Batches:
    """What was there already when the page was made: what has come since was not meant."""
    return whole(reader.parts.mail, here.id, find_uid((await read_form(request)).get("last", "")) or 0)


async def _target(reader: Reader, act: str, to: str) -> Folder | None:
    """The folder that messages are to go to, where it is named. Raises: NotFound, also where there is no such act."""
    if act in ("move", "inbox"):
        return await reader.folder(to if act == "move" else act)
    if act not in _FLAGS and act not in _DONE:
        raise NotFound("There is no such thing to do.")
    return None


async def _remove(reader: Reader, here: Folder, uids: list[int]) -> Step:
    return None, (await reader.parts.mail.remove(reader.mailbox.id, here.id, ranges_of(uids))).uids


async def _do(reader: Reader, here: Folder, act: str, target: Folder | None, uids: list[int]) -> Step:
    """Do it to some messages. Raises: NotFound, Conflict."""
    mail, mailbox_id = reader.parts.mail, reader.mailbox.id
    if act in _FLAGS:
        await mail.store_flags(mailbox_id, here.id, ranges_of(uids), _FLAGS[act])
        return None, uids
    if act == "delete":
        deleted = await delete_messages(mail, here, uids)
        return deleted.trash, deleted.trash_uids or deleted.uids
    if target is None:
        target, moved = await mail.move_for(mailbox_id, here.id, ranges_of(uids), act)
    else:
        moved = await mail.move(mailbox_id, here.id, ranges_of(uids), target.id)
    return target, moved.target_uids
