"""Flags, moves, copies and deletions of messages, one or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request

from api.web.answers import Json
from api.web.bodies import read_fields
from api.web.drafts import Draft, read_draft
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.mailbox_places import InFolder, TheFolder, Uid, folder_of
from api.web.v1.message_views import summary_view
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.mailboxes.deleting import delete_messages
from hourpost.mailboxes.flag_words import read_words
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.reading import find_row
from hourpost.mailboxes.uid_ranges import LAST_UID, ranges_of

router = APIRouter(prefix="/mailboxes/{mailbox}/folders/{folder}/messages", tags=["mailboxes"])

MOST_UIDS = 1000
Uids = Annotated[list[Annotated[int, Field(ge=1, le=LAST_UID)]], Field(min_length=1, max_length=MOST_UIDS)]
Words = Annotated[list[str], Field(max_length=50)]


class Flags(BaseModel):
    """Flags to add and to remove: `seen`, `answered`, `flagged`, `draft`, or keywords."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"add": ["seen"]}})

    add: Words = Field(default_factory=list)
    remove: Words = Field(default_factory=list)


class FlagsOfMany(Flags):
    """The same for several messages."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"uids": [1, 2], "add": ["seen"]}})

    uids: Uids


class Removal(BaseModel):
    """Messages to delete."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"uids": [1, 2]}})

    uids: Uids
    permanently: bool = Field(False, description="Not into Trash.")


class Transfer(BaseModel):
    """Messages and the folder that they go to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"uids": [1, 2], "to": "archive"}})

    uids: Uids
    to: str = Field(max_length=200, description="A folder of the mailbox, by its id or by what it is for.")


REMOVAL = TypeAdapter(Removal)


@router.patch("/{uid}", **route("update_message", shapes.MessageSummary, openapi_extra=body("Flags")))
async def update_message(here: TheFolder, uid: Uid, request: Request) -> Response:
    """Add flags to a message, or remove them."""
    await find_row(here.parts.mail, here.folder.id, uid)
    await _change_flags(here, await read_draft(request, Flags), [uid])
    row = await find_row(here.parts.mail, here.folder.id, uid)
    names = await here.parts.mail.keyword_names_of(here.mailbox.id, row.keywords or [])
    return Json(summary_view(row, names))


@router.delete("/{uid}", **route("delete_message", shapes.MessagesMoved))
async def delete_message(
    here: TheFolder, uid: Uid, permanently: Annotated[bool, Query(description="Not into Trash.")] = False
) -> Response:
    """Move a message to Trash; out of Trash, or `permanently`, it is gone for good."""
    await find_row(here.parts.mail, here.folder.id, uid)
    return await _delete(here, [uid], permanently)


@router.post("/flags", **route("update_messages", shapes.FlagsChanged, openapi_extra=body("FlagsOfMany")))
async def update_messages(here: TheFolder, request: Request) -> Response:
    """Add flags to up to 1,000 messages, or remove them. Those that are gone are passed over."""
    draft = await read_draft(request, FlagsOfMany)
    modseq = await _change_flags(here, draft, draft.fields.uids)
    return Json({"object": "folder", "id": here.folder.public_id, "modseq": modseq})


@router.post("/move", **route("move_messages", shapes.MessagesMoved, openapi_extra=body("Transfer")))
async def move_messages(here: TheFolder, request: Request) -> Response:
    """Move up to 1,000 messages to another folder. The answer has their uids there."""
    fields, target = await _read_transfer(request, here)
    moved = await here.parts.mail.move(*here.ids, ranges_of(fields.uids), target.id)
    return Json(_moved(target, moved.uids, moved.target_uids))


@router.post("/copy", **route("copy_messages", shapes.MessagesMoved, openapi_extra=body("Transfer")))
async def copy_messages(here: TheFolder, request: Request) -> Response:
    """Copy up to 1,000 messages to another folder. The answer has the uids of the copies."""
    fields, target = await _read_transfer(request, here)
    copied = await here.parts.mail.copy(*here.ids, ranges_of(fields.uids), target.id)
    return Json(_moved(target, copied.uids, copied.target_uids))


@router.post("/delete", **route("delete_messages", shapes.MessagesMoved, openapi_extra=body("Removal")))
async def delete_many(here: TheFolder, request: Request) -> Response:
    """Move up to 1,000 messages to Trash; out of Trash, or `permanently`, they are gone for good."""
    fields = await read_fields(request, REMOVAL)
    return await _delete(here, fields.uids, fields.permanently)


async def _delete(here: InFolder, uids: list[int], permanently: bool) -> Response:
    deleted = await delete_messages(here.parts.mail, here.folder, uids, permanently=permanently)
    return Json(_moved(deleted.trash, deleted.uids, deleted.trash_uids) | {"deleted": True})


async def _change_flags(here: InFolder, draft: Draft[Any], uids: Sequence[int]) -> int:
    changes = []
    for way, words, place in ((Way.ADD, draft.fields.add, "/add"), (Way.REMOVE, draft.fields.remove, "/remove")):
        with draft.noting():
            flags, keywords = read_words(words, place)
            if flags or keywords:
                changes.append(FlagChange(way, int(flags), keywords))
    draft.end()
    modseq = here.folder.highestmodseq
    for change in changes:
        modseq = (await here.parts.mail.store_flags(*here.ids, ranges_of(uids), change)).modseq
    return modseq


async def _read_transfer(request: Request, here: InFolder) -> tuple[Transfer, Folder]:
    draft = await read_draft(request, Transfer)
    with draft.noting():
        target = await _target(draft.fields.to, here)
    return draft.end(), target


async def _target(text: str, here: InFolder) -> Folder:
    try:
        return await folder_of(text, here.mailbox, here.parts)
    except NotFound:
        raise ValidationFailed([Fault("/to", "`to` is no folder of this mailbox")]) from None


def _moved(target: Folder | None, uids: list[int], target_uids: list[int]) -> dict[str, Any]:
    return {
        "object": "messages",
        "folder": target.public_id if target else None,
        "uids": uids,
        "new_uids": target_uids,
    }
