"""Changing routes. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import Conflict, Fault, Forbidden, ValidationFailed
from hourpost.gateways.encryption import Cipher
from hourpost.inbound.queries import StoredRoute, get_route
from hourpost.rules.addresses import AddressError, normalise_domain, parse_address
from hourpost.rules.ids import new_id
from hourpost.rules.reachable import Network
from hourpost.webhooks import changes as webhooks

MAX_ROUTES = 200


@dataclass(frozen=True, slots=True)
class IssuedRoute:
    """A new route with the secret that signs what it posts."""

    route: StoredRoute
    secret: str


@dataclass(frozen=True, slots=True)
class NewRoute:
    """A route to be, checked: the pattern in the form in which it is compared."""

    pattern: str
    url: str

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.pattern.rpartition("@")[2]


def check_route(pattern: str, url: str, allowed: Sequence[Network]) -> NewRoute:
    """Read the fields of a new route. Raises: ValidationFailed, with every fault."""
    faults = []
    normal = ""
    try:
        normal = read_pattern(pattern)
    except ValidationFailed as error:
        faults += error.faults
    try:
        check_url(url, allowed)
    except ValidationFailed as error:
        faults += error.faults
    if faults:
        raise ValidationFailed(faults)
    return NewRoute(normal, url)


async def create_route(
    connection: AsyncConnection, account_id: UUID, new: NewRoute, cipher: Cipher, now: datetime
) -> IssuedRoute:
    """Post mail for a pattern to a URL from now on.

    Raises: Forbidden (``domain_not_verified``); Conflict where the pattern has a route, or there are too many.
    """
    await check_domain(connection, account_id, new.domain)
    table = tables.InboundRoute
    count = select(func.count()).select_from(table).where(table.account_id == account_id)
    if (await connection.execute(count)).scalar_one() >= MAX_ROUTES:
        raise Conflict("too_many_routes", f"An account has at most {MAX_ROUTES} routes.")
    issued = await webhooks.create_webhook(connection, account_id, new.url, (), cipher, now)
    row = {
        "id": new_id(),
        "account_id": account_id,
        "domain": new.domain,
        "pattern": new.pattern,
        "webhook_id": issued.webhook.id,
        "created_at": now,
    }
    statement = insert(table).values(row).on_conflict_do_nothing().returning(table.id)
    route_id = (await connection.execute(statement)).scalar_one_or_none()
    if route_id is None:
        raise Conflict("already_exists", f"{new.pattern} has a route already.")
    return IssuedRoute(await get_route(connection, account_id, route_id), issued.secret)


async def delete_route(connection: AsyncConnection, account_id: UUID, route_id: UUID) -> None:
    """End a route, with its webhook; the mail that came by it stays. Raises: NotFound."""
    route = await get_route(connection, account_id, route_id)
    await connection.execute(delete(tables.InboundRoute).where(tables.InboundRoute.id == route.id))
    await webhooks.delete_webhook(connection, account_id, route.webhook_id)


def check_url(url: str, allowed: Sequence[Network]) -> None:
    """Raises: ValidationFailed."""
    try:
        webhooks.check(url, None, allowed)
    except ValidationFailed as error:
        faults = [Fault("/url", one.detail.replace("`endpoint`", "`url`")) for one in error.faults]
        raise ValidationFailed(faults) from None


def read_pattern(pattern: str) -> str:
    """The pattern in the form in which it is compared. Raises: ValidationFailed."""
    try:
        return _normalise(pattern)
    except AddressError as error:
        raise ValidationFailed([Fault("/pattern", str(error))]) from None


def _normalise(pattern: str) -> str:
    """``support@acme.com`` or ``*@acme.com``, as addresses are compared. Raises: AddressError."""
    local, _, domain = pattern.strip().rpartition("@")
    if local == "*":
        return f"*@{normalise_domain(domain)}"
    address = parse_address(pattern.strip())
    if address.display_name:
        raise AddressError("write the bare address, or *@ and a domain")
    return address.spec.lower()


async def check_domain(connection: AsyncConnection, account_id: UUID, domain: str) -> None:
    """Raises: Forbidden (``domain_not_verified``)."""
    table = tables.Domain
    mine = (table.account_id == account_id, table.name == domain, table.status == "verified")
    if (await connection.execute(select(table.id).where(*mine))).one_or_none() is None:
        detail = f"{domain} is not a verified domain of this account."
        raise Forbidden("domain_not_verified", detail, faults=[Fault("/pattern", detail)])
