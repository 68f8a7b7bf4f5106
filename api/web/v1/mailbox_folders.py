"""The folders of a mailbox, and what changed in one since a moment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request

from api.web.answers import Json
from api.web.bodies import read_fields
from api.web.dependencies import DomainManager, ThePartsOf
from api.web.drafts import read_draft
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.mailbox_places import folder_of, mailbox_of, no_nul
from api.web.v1.shapes import Deleted
from hourpost.errors import NotFound
from hourpost.mailboxes.changes_since import changes_since
from hourpost.mailboxes.flag_words import words_of
from hourpost.mailboxes.folders import Folder, get_folder_by_id, list_folders
from hourpost.rules.folder_names import INBOX

router = APIRouter(prefix="/mailboxes/{mailbox}/folders", tags=["mailboxes"])

_MOST_MODSEQ = 2**63 - 1


class NewFolder(BaseModel):
    """A folder to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Projects/Moon"}})

    name: str = Field(max_length=1000, description="Levels are divided by `/`; those that are missing are made too.")


class FolderChange(BaseModel):
    """What is to change of a folder."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Projects/Mars"}})

    name: str | None = Field(None, max_length=1000, description="What is below it moves along.")
    subscribed: bool | None = Field(None, description="Whether mail programs show it.")


NEW = TypeAdapter(NewFolder)
_FolderShape = shapes.FolderShape


@router.get("", **route("list_folders", shapes.FoldersListed))
async def list_mailbox_folders(mailbox: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """List all folders with their counts, by name."""
    found = await mailbox_of(mailbox, caller, parts)
    folders = await parts.mail.read(list_folders, found.id)
    return Json({"object": "list", "has_more": False, "data": [folder_view(one) for one in folders]})


@router.post("", **route("create_folder", _FolderShape, 201, openapi_extra=body("NewFolder")))
async def create_folder(mailbox: str, request: Request, caller: DomainManager, parts: ThePartsOf) -> Response:
    """Make a folder, and those above it that are missing."""
    found = await mailbox_of(mailbox, caller, parts)
    fields = await read_fields(request, NEW)
    no_nul({"/name": fields.name})
    return Json(folder_view(await parts.mail.create_folder(found.id, fields.name, subscribed=True)), 201)


@router.get("/{folder}", **route("get_folder", _FolderShape))
async def get_folder(mailbox: str, folder: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """Get a folder by its id, or by what it is for: `inbox`, `sent`, `drafts`, `junk`, `trash`, `archive`."""
    found = await mailbox_of(mailbox, caller, parts)
    return Json(folder_view(await folder_of(folder, found, parts)))


@router.patch("/{folder}", **route("update_folder", _FolderShape, openapi_extra=body("FolderChange")))
async def update_folder(
    mailbox: str, folder: str, request: Request, caller: DomainManager, parts: ThePartsOf
) -> Response:
    """Rename a folder, or subscribe to it. Of the inbox only the messages go to the new name."""
    found = await mailbox_of(mailbox, caller, parts)
    here = await folder_of(folder, found, parts)
    draft = await read_draft(request, FolderChange)
    with draft.noting():
        no_nul({"/name": draft.fields.name or ""})
    fields = draft.end()
    if fields.subscribed is not None:
        await parts.mail.subscribe(found.id, here.name, wanted=fields.subscribed)
    if fields.name is not None and fields.name != here.name:
        here = await parts.mail.rename_folder(found.id, here.name, fields.name)
    return Json(folder_view(await parts.mail.read(get_folder_by_id, found.id, here.id)))


@router.delete("/{folder}", **route("delete_folder", Deleted))
async def delete_folder(mailbox: str, folder: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """Delete a folder with its messages, for good. The inbox stays."""
    found = await mailbox_of(mailbox, caller, parts)
    here = await folder_of(folder, found, parts)
    await parts.mail.delete_folder(found.id, here.name)
    return Json({"object": "folder", "id": here.public_id, "deleted": True})


@router.get("/{folder}/changes", **route("list_folder_changes", shapes.FolderChanges))
async def list_folder_changes(
    mailbox: str,
    folder: str,
    caller: DomainManager,
    parts: ThePartsOf,
    since: Annotated[int, Query(ge=0, le=_MOST_MODSEQ, description="A `modseq` that you were told.")] = 0,
) -> Response:
    """List what has changed in a folder since a `modseq`: what is new, has other flags or is gone.

    Where `is_complete` is false, read the folder anew.
    """
    found = await mailbox_of(mailbox, caller, parts)
    here = await folder_of(folder, found, parts)
    changes = await parts.mail.read(changes_since, here.id, since)
    if changes is None:
        raise NotFound("There is no such folder.")
    names = await parts.mail.keyword_names_of(found.id, [n for row in changes.changed for n in row.keywords or ()])
    changed = [
        {"uid": row.uid, "modseq": row.modseq, "flags": words_of(row.flags, row.keywords, names)}
        for row in changes.changed
    ]
    told = {"object": "changes", "modseq": changes.modseq, "is_complete": changes.is_complete}
    return Json(told | {"changed": changed, "vanished": list(changes.vanished)})


def folder_view(folder: Folder) -> dict[str, Any]:
    """A folder as clients see it."""
    return {
        "object": "folder",
        "id": folder.public_id,
        "name": folder.name,
        "use": "inbox" if folder.name == INBOX else folder.special_use,
        "messages": folder.messages,
        "unseen": folder.unseen,
        "size_bytes": folder.size_bytes,
        "subscribed": folder.subscribed,
        "modseq": folder.highestmodseq,
        "uid_next": folder.uidnext,
        "uid_validity": folder.uidvalidity,
    }
