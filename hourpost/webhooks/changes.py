"""Changing webhooks. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from hourpost import tables
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.gateways.encryption import Cipher
from hourpost.rules import webhook_signing
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.reachable import LOOPBACK, Network, is_reachable
from hourpost.webhooks.calls import LEASE_SECONDS
from hourpost.webhooks.kinds import KINDS, kinds_of
from hourpost.webhooks.queries import Webhook, columns, find_route, get_webhook, to_webhook
from hourpost.webhooks.samples import sample_of

MAX_WEBHOOKS = 50
MAX_ENDPOINT = 2000
_HTTPS = 443
_FIRST_FREE = 1024
# Those above of which everybody knows that they are no web server's: databases, queues and caches, mail, files, screens
_OTHERS_PORTS = frozenset(
    (
        *(1433, 1521, 1883, 2049, 2181, 2379, 2380, 2525, 3306, 3389, 4369, 5060, 5222, 5432, 5672, 5900, 6000, 6379),
        *(6380, 6432, 6667, 7000, 9042, 9092, 9200, 9300, 10250, 11211, 26379, 27017),
    )
)
OLD_SECRET_HOURS = 24
MAX_OLD_SECRETS = 5

Hook, Call = tables.Webhook, tables.WebhookCall


@dataclass(frozen=True, slots=True)
class Issued:
    """A webhook with its secret as text."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is to change of a webhook; None stays as it is."""

    endpoint: str | None = None
    types: Sequence[str] | None = None
    enabled: bool | None = None


def check(
    endpoint: str | None, types: Sequence[str] | None, allowed: Sequence[Network], *, is_of_route: bool = False
) -> None:
    """``allowed`` are networks besides the open internet; a route's webhook may be called for its mail alone.

    Raises: ValidationFailed, with every fault.
    """
    faults = []
    if endpoint is not None and (words := _fault_of(endpoint, allowed)):
        faults.append(Fault("/endpoint", f"`endpoint` {words}"))
    if types is not None and not types and not is_of_route:
        faults.append(Fault("/events", "`events` must name at least one type"))
    for index, name in enumerate(types or ()):
        if name not in KINDS:
            known = ", ".join(KINDS)
            faults.append(Fault(f"/events/{index}", f"there are no events {name[:60]!a}; there are {known}"))
    if faults:
        raise ValidationFailed(faults)


async def create_webhook(
    connection: AsyncConnection, account_id: UUID, endpoint: str, types: Sequence[str], cipher: Cipher, now: datetime
) -> Issued:
    """A new webhook, of fields that ``check`` has seen. Raises: Conflict when there are too many."""
    count = select(func.count()).select_from(Hook).where(Hook.account_id == account_id)
    if (await connection.execute(count)).scalar_one() >= MAX_WEBHOOKS:
        raise Conflict("too_many_webhooks", f"An account has at most {MAX_WEBHOOKS} webhooks.")
    webhook_id, secret = new_id(), webhook_signing.new_secret()
    values = {
        "id": webhook_id,
        "account_id": account_id,
        "endpoint": endpoint,
        "kinds": kinds_of(types),
        "secret": cipher.seal(secret, secret_row(webhook_id)),
        "created_at": now,
    }
    row = (await connection.execute(insert(Hook).values(values).returning(*columns()))).one()
    return Issued(to_webhook(row), webhook_signing.to_text(secret))


async def update_webhook(
    connection: AsyncConnection, account_id: UUID, webhook_id: UUID, change: Change, now: datetime
) -> Webhook:
    """Change a webhook. Enabled again, it has another five days; disabled, what it is owed ends. Raises: NotFound."""
    values: dict[str, Any] = {}
    if change.endpoint is not None:
        values["endpoint"] = change.endpoint
    if change.types is not None:
        values["kinds"] = kinds_of(change.types)
    if change.enabled is True:
        values |= dict.fromkeys(("disabled_at", "disabled_reason", "failing_since", "failed_at", "told_at"))
    if change.enabled is False:
        values |= {"disabled_at": func.coalesce(Hook.disabled_at, now)}
    if not values:
        return await get_webhook(connection, account_id, webhook_id)
    if change.enabled is False:
        webhook = await get_webhook(connection, account_id, webhook_id)
        await _change_calls(connection, webhook, Call.state == "pending", {"state": "failed"})
    return await _update(connection, account_id, webhook_id, values)


