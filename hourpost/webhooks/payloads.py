"""What a webhook is told: the event in Resend's shape, read from the rows as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.control import write_labels
from hourpost.rules.ids import delivery_to_text, to_text
from hourpost.webhooks.kinds import TYPES

Key = tuple[UUID, UUID]
"""Webhook and event."""

# In order of the keys, so that each is one probe of three primary keys.
_READ = text(
    """
SELECT c.webhook_id, c.event_id, c.kind, c.payload, c.created_at AS called_at, v.at, v.position, v.detail, d.address,
  e.id AS email_id, e.message_id, e.header_from, e.subject, e.tags, e.metadata, e.test, e.created_at
FROM unnest(CAST(:webhooks AS uuid[]), CAST(:events AS uuid[])) AS k(webhook, event)
JOIN webhook_calls c ON c.webhook_id = k.webhook AND c.event_id = k.event
LEFT JOIN events v ON v.email_id = c.email_id AND v.id = c.event_id
LEFT JOIN deliveries d ON d.email_id = v.email_id AND d.position = v.position
LEFT JOIN emails e ON e.id = v.email_id
"""
)


async def payloads_of(connection: AsyncConnection, keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    """The bodies of these calls; those whose email is gone are missing."""
    rows = await connection.execute(_READ, {"webhooks": [key[0] for key in keys], "events": [key[1] for key in keys]})
    return {
        (row.webhook_id, row.event_id): _payload(row)
        for row in rows
        if row.payload is not None or row.email_id is not None
    }


def _payload(row: Any) -> dict[str, Any]:
    data = row.payload if row.payload is not None else data_of(row)
    return {"type": TYPES[row.kind], "created_at": moment_of(row.at or row.called_at), "data": data}


def data_of(row: Any) -> dict[str, Any]:
    """What is told of an event of an email: of the email, and of this kind of event."""
    return _email(row) | _particulars(row)


def _email(row: Any) -> dict[str, Any]:
    data = {
        "email_id": to_text("em", row.email_id),
        "message_id": row.message_id,
        "created_at": moment_of(row.created_at),
        "from": row.header_from,
        "to": [row.address],
        "subject": row.subject,
        "tags": {tag["name"]: tag["value"] for tag in row.tags or ()},
        "delivery_id": delivery_to_text(row.email_id, row.position),
    }
    headers = write_labels(row.tags or (), row.metadata)
    if headers:
        data["headers"] = headers
    if row.metadata is not None:
        data["metadata"] = row.metadata
    if row.test:
        data["test"] = True
    return data


def _particulars(row: Any) -> dict[str, Any]:
    """What only this kind of event has."""
    detail = row.detail or {}
    reply = detail.get("reply") or detail.get("reason")
    if row.kind == "scheduled":
        return {"scheduled_at": detail["scheduled_at"]} if "scheduled_at" in detail else {}
    particulars: dict[str, dict[str, Any]] = {
        "bounced": {"bounce": _bounce(detail, reply)},
        "failed": {"failed": {"reason": reply or row.kind}},
        "expired": {"failed": {"reason": reply or row.kind}},
        "suppressed": {"suppressed": {"message": "The address is suppressed.", "type": "OnAccountList"}},
        "deferred": {"delay": {"reason": reply, "next_attempt_at": detail.get("next_attempt_at")}},
        "unknown": {"delay": {"reason": reply, "next_attempt_at": detail.get("next_attempt_at")}},
        "complained": {"complaint": detail},
        "replied": {"reply": detail},
    }
    return particulars.get(row.kind, {})


def _bounce(detail: dict[str, Any], reply: str | None) -> dict[str, Any]:
    bounce = {"type": "Permanent", "subType": _sub_type(detail.get("enhanced") or ""), "message": reply or ""}
    codes = [str(detail[name]) for name in ("code", "enhanced") if detail.get(name)]
    if codes:
        bounce["diagnosticCode"] = f"smtp; {' '.join([*codes, reply or ''])}".rstrip()
    return bounce


def _sub_type(enhanced: str) -> str:
    """The word of the trade for an enhanced status code (RFC 3463)."""
    detail = enhanced.partition(".")[2]
    return {"1.1": "NoEmail", "1.10": "NoEmail", "2.2": "MailboxFull", "3.4": "MessageTooLarge"}.get(
        detail, "ContentRejected" if detail.startswith("6.") else "General"
    )


def moment_of(value: datetime) -> str:
    """A moment as payloads have it."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
