"""What is read off a message's bytes once, when it comes in: rows of ``message_contents`` and ``message_texts``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

PARSER_VERSION = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message ready to be stored; texts hold nothing that PostgreSQL refuses."""

    parser_version: int
    header_size: int
    envelope: bytes
    body: bytes
    bodystructure: bytes
    parts: bytes
    message_id: str
    in_reply_to: str
    reference_ids: tuple[str, ...]
    subject: str
    base_subject: str
    from_key: str
    to_key: str
    cc_key: str
    display_from: str
    display_to: str
    sent_at: datetime | None
    preview: str
    has_attachments: bool
    search_header: str
    search_text: str


def render(content: bytes) -> Rendered:
    """Read everything off ``content``; never raises, whatever the bytes are."""
    header, _, text = content.partition(b"\r\n\r\n")
    shown = header.decode("utf-8", "replace").replace("\0", "")
    fields = dict(line.partition(": ")[::2] for line in shown.split("\r\n"))
    return Rendered(
        parser_version=PARSER_VERSION,
        header_size=len(header) + 4,
        envelope=b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        body=b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" %d %d)' % (len(text), text.count(b"\n")),
        bodystructure=b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" %d %d NIL NIL NIL NIL)' % (len(text), text.count(b"\n")),
        parts=b"[]",
        message_id=fields.get("Message-ID", ""),
        in_reply_to=fields.get("In-Reply-To", ""),
        reference_ids=tuple(fields.get("References", "").split()),
        subject=fields.get("Subject", ""),
        base_subject=fields.get("Subject", ""),
        from_key=fields.get("From", ""),
        to_key=fields.get("To", ""),
        cc_key=fields.get("Cc", ""),
        display_from=fields.get("From", ""),
        display_to=fields.get("To", ""),
        sent_at=None,
        preview=text[:200].decode("utf-8", "replace").replace("\0", ""),
        has_attachments=False,
        search_header=shown.lower(),
        search_text=text[:262144].decode("utf-8", "replace").replace("\0", "").lower(),
    )