async def rotate_secret(
    connection: AsyncConnection, account_id: UUID, webhook_id: UUID, cipher: Cipher, now: datetime
) -> Issued:
    """Give a webhook a new secret; each old one signs beside it for a day of its own, up to five. Raises: NotFound."""
    secret = webhook_signing.new_secret()
    values = {
        "secret": cipher.seal(secret, secret_row(webhook_id)),
        "old_secret": Hook.secret,
        "old_secret_until": now + timedelta(hours=OLD_SECRET_HOURS),
        # One statement: of two rotations at once neither loses what the other put away
        "older_secrets": _prepend(Hook.old_secret, Hook.older_secrets),
        "older_secrets_until": _prepend(Hook.old_secret_until, Hook.older_secrets_until),
    }
    return Issued(await _update(connection, account_id, webhook_id, values), webhook_signing.to_text(secret))


async def delete_webhook(connection: AsyncConnection, account_id: UUID, webhook_id: UUID) -> None:
    """Delete a webhook; with it nobody sees its events any more, and ``erasing`` deletes them bit by bit.

    Raises: NotFound; Conflict for one that a route uses.
    """
    route = await find_route(connection, account_id, webhook_id)
    if route is not None:
        words = f"The route {to_text('rte', route.id)} posts the mail for {route.pattern} by this webhook"
        raise Conflict("webhook_in_use", f"{words}: delete the route, and the webhook goes with it.")
    statement = delete(Hook).where(Hook.account_id == account_id, Hook.id == webhook_id).returning(Hook.id)
    if (await connection.execute(statement)).one_or_none() is None:
        raise NotFound("There is no such webhook.")


async def replay(connection: AsyncConnection, webhook: Webhook, event_id: UUID, now: datetime) -> None:
    """Call a webhook for an event again, at once and with all tries. Raises: NotFound; Conflict while disabled."""
    if await _replay(connection, webhook, Call.event_id == event_id, now) == 0:
        raise NotFound("There is no such event.")


async def replay_failed(connection: AsyncConnection, webhook: Webhook, now: datetime) -> int:
    """Call a webhook for every event that it has not taken, also for what would wait for its next try; gives how many.

    What is due, or may be under way, is left to end by itself but has all its tries. Raises: Conflict while disabled.
    """
    waits = and_(Call.state == "pending", or_(Call.due_at > now, Call.attempts > 0))
    return await _replay(connection, webhook, or_(Call.state == "failed", waits), now)


async def _replay(connection: AsyncConnection, webhook: Webhook, which: ColumnElement[bool], now: datetime) -> int:
    if webhook.disabled_at is not None:
        raise Conflict("webhook_disabled", "This webhook is disabled: enable it first.")
    # A claim moves ``due_at`` so far on: nearer than that, a worker may have it
    is_near = and_(Call.state == "pending", Call.due_at <= now + timedelta(seconds=LEASE_SECONDS))
    anew = {"state": "pending", "attempts": 0, "due_at": case((is_near, Call.due_at), else_=now)}
    return await _change_calls(connection, webhook, which, anew)


async def _change_calls(
    connection: AsyncConnection, webhook: Webhook, which: ColumnElement[bool], values: dict[str, Any]
) -> int:
    """Change some calls of a webhook, locked as ``calls`` says; gives how many."""
    mine = select(Call.event_id).where(Call.webhook_id == webhook.id, which).order_by(Call.event_id)
    locked = mine.with_for_update().cte("locked")
    statement = update(Call).where(Call.webhook_id == webhook.id, Call.event_id == locked.c.event_id).values(values)
    return (await connection.execute(statement)).rowcount


