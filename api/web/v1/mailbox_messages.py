"""The messages of a folder: lists, one message to read, its bytes, what is attached."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from api.web.answers import Json
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import download, route
from api.web.v1.mailbox_places import InFolder, TheFolder, Uid
from api.web.v1.message_query import MessageQuery
from api.web.v1.message_views import message_view, summary_view
from hourpost.mailboxes import listing, reading
from hourpost.rules.mail.scanned import Part

router = APIRouter(prefix="/mailboxes/{mailbox}/folders/{folder}/messages", tags=["mailboxes"])

_SHOWN_TYPES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


@router.get("", **route("list_messages", shapes.MessagesListed))
async def list_messages(here: TheFolder, asked: Annotated[MessageQuery, Query()]) -> Response:
    """List messages, those first that came into the folder last; those found, where something is looked for.

    A search looks at 10,000 messages at a time: where it ends before its page is full, `has_more` is true and
    `searched_to` is the uid to give as `after` (or `before`) to look further.
    """
    mail = here.parts.mail
    page = await mail.read(listing.list_summaries, here.folder.id, asked.search, asked.cursor)
    names = await mail.keyword_names_of(here.mailbox.id, listing.keyword_numbers(page.rows))
    further = {} if page.searched_to is None else {"searched_to": page.searched_to}
    data = [summary_view(one, names) for one in page.rows]
    return Json({"object": "list", "has_more": page.has_more, "data": data} | further)


@router.get("/{uid}", **route("get_message", shapes.MessageShape))
async def get_message(
    here: TheFolder,
    uid: Uid,
    images: Annotated[bool, Query(description="Whether pictures from elsewhere stay in the HTML.")] = False,
) -> Response:
    """Get a message to read. Its HTML is made safe; pictures from elsewhere tell their sender who reads, and are out.

    Reading it so does not mark it as seen.
    """
    base = address_of(here, uid)
    place = reading.Place(here.caller.account_id, here.folder.id, uid)
    message = await reading.read_message(
        here.parts.mail, place, lambda section: f"{base}/attachments/{section}", with_images=images
    )
    names = await here.parts.mail.keyword_names_of(here.mailbox.id, message.row.keywords or [])
    return Json(message_view(message, names, base))


@router.get("/{uid}/raw", **download("download_message", "message/rfc822", "The message."))
async def get_message_raw(here: TheFolder, uid: Uid) -> Response:
    """Get a message byte for byte as it came."""
    row = await reading.find_row(here.parts.mail, here.folder.id, uid)
    pieces = await reading.open_raw(here.parts.mail, row.content_id, row.size_bytes, "There is no such message.")
    about = {"Content-Disposition": f'attachment; filename="{uid}.eml"', "Content-Length": str(row.size_bytes)}
    return StreamingResponse(pieces, media_type="message/rfc822", headers=_SAFE_HEADERS | about)


@router.get(
    "/{uid}/attachments/{section}",
    **download("get_attachment", "application/octet-stream", "What is attached, decoded."),
)
async def get_attachment(here: TheFolder, uid: Uid, section: str) -> Response:
    """Get what is attached, by its number. Only pictures say what they are; browsers open nothing else."""
    row = await reading.find_row(here.parts.mail, here.folder.id, uid)
    part = await reading.find_part(here.parts.mail, row, section)
    headers = _SAFE_HEADERS | {"Content-Disposition": _disposition(part)}
    kind = f"{part.media_type}/{part.media_subtype}"
    media_type = kind if kind in _SHOWN_TYPES else "application/octet-stream"
    return StreamingResponse(reading.stream_part(here.parts.mail, row, part), media_type=media_type, headers=headers)


def address_of(here: InFolder, uid: int) -> str:
    """Where the message is read."""
    return f"/v1/mailboxes/{here.mailbox.public_id}/folders/{here.folder.public_id}/messages/{uid}"


def _disposition(part: Part) -> str:
    """A picture may be shown; everything else is saved (RFC 6266)."""
    way = "inline" if f"{part.media_type}/{part.media_subtype}" in _SHOWN_TYPES else "attachment"
    name = (part.filename or f"part-{part.section}").replace("/", "_").replace("\\", "_")
    plain = "".join(char if (char.isascii() and char.isalnum()) or char in "._- " else "_" for char in name)
    return f"{way}; filename=\"{plain[:100]}\"; filename*=UTF-8''{quote(name[:200], safe='')}"
