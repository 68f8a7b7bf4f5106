"""Pictures of a message, put into its HTML: its frame has no origin, so browsers send no session to fetch them."""

from __future__ import annotations

import base64

from hourpost.mailboxes import reading
from hourpost.mailboxes.messages import MessageRow
from hourpost.mailboxes.store import MailStore

KINDS = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_MOST_BYTES = 10 * 1024 * 1024


async def embed_pictures(store: MailStore, message: reading.ReadableMessage, page: str, place: str) -> str:
    """The page with the message's own pictures in it, as many as have room; ``place`` begins their addresses."""
    left = _MOST_BYTES
    for file in message.files:
        address = f'"{place}/{file.section}"'
        if file.content_type not in KINDS or file.size_bytes > left or address not in page:
            continue
        left -= file.size_bytes
        content = base64.b64encode(await _read(store, message.row, file.section)).decode()
        page = page.replace(address, f'"data:{file.content_type};base64,{content}"')
    return page


async def _read(store: MailStore, row: MessageRow, section: str) -> bytes:
    part = await reading.find_part(store, row, section)
    return b"".join([piece async for piece in reading.stream_part(store, row, part)])
