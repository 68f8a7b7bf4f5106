"""Attachments: the parts of a message that are there to be kept, and what their files are called."""

from __future__ import annotations

from typing import Any

from hourpost.rules.mail.decoding import decode_part
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import Part


def list_attachments(content: bytes) -> list[Part]:
    """The parts of a message that have a file's name, or say that they are attached, or are no text."""
    return [part for part in scan(content).parts if is_attachment(part)] if content else []


def is_attachment(part: Part) -> bool:
    """Whether a part is there to be kept rather than read."""
    if part.media_type == "multipart":
        return False
    return bool(part.filename) or part.disposition == "attachment" or part.media_type not in ("text", "message")


def describe_attachment(content: bytes, part: Part) -> dict[str, Any]:
    """What there is to say of an attachment, for JSON; its size is that of the file, decoded."""
    return {
        "id": part.section,
        "filename": name_of(part),
        "content_type": f"{part.media_type}/{part.media_subtype}",
        "content_id": part.content_id,
        "content_disposition": "inline" if part.disposition != "attachment" and part.content_id else "attachment",
        "size": len(decode_part(content, part)),
    }


def name_of(part: Part) -> str:
    """What to call it in a folder: its own name without a path, or one made of its place and type."""
    name = (part.filename or "").replace("\\", "/").rpartition("/")[2].strip(". ")
    return name[:200] or f"part-{part.section}.{part.media_subtype or 'bin'}"
