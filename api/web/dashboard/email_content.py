"""The content of an email: a preview for a sandboxed frame, the message as it was accepted, and what is attached."""

from __future__ import annotations

import base64
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.web.dashboard.visitors import Reader, Visitor
from api.web.dependencies import id_of
from api.web.saved_files import download, stream
from hourpost.emails import queries
from hourpost.emails.queries import StoredEmail
from hourpost.errors import NotFound
from hourpost.mailboxes.reading import open_raw
from hourpost.rules.mail.attachments import list_attachments, name_of
from hourpost.rules.mail.decoding import decode_part
from hourpost.rules.mail.safe_html import make_safe_html
from hourpost.rules.mail.written import read_written

router = APIRouter()

PATH = "/app/emails"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups; frame-ancestors 'self'"
_FRAME = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light">'
    '<base target="_blank"><style>body{{font:15px/1.5 system-ui,sans-serif;margin:12px;overflow-wrap:anywhere}}'
    "img{{max-width:100%;height:auto}}</style>{}"
)
_PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_MOST_PICTURE_BYTES = 10 * 1024 * 1024


@router.get(PATH + "/{email_id}/preview")
async def get_preview(email_id: str, visitor: Reader) -> Response:
    """The HTML of an email as a page of its own, for a sandboxed frame: no script, no origin, nothing loaded."""
    _, content = await load_email(visitor, email_id)
    html = (read_written(content).html if content else None) or "<p>This email has no HTML.</p>"
    return HTMLResponse(_FRAME.format(_with_pictures(content, html)), headers={"Content-Security-Policy": _POLICY})


@router.get(PATH + "/{email_id}/source")
async def get_source(email_id: str, visitor: Reader) -> Response:
    """The message as it was accepted, to keep."""
    email, _ = await load_email(visitor, email_id, with_content=False)
    gone = "The content of this email is no longer kept."
    pieces = await open_raw(visitor.parts.mail, email.content_id, email.size_bytes, gone)
    return stream(pieces, email.size_bytes, "message/rfc822", f"{email_id}.eml")


@router.get(PATH + "/{email_id}/attachments/{number}")
async def get_attachment(email_id: str, number: int, visitor: Reader) -> Response:
    """One attachment, always to keep and never to show: it may hold anything."""
    _, content = await load_email(visitor, email_id)
    parts = list_attachments(content)
    if not 0 <= number < len(parts):
        raise NotFound("There is no such attachment.")
    return download(decode_part(content, parts[number]), "application/octet-stream", name_of(parts[number]))


async def load_email(visitor: Visitor, email_id: str, *, with_content: bool = True) -> tuple[StoredEmail, bytes]:
    """An email of the account and its bytes, which are empty once they are no longer kept. Raises: NotFound."""
    async with visitor.parts.database.reading() as connection:
        email = await queries.get_email(connection, visitor.account.id, id_of_email(email_id))
        return email, await queries.read_content(connection, email) if with_content else b""


def id_of_email(email_id: str) -> UUID:
    """The id behind ``em_…``. Raises: NotFound."""
    return id_of("em", email_id, "email")


def _with_pictures(content: bytes, html: str) -> str:
    """What may be shown of the HTML, with the email's own pictures in it: a frame without origin can fetch none."""
    parts = [part for part in list_attachments(content) if part.content_id]
    safe = make_safe_html(html, {part.content_id or "": _place(part.section) for part in parts}).html
    left = _MOST_PICTURE_BYTES
    for part in parts:
        kind, place = f"{part.media_type}/{part.media_subtype}", f'"{_place(part.section)}"'
        if kind not in _PICTURES or part.body_size > left or place not in safe:
            continue
        picture = base64.b64encode(decode_part(content, part)).decode()
        shown = min(safe.count(place), left // max(1, part.body_size))  # as often as there is room
        left -= shown * part.body_size
        safe = safe.replace(place, f'"data:{kind};base64,{picture}"', shown)
    return safe


def _place(section: str) -> str:
    return f"picture/{section}"
