"""Pictures of a message, put into its HTML: its frame has no origin, so browsers send no session to fetch them."""

from __future__ import annotations

import base64
import re

from hourpost.mailboxes import reading
from hourpost.mailboxes.messages import MessageRow
from hourpost.mailboxes.store import MailStore

KINDS = {kind: kind for kind in ("image/png", "image/jpeg", "image/gif", "image/webp")} | {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
}
"""What browsers show without running anything in it, by the names under which programs send it."""
_UNNAMED = "application/octet-stream"
_SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_MOST_BYTES = 10 * 1024 * 1024
_MOST_WRITTEN = 2 * _MOST_BYTES


async def embed_pictures(store: MailStore, message: reading.ReadableMessage, page: str, place: str) -> str:
    """The page with the message's own pictures in it, as many as have room; ``place`` begins their addresses.

    A picture that the page shows again and again has room so often.
    """
    left = _MOST_WRITTEN
    for section, kind in (await find_embedded(store, message, page, place)).items():
        content = base64.b64encode(await _read(store, message.row, section)).decode()
        shown = min(page.count(f'"{place}/{section}"'), left // max(1, len(content)))
        page = page.replace(f'"{place}/{section}"', f'"data:{kind};base64,{content}"', shown)
        left -= shown * len(content)
    return page


async def find_embedded(store: MailStore, message: reading.ReadableMessage, page: str, place: str) -> dict[str, str]:
    """The pictures that are put into the page, by their numbers, and what each of them is."""
    left, found = _MOST_BYTES, {}
    for file in message.files:
        if file.size_bytes > left or f'"{place}/{file.section}"' not in page:
            continue
        kind = await _kind_of(store, message.row, file)
        if kind is not None:
            left -= file.size_bytes
            found[file.section] = kind
    return found


async def _kind_of(store: MailStore, row: MessageRow, file: reading.AttachedFile) -> str | None:
    """The kind of a picture that can be shown; of a file that says nothing of itself, as it begins."""
    if file.content_type != _UNNAMED:
        return KINDS.get(file.content_type)
    part = await reading.find_part(store, row, file.section)
    first = await anext(reading.stream_part(store, row, part), b"")
    return next((kind for kind, signature in _SIGNATURES.items() if signature.match(first)), None)


async def _read(store: MailStore, row: MessageRow, section: str) -> bytes:
    part = await reading.find_part(store, row, section)
    return b"".join([piece async for piece in reading.stream_part(store, row, part)])
