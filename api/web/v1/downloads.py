"""Files of emails, fetched by a link that carries its own permission."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.web import saved_files
from api.web.dependencies import ThePartsOf, id_of
from api.web.download_links import RAW, DownloadLinks
from api.web.parts import Parts
from api.web.v1.attachments import NOT_KEPT, get_attachment
from api.web.v1.documented import download
from hourpost.aside import aside
from hourpost.emails import queries as emails
from hourpost.errors import NotFound
from hourpost.inbound import queries as inbound
from hourpost.inbound.addressees import PREFIX as INBOUND
from hourpost.rules.mail.attachments import name_of
from hourpost.rules.mail.decoding import decode_part

router = APIRouter(prefix="/downloads", tags=["emails"])

_SENT = "em"


@router.get(
    "/{file_of}/{place}",
    **download("download_file", "application/octet-stream", "The file, decoded; of `raw`, the message."),
)
async def download_file(
    file_of: str,
    place: str,
    parts: ThePartsOf,
    token: Annotated[str, Query(max_length=200, description="What seals the link: for this file, for an hour.")],
) -> Response:
    """Fetch a file by the `download_url` of an attachment, without a key. It is always to be saved, never shown."""
    account_id = DownloadLinks(parts.cipher, parts.settings.public_url).open(token, file_of, place, parts.clock.now())
    content = await _read(parts, account_id, file_of)
    if place == RAW:
        return saved_files.download(content, "message/rfc822", f"{file_of}.eml")
    part = await aside(len(content), lambda: get_attachment(content, place), account_id)
    decoded = await aside(part.body_size, lambda: decode_part(content, part), account_id)
    return saved_files.download(decoded, "application/octet-stream", name_of(part))


async def _read(parts: Parts, account_id: UUID, file_of: str) -> bytes:
    """The bytes of an email of this account, sent or received. Raises: NotFound."""
    async with parts.database.reading() as connection:
        if file_of.startswith(f"{_SENT}_"):
            sent = await emails.get_email(connection, account_id, id_of(_SENT, file_of, "email"))
            content = await emails.read_content(connection, sent)
        else:
            received = await inbound.get_inbound(connection, account_id, id_of(INBOUND, file_of, "email"))
            content = await inbound.read_content(connection, received)
    if not content:
        raise NotFound(NOT_KEPT)
    return content
