"""Emails as the API shows them: Resend's fields, and what we say beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hourpost.emails.queries import StoredAttempt, StoredDelivery, StoredEmail, StoredEvent
from hourpost.emails.status import last_event_of, status_of
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import delivery_to_text, to_text
from hourpost.rules.mail.attachments import describe_attachment
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mail.written import read_written


def list_view(email: StoredEmail) -> dict[str, Any]:
    """An email in a list."""
    status = status_of(one.state for one in email.deliveries)
    return {
        "id": to_text("em", email.id),
        "object": "email",
        "message_id": email.message_id,
        "from": email.header_from,
        "to": email.parts.get("to") or [],
        "cc": email.parts.get("cc") or [],
        "bcc": email.parts.get("bcc") or [],
        "reply_to": email.parts.get("reply_to") or [],
        "subject": email.subject,
        "status": status,
        "last_event": last_event_of(status, is_complained_of=email.is_complained_of),
        "tags": email.tags or [],
        "created_at": email.created_at,
        "scheduled_at": email.scheduled_at,
    }


def email_view(email: StoredEmail, leaving: Mapping[int, datetime]) -> dict[str, Any]:
    """An email by itself, without its content; ``leaving``: when its held recipients leave, by position."""
    return list_view(email) | {
        "expires_at": email.expires_at,
        "metadata": email.metadata,
        "source": email.source,
        "test": email.test,
        "size_bytes": email.size_bytes,
        "recipients": [_recipient(email, one, leaving) for one in email.deliveries],
    }


def content_view(content: bytes) -> dict[str, Any]:
    """What an email says; all null once its content is no longer kept."""
    if not content:
        return {"html": None, "text": None, "headers": None, "attachments": None}
    message = read_written(content)
    return {
        "html": message.html,
        "text": message.text,
        "headers": [{"name": name, "value": value} for name, value in message.headers],
        "attachments": [_attachment(content, part) for part in message.files],
    }


def event_view(email: StoredEmail, event: StoredEvent) -> dict[str, Any]:
    """One event of an email."""
    addresses = {one.position: one.address for one in email.deliveries}
    return {
        "id": to_text("evt", event.id),
        "object": "event",
        "type": f"email.{event.kind}",
        "delivery_id": delivery_to_text(email.id, event.position),
        "address": addresses.get(event.position),
        "created_at": event.at,
        "detail": event.detail,
    }


def attempt_view(email: StoredEmail, attempt: StoredAttempt) -> dict[str, Any]:
    """One try at a delivery."""
    return {
        "object": "attempt",
        "delivery_id": delivery_to_text(email.id, attempt.position),
        "number": attempt.number,
        "outcome": attempt.outcome,
        "relay": attempt.relay,
        "stage": attempt.stage,
        "code": attempt.code,
        "enhanced_code": attempt.enhanced,
        "reply": attempt.reply,
        "tls": attempt.tls,
        "started_at": attempt.started_at,
        "seconds": round(attempt.seconds, 6),
    }


def _recipient(email: StoredEmail, one: StoredDelivery, leaving: Mapping[int, datetime]) -> dict[str, Any]:
    is_due = one.state in (State.SCHEDULED, State.DEFERRED)
    return {
        "id": delivery_to_text(email.id, one.position),
        "address": one.address,
        "status": one.state,
        "attempts": one.attempts,
        "waits_for": _waits_for(one),
        "next_at": one.due_at if is_due else leaving.get(one.position),
        "changed_at": one.changed_at,
    }


def _attachment(content: bytes, part: Part) -> dict[str, Any]:
    described = describe_attachment(content, part)
    return described | {"size_bytes": described["size"]}


def _waits_for(one: StoredDelivery) -> str | None:
    return {State.HELD: "plan", State.SCHEDULED: "schedule", State.DEFERRED: one.waits_for}.get(one.state)
