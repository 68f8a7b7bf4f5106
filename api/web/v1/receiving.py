"""Mail that came by routes, under the addresses and in the shape that clients written for Resend know."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from api.web.answers import Json, list_of
from api.web.dependencies import Manager, PageAsked, ThePartsOf, id_of, paging_of
from api.web.download_links import RAW, DownloadLinks
from api.web.parts import Parts
from api.web.v1 import inbound_shapes, shapes
from api.web.v1.attachments import NOT_KEPT, Attached, AttachmentPaging
from api.web.v1.documented import route
from hourpost.aside import aside
from hourpost.errors import NotFound
from hourpost.inbound import queries
from hourpost.inbound.addressees import PREFIX
from hourpost.inbound.queries import Filters, StoredInbound
from hourpost.rules.mail.attachments import list_attachments
from hourpost.rules.mail.decoding import decode_part
from hourpost.rules.mail.inline_pictures import inline_pictures
from hourpost.rules.submission import Standing
from hourpost.webhooks.received import describe_content

router = APIRouter(prefix="/emails/receiving", tags=["inbound"])

_Paging = Annotated[PageAsked, paging_of(PREFIX)]

PicturesAs = Annotated[
    Literal["data_uri", "cid"],
    Query(description="How `html` names pictures of the message: with their bytes, or by their `content_id`."),
]


@router.get("", **route("list_received_emails", inbound_shapes.ReceivedListed))
async def list_received(caller: Manager, parts: ThePartsOf, paging: _Paging) -> Response:
    """List the mail that came by routes as Resend does. `GET /v1/inbound` tells more of it, and has filters."""
    page = paging.cursor(PREFIX)
    async with parts.database.reading() as connection:
        return list_of((await queries.list_inbound(connection, caller.account_id, page, Filters())).map(_summary))


@router.get("/{email_id}", **route("get_received_email", inbound_shapes.ReceivedShape))
async def get_received(
    email_id: str, caller: Manager, parts: ThePartsOf, html_format: PicturesAs = "data_uri"
) -> Response:
    """Get a received email as Resend does: texts, headers, attachments, and a link to the whole message.

    `is_complete` is false where a text was cut at 256 Ki characters, or headers at 256 KiB.
    """
    email, content = await _load(parts, caller, email_id)
    if not content:
        raise NotFound(NOT_KEPT)
    describe = partial(_describe, content, with_pictures=html_format == "data_uri")
    read = await aside(len(content), describe, caller.account_id)
    links = DownloadLinks(parts.cipher, parts.settings.public_url)
    raw = links.to(caller.account_id, email.public_id, RAW, parts.clock.now())
    return Json({"object": "email"} | _summary(email) | read | {"raw": raw})


@router.get("/{email_id}/attachments", **route("list_received_attachments", shapes.AttachmentsListed))
async def list_received_attachments(
    email_id: str, caller: Manager, parts: ThePartsOf, asked: AttachmentPaging
) -> Response:
    """List what is attached to a received email, each with a link to fetch it by within an hour, without a key."""
    return await (await _attached(parts, caller, email_id)).list(asked)


@router.get("/{email_id}/attachments/{attachment_id}", **route("get_received_attachment", shapes.AttachmentShape))
async def get_received_attachment(email_id: str, attachment_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get one attachment of a received email, with a link to fetch it by within an hour, without a key."""
    return await (await _attached(parts, caller, email_id)).get(attachment_id)


async def _attached(parts: Parts, caller: Standing, email_id: str) -> Attached:
    email, content = await _load(parts, caller, email_id)
    return Attached(parts, caller.account_id, email.public_id, content)


async def _load(parts: Parts, caller: Standing, email_id: str) -> tuple[StoredInbound, bytes]:
    wanted = id_of(PREFIX, email_id, "email")
    async with parts.database.reading() as connection:
        email = await queries.get_inbound(connection, caller.account_id, wanted)
        return email, await queries.read_content(connection, email)


def _describe(content: bytes, *, with_pictures: bool) -> dict[str, Any]:
    read = describe_content(content)
    if read["html"] and with_pictures:
        attached = list_attachments(content)
        read["html"] = inline_pictures(read["html"], attached, lambda part: decode_part(content, part))
    return read | {"headers": {one["name"].lower(): one["value"] for one in reversed(read["headers"])}}


def _summary(one: StoredInbound) -> dict[str, Any]:
    listing = one.listing
    return {
        "id": one.public_id,
        "to": listing.get("to") or [one.recipient],
        "from": one.header_from,
        "created_at": one.received_at,
        "subject": one.subject,
        "bcc": [],
        "cc": listing.get("cc", []),
        "reply_to": listing.get("reply_to", []),
        "received_for": [one.recipient],
        "message_id": one.message_id,
        "attachments": listing.get("attachments", []),
    }
