"""What a webhook is told of a mail that came by a route, and what REST says of the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hourpost.rules.authentication import Authentication
from hourpost.rules.mail.attachments import describe_attachment
from hourpost.rules.mail.written import read_written

_TEXT_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One mail for one address; ids are those that clients know."""

    email_id: str
    route_id: str
    received_at: datetime
    envelope_from: str
    recipient: str
    header_from: str
    subject: str
    message_id: str
    authentication: Authentication | None
    content: bytes = field(repr=False)


def describe_received(mail: Received) -> dict[str, Any]:
    """The data of ``email.received``: the mail is read for it, which takes a while for a large one."""
    received_at = mail.received_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return {
        "email_id": mail.email_id,
        "route_id": mail.route_id,
        "created_at": received_at.replace("+00:00", "Z"),
        "envelope": {"from": mail.envelope_from, "to": mail.recipient},
        "from": mail.header_from,
        "to": [mail.recipient],
        "subject": mail.subject,
        "message_id": mail.message_id,
        "authentication": describe_authentication(mail.authentication),
        **describe_content(mail.content),
    }


def describe_authentication(found: Authentication | None) -> dict[str, Any] | None:
    """SPF, DKIM and DMARC for JSON."""
    if found is None:
        return None
    return {
        "spf": {"result": found.spf.result, "domain": found.spf.domain},
        "dkim": [{"result": one.result, "domain": one.domain, "selector": one.selector} for one in found.signatures],
        "dmarc": {"result": found.dmarc.result, "domain": found.dmarc.domain, "policy": found.dmarc.action or None},
    }


def describe_content(content: bytes) -> dict[str, Any]:
    """What a message holds, for JSON: texts up to 256 Ki characters, attachments without their content.

    ``is_complete`` is False where a text was cut, or the reader has left out something.
    """
    read = read_written(content)
    is_long = any(len(text or "") > _TEXT_CHARACTERS for text in (read.text, read.html))
    return {
        "text": _cut(read.text),
        "html": _cut(read.html),
        "headers": [{"name": name, "value": value} for name, value in read.headers],
        "attachments": [describe_attachment(content, part) for part in read.files],
        "is_complete": read.is_complete and not is_long,
    }


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_TEXT_CHARACTERS]
