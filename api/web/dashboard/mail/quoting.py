"""Quoting: what an answer or a forward begins with."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from api.web.dashboard.mail.letters import NOWHERE
from hourpost.mailboxes.reading import ReadableMessage
from hourpost.rules.mail.page_lines import read_lines

_MOST_CHARACTERS = 100_000  # of what is answered; who reads on has the message


def sign(signature: str) -> str:
    """The signature below the room for what is written, behind the mark that programs know (RFC 3676 §4.3)."""
    return f"\n\n-- \n{signature}" if signature else ""


def quote_reply(message: ReadableMessage) -> str:
    """The text of the message, each line marked."""
    head = f"\n\n{_said(message)}\n"
    text = text_of(message).strip()
    lines = text[:_MOST_CHARACTERS].splitlines() + ["[…]"] * (len(text) > _MOST_CHARACTERS)
    return head + "\n".join(f">{'' if line.startswith('>') else ' '}{line}" for line in lines)


def _said(message: ReadableMessage) -> str:
    """On 25 Nov 2026 at 21:30, Ada wrote: by the clock of who wrote it."""
    writer = message.row.from_text.replace(NOWHERE, "") or "somebody"
    try:
        sent = parsedate_to_datetime(message.header("date") or "")
    except (ValueError, OverflowError, IndexError):  # whoever sent it may have written anything
        return f"{writer} wrote:"
    return f"On {sent.day} {sent:%b %Y} at {sent:%H:%M}, {writer} wrote:"


def quote_forward(message: ReadableMessage) -> dict[str, str]:
    """Subject and text of a forward; what is attached goes with it, and a page as it came."""
    subject = " ".join((message.header("subject") or "").split())
    lines = [
        f"{name.capitalize()}: {message.header(name)}"
        for name in ("from", "date", "subject", "to")
        if message.header(name)
    ]
    text = "\n\n---------- Forwarded message ----------\n" + "\n".join(lines) + "\n\n"
    text += text_of(message, with_links=True).strip()
    return {"subject": subject if subject.lower().startswith("fwd:") else f"Fwd: {subject}".rstrip(), "text": text}


def text_of(message: ReadableMessage, *, with_links: bool = False) -> str:
    """What a message says, as plain text; of one that is nothing but a page, ``with_links``, where its links lead."""
    return message.text if message.text is not None else read_lines(message.html or "", with_links=with_links).strip()
