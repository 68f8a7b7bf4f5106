"""The messages of a mailbox, whatever folders they lie in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.web.answers import Json
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import route
from api.web.v1.mailbox_places import TheMailbox
from api.web.v1.message_query import EverywhereQuery, spot_text
from api.web.v1.message_views import summary_view
from hourpost.mailboxes import listing
from hourpost.mailboxes.folders import list_folders

router = APIRouter(prefix="/mailboxes/{mailbox}/messages", tags=["mailboxes"])


@router.get("", **route("list_all_messages", shapes.AllMessagesListed))
async def list_all_messages(here: TheMailbox, asked: Annotated[EverywhereQuery, Query()]) -> Response:
    """List the messages of all folders, those that came last first; those found, where something is looked for.

    Where `has_more` is true, `next` is what to give as `after`. A search looks at 10,000 messages at a time, so a page
    may have few messages, or none, and still others follow.
    """
    mail = here.parts.mail
    page = await mail.read(listing.list_everywhere, here.mailbox.id, asked.search, asked.limit, asked.spot)
    names = await mail.keyword_names_of(here.mailbox.id, listing.keyword_numbers([one for _, one in page.rows]))
    folders = {folder.id: folder for folder in await mail.read(list_folders, here.mailbox.id)}
    data = [
        summary_view(one, names) | {"folder": folders[place].public_id, "folder_name": folders[place].name}
        for place, one in page.rows
        if place in folders
    ]
    answer: dict[str, Any] = {"object": "list", "has_more": page.next is not None, "data": data}
    return Json(answer if page.next is None else answer | {"next": spot_text(page.next)})
