"""Reading webhooks, the events they were called for, and the attempts, always of one account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import NotFound
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.ids import to_text
from hourpost.webhooks.kinds import TYPES, types_of
from hourpost.webhooks.payloads import payloads_of

PREFIX, EVENT_PREFIX, ATTEMPT_PREFIX = "whk", "evt", "att"

Hook, Call, Attempt = tables.Webhook, tables.WebhookCall, tables.WebhookAttempt


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address of a customer, and what it is called for. ``failing_since``: nothing has arrived there since then."""

    id: UUID
    account_id: UUID
    endpoint: str
    kinds: tuple[str, ...]
    secret: bytes  # encrypted
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime

    @property
    def public_id(self) -> str:
        """``whk_…``."""
        return to_text(PREFIX, self.id)

    @property
    def types(self) -> list[str]:
        """The types of events it is called for."""
        return types_of(self.kinds)


@dataclass(frozen=True, slots=True)
class RouteOf:
    """The route for incoming mail that a webhook belongs to."""

    id: UUID
    pattern: str


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One event of one webhook. ``state`` is pending, success or failed."""

    webhook_id: UUID
    event_id: UUID
    kind: str
    state: str
    attempts: int
    due_at: datetime
    created_at: datetime

    @property
    def type(self) -> str:
        """The name of the kind for clients."""
        return TYPES[self.kind]


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One try at a call; without a status there was no answer, and ``response`` says why."""

    id: UUID
    status: int | None
    response: str
    seconds: float
    sent_at: datetime


_COLUMNS = [getattr(Hook, name) for name in Webhook.__slots__]
_CALL_COLUMNS = [getattr(Call, name) for name in StoredCall.__slots__]
_ATTEMPT_COLUMNS = [getattr(Attempt, name) for name in StoredAttempt.__slots__]


async def list_webhooks(connection: AsyncConnection, account_id: UUID, cursor: Cursor) -> Page[Webhook]:
    """One page of an account's webhooks, newest first."""
    return (await read_page(connection, _mine(account_id), Hook.id, cursor)).map(to_webhook)


async def get_webhook(connection: AsyncConnection, account_id: UUID, webhook_id: UUID) -> Webhook:
    """The webhook of this account. Raises: NotFound."""
    row = (await connection.execute(_mine(account_id).where(Hook.id == webhook_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such webhook.")
    return to_webhook(row)


async def find_route(connection: AsyncConnection, account_id: UUID, webhook_id: UUID) -> RouteOf | None:
    """The route whose own webhook it is."""
    table = tables.InboundRoute
    mine = table.account_id == account_id, table.webhook_id == webhook_id
    row = (await connection.execute(select(table.id, table.pattern).where(*mine))).one_or_none()
    return None if row is None else RouteOf(*row)


async def list_calls(
    connection: AsyncConnection, webhook: Webhook, cursor: Cursor, state: str | None = None
) -> Page[StoredCall]:
    """One page of the events that a webhook was or will be called for, perhaps of one state only."""
    statement = select(*_CALL_COLUMNS).where(Call.webhook_id == webhook.id)
    if state is not None:
        statement = statement.where(Call.state == state)
    return (await read_page(connection, statement, Call.event_id, cursor)).map(lambda row: StoredCall(**row._mapping))


async def get_call(connection: AsyncConnection, webhook: Webhook, event_id: UUID) -> StoredCall:
    """One event of a webhook. Raises: NotFound."""
    statement = select(*_CALL_COLUMNS).where(Call.webhook_id == webhook.id, Call.event_id == event_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no such event.")
    return StoredCall(*row)


async def get_payload(connection: AsyncConnection, call: StoredCall) -> dict[str, Any] | None:
    """What the webhook is told; None once the email is no longer kept."""
    key = (call.webhook_id, call.event_id)
    return (await payloads_of(connection, [key])).get(key)


async def recipients_of(connection: AsyncConnection, calls: Sequence[StoredCall]) -> dict[UUID, str]:
    """Whom these events are about, by the event; missing where the email is no longer kept or nobody is."""
    payloads = await payloads_of(connection, [(call.webhook_id, call.event_id) for call in calls])
    named = {event_id: payload["data"].get("to") for (_, event_id), payload in payloads.items()}
    return {event_id: str(to[0]) for event_id, to in named.items() if isinstance(to, list) and to}


async def list_attempts(connection: AsyncConnection, call: StoredCall, cursor: Cursor) -> Page[StoredAttempt]:
    """One page of the tries at a call, newest first."""
    statement = select(*_ATTEMPT_COLUMNS).where(
        Attempt.webhook_id == call.webhook_id, Attempt.event_id == call.event_id
    )
    return (await read_page(connection, statement, Attempt.id, cursor)).map(lambda row: StoredAttempt(**row._mapping))


def columns() -> Sequence[Any]:
    """The columns that ``to_webhook`` reads."""
    return _COLUMNS


def to_webhook(row: Row[Any]) -> Webhook:
    """The object of a row of ``columns``."""
    values = dict(row._mapping)
    return Webhook(**values | {"kinds": tuple(values["kinds"])})


def _mine(account_id: UUID) -> Select[Any]:
    return select(*_COLUMNS).where(Hook.account_id == account_id)