async def send_test(connection: AsyncConnection, webhook: Webhook, type_: str | None, now: datetime) -> UUID:
    """Call a webhook for a test event; without a ``type_``, of the first that it is called for. Gives the event's id.

    A route's webhook that is asked for nothing else is called for the mail that comes by the route.

    Raises: ValidationFailed for a type that there is not; Conflict while disabled.
    """
    if webhook.disabled_at is not None:
        raise Conflict("webhook_disabled", "This webhook is disabled: enable it first.")
    name = type_ or next(iter(webhook.types), "email.received")
    if name not in KINDS:
        raise ValidationFailed([Fault("/type", f"there are no events {name[:60]!a}; there are {', '.join(KINDS)}")])
    kind, event_id = KINDS[name][0], new_id()
    values = {
        "webhook_id": webhook.id,
        "event_id": event_id,
        "kind": kind,
        "payload": sample_of(kind, now),
        "due_at": now,
        "created_at": now,
    }
    await connection.execute(insert(Call).values(values))
    return event_id


def reveal_secret(webhook: Webhook, cipher: Cipher) -> str:
    """The present secret as text. Raises: CannotDecrypt."""
    return webhook_signing.to_text(cipher.open(webhook.secret, secret_row(webhook.id)))


def secret_row(webhook_id: UUID) -> str:
    """What a webhook's secrets are sealed for."""
    return f"webhooks:{webhook_id}:secret"


def _prepend(value: InstrumentedAttribute[Any], others: InstrumentedAttribute[Any]) -> Any:
    """The latest that still sign, beside the one that has a column of its own."""
    return func.array_prepend(value, others, type_=others.type)[1 : MAX_OLD_SECRETS - 1]


async def _update(connection: AsyncConnection, account_id: UUID, webhook_id: UUID, values: dict[str, Any]) -> Webhook:
    statement = update(Hook).where(Hook.account_id == account_id, Hook.id == webhook_id).values(values)
    row = (await connection.execute(statement.returning(*columns()))).one_or_none()
    if row is None:
        raise NotFound("There is no such webhook.")
    return to_webhook(row)


def _fault_of(endpoint: str, allowed: Sequence[Network]) -> str | None:
    if len(endpoint) > MAX_ENDPOINT or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        return f"must be an address of at most {MAX_ENDPOINT} ASCII characters"
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "must be an address such as https://example.com/hooks"
    if not host or port == 0 or parts.username is not None or parts.fragment:
        return "must be an address such as https://example.com/hooks, without a user or a fragment"
    return _fault_of_place(parts, host, allowed) or _fault_of_port(host, port, allowed)


def _fault_of_port(host: str, port: int | None, allowed: Sequence[Network]) -> str | None:
    """Ports at which something else answers are none to call on the open internet."""
    if port is None or port == _HTTPS or (port >= _FIRST_FREE and port not in _OTHERS_PORTS):
        return None
    try:
        address = ip_address(host)
    except ValueError:
        is_near = host == "localhost"
    else:
        is_near = any(address in network for network in allowed if network.version == address.version)
    return None if is_near else f"must not have the port {port}: at 443, or one above 1023 that is no other service's"


def _fault_of_place(parts: SplitResult, host: str, allowed: Sequence[Network]) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        if parts.scheme != "https" and not (parts.scheme == "http" and host == "localhost" and LOOPBACK[0] in allowed):
            return "must begin with https://"
        return None if "." in host or host == "localhost" else "must have a full name as its host"
    if not is_reachable(address, allowed):
        return "must be an address of the open internet"
    is_near = any(address in network for network in allowed if network.version == address.version)
    return None if parts.scheme == "https" or (parts.scheme == "http" and is_near) else "must begin with https://"
