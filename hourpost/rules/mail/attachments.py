"""Attachments: the parts of a message that are there to be kept, and what their files are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hourpost.rules.mail.body_parts import Body, find_own_body, is_blank, list_files
from hourpost.rules.mail.decoding import decode_part
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import Part


def list_attachments(content: bytes) -> list[Part]:
    """The parts of a message that are there to be kept: all but the multiparts and its text."""
    return list_files_of(content, *find_own_body(content, scan(content).parts)) if content else []


def list_files_of(content: bytes, parts: Sequence[Part], body: Body) -> list[Part]:
    """The same of parts that were found, with what says the text once more: a program may want it."""
    return list_files(parts, body._replace(other=tuple(part for part in body.other if is_blank(part, content))))


def find_attachment(content: bytes, section: str) -> Part | None:
    """The part with this number, whether it is listed or lies in a message that is."""
    parts = scan(content).parts if content else ()
    return next((part for part in parts if part.section == section and part.media_type != "multipart"), None)


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
