"""Mail that came by a route: kept, and handed to the webhooks that wait for it. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from hourpost.database import HotStatement
from hourpost.inbound.addressees import PREFIX, Route
from hourpost.mailboxes.parcels import address_moved
from hourpost.rules.authentication import Authentication
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.mail.address_lists import parse_addresses
from hourpost.rules.mail.fields import find_header_end, first_values, list_fields
from hourpost.webhooks.received import Received, describe_authentication, describe_received

ROUTE_PREFIX = "rte"
CHUNK_BYTES = 256 * 1024
_MOST_ADDRESSES = 100

_STORE = HotStatement(
    """
WITH owned AS (
  SELECT FROM domains WHERE name = :domain AND account_id = :account AND status = 'verified'
), chunks AS (
  INSERT INTO content_chunks (content_id, number, bytes)
  SELECT :id, c.number, c.bytes
  FROM owned, unnest(CAST(:number AS int[]), CAST(:bytes AS bytea[])) AS c(number, bytes)
)
INSERT INTO inbound_emails (id, account_id, route_id, recipient, envelope_from, header_from, subject, message_id,
  authentication, listing, size_bytes, received_at)
SELECT :id, :account, :route, :recipient, :envelope_from, :header_from, :subject, :message_id,
  CAST(CAST(:authentication AS text) AS jsonb), CAST(CAST(:listing AS text) AS jsonb), :size, :now FROM owned
RETURNING id
"""
)
# The route's own webhook, and those of the account that ask for every mail that comes in
_CALL = HotStatement(
    """
INSERT INTO webhook_calls (webhook_id, event_id, kind, payload, due_at, created_at)
SELECT w.id, :event, 'received', CAST(CAST(:payload AS text) AS jsonb), :now, :now FROM webhooks w
WHERE w.account_id = :account AND (w.id = :webhook OR 'received' = ANY(w.kinds)) AND w.disabled_at IS NULL
"""
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail for one address with a route."""

    id: UUID
    route: Route
    recipient: str
    envelope_from: str
    header_from: str
    subject: str
    message_id: str
    authentication: Authentication | None
    content: bytes = field(repr=False)
    received_at: datetime

    def tell(self) -> Told:
        """What is told about it: the mail is read for it, which takes a while for a large one."""
        payload = describe_received(self._received())
        listing = list_addresses(self.content) | {"attachments": payload["attachments"]}
        return Told(orjson.dumps(payload).decode(), orjson.dumps(listing).decode())

    def _received(self) -> Received:
        return Received(
            email_id=to_text(PREFIX, self.id),
            route_id=to_text(ROUTE_PREFIX, self.route.id),
            received_at=self.received_at,
            envelope_from=self.envelope_from,
            recipient=self.recipient,
            header_from=self.header_from,
            subject=self.subject,
            message_id=self.message_id,
            authentication=self.authentication,
            content=self.content,
        )


class Told(NamedTuple):
    """What the webhooks are told about a mail, and what lists show of its content; both JSON."""

    payload: str
    listing: str


async def store_arrival(connection: asyncpg.Connection, arrival: Arrival, told: Told) -> None:
    """Keep it, and have the webhooks called. Raises: ServiceUnavailable where its domain has changed hands."""
    now = arrival.received_at
    content, route = arrival.content, arrival.route
    starts = range(0, len(content) or 1, CHUNK_BYTES)
    found = describe_authentication(arrival.authentication)
    stored = await _STORE.run(
        connection,
        {
            "id": arrival.id,
            "number": list(range(len(starts))),
            "bytes": [content[start : start + CHUNK_BYTES] for start in starts],
            "account": route.account_id,
            "route": route.id,
            "recipient": arrival.recipient,
            "domain": arrival.recipient.rpartition("@")[2],
            "envelope_from": arrival.envelope_from,
            "header_from": arrival.header_from,
            "subject": arrival.subject,
            "message_id": arrival.message_id,
            "authentication": orjson.dumps(found).decode() if found else None,
            "listing": told.listing,
            "size": len(content),
            "now": now,
        },
    )
    if not stored:
        raise address_moved()
    arguments = {"account": route.account_id, "webhook": route.webhook_id, "event": new_id(), "now": now}
    await _CALL.run(connection, arguments | {"payload": told.payload})


def list_addresses(content: bytes) -> dict[str, Any]:
    """The addresses that a message names beside its sender, for JSON."""
    end = find_header_end(content, 0, len(content))
    fields = first_values(list_fields(content, 0, end))
    return {name: _addresses(fields.get(name.replace("_", "-").encode())) for name in ("to", "cc", "reply_to")}


def _addresses(value: bytes | None) -> list[str]:
    found = parse_addresses(value, _MOST_ADDRESSES) if value else []
    named = ((one.display_name, one.spec) for one in found if one.mailbox and one.host)
    return [f"{name} <{spec}>" if name else spec for name, spec in named]
