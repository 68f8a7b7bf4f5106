"""Messages as clients see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.web.v1.message_query import THREAD_PREFIX
from hourpost.mailboxes.flag_words import words_of
from hourpost.mailboxes.listing import Summary
from hourpost.mailboxes.messages import MessageRow
from hourpost.mailboxes.reading import AttachedFile, ReadableMessage
from hourpost.rules.ids import to_text

Names = Mapping[int, str]


def summary_view(one: Summary | MessageRow, names: Names) -> dict[str, Any]:
    """A message in a list."""
    return {
        "object": "message",
        "uid": one.uid,
        "modseq": one.modseq,
        "flags": words_of(one.flags, one.keywords, names),
        "thread": to_text(THREAD_PREFIX, one.thread_id),
        "message_id": one.message_id,
        "from": one.from_text,
        "to": one.to_text,
        "subject": one.subject,
        "preview": one.preview,
        "sent_at": one.sent_at,
        "received_at": one.received_at,
        "size_bytes": one.size_bytes,
        "has_attachments": one.has_attachments,
    }


def message_view(message: ReadableMessage, names: Names, address: str) -> dict[str, Any]:
    """One message to read; ``address`` is where it is read."""
    return summary_view(message.row, names) | {
        "cc": message.header("cc"),
        "reply_to": message.header("reply-to"),
        "headers": [{"name": name, "value": value} for name, value in message.headers],
        "text": message.text,
        "html": message.html,
        "blocked_images": message.blocked_images,
        "is_complete": not message.is_cut,
        "attachments": [_file_view(one, address) for one in message.files],
        "raw": f"{address}/raw",
    }


def _file_view(one: AttachedFile, address: str) -> dict[str, Any]:
    return {
        "id": one.section,
        "filename": one.filename,
        "content_type": one.content_type,
        "content_id": one.content_id,
        "size_bytes": one.size_bytes,
        "is_inline": one.is_inline,
        "address": f"{address}/attachments/{one.section}",
    }
