"""Whom incoming mail is for: a mailbox, routes, or the account whose mail is reported on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.mailboxes.queries import Recipient, find_recipients

PREFIX = "in"

# A domain is verified for one account at a time: its name leads to one owner.
_DOMAINS = text("SELECT name, account_id FROM domains WHERE name = ANY(CAST(:names AS text[])) AND status = 'verified'")
_ROUTES = text(
    "SELECT r.id, r.pattern, r.account_id, r.webhook_id FROM inbound_routes r"
    " JOIN domains d ON d.name = r.domain AND d.account_id = r.account_id AND d.status = 'verified'"
    " WHERE r.pattern = ANY(CAST(:patterns AS text[]))"
)
_OPERATORS = text(
    "SELECT a.address FROM mailbox_addresses a JOIN memberships m ON m.account_id = a.account_id AND m.role = 'owner'"
    " JOIN users u ON u.id = m.user_id AND u.is_staff"
    " JOIN domains d ON d.name = a.domain AND d.account_id = a.account_id AND d.status = 'verified'"
    " WHERE a.kind = 'primary' ORDER BY a.created_at LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Route:
    """A pattern of addresses whose mail is posted to a webhook."""

    id: UUID
    pattern: str
    account_id: UUID
    webhook_id: UUID

    @property
    def is_catch_all(self) -> bool:
        """Whether it takes what has no other place."""
        return self.pattern.startswith("*@")


@dataclass(frozen=True, slots=True)
class Addressee:
    """One address of a verified domain. Without mailbox and route it takes reports only."""

    address: str
    account_id: UUID
    mailbox: Recipient | None
    route: Route | None

    @property
    def is_open(self) -> bool:
        """Whether it takes mail from anybody."""
        return self.mailbox is not None or self.route is not None


async def find_addressees(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, Addressee]:
    """Where each of ``addresses`` leads; what is missing in the answer is of no verified domain.

    A route of its own gets mail beside a mailbox; the one for the rest of a domain only what no mailbox has by name.
    """
    names = sorted({_domain(address) for address in addresses})
    rows = await connection.execute(_DOMAINS, {"names": names})
    owners: dict[str, UUID] = {row.name: row.account_id for row in rows}
    known = [address for address in addresses if _domain(address) in owners]
    if not known:
        return {}
    mailboxes = await find_recipients(connection, known)
    routes = await _find_routes(connection, known)
    return {
        address: _addressee(address, owners[_domain(address)], mailboxes.get(address), routes.get(address))
        for address in known
    }


def _addressee(address: str, account_id: UUID, mailbox: Recipient | None, route: Route | None) -> Addressee:
    has_place = mailbox is not None and not mailbox.is_catch_all
    return Addressee(address, account_id, mailbox, None if has_place and route and route.is_catch_all else route)


async def find_postmaster(connection: AsyncConnection, chosen: str) -> Addressee | None:
    """Who gets what is for a postmaster that nobody is: ``chosen``, or when empty an operator's oldest mailbox."""
    address = chosen.lower() or (await connection.execute(_OPERATORS)).scalar_one_or_none()
    found = (await find_addressees(connection, [address])).get(address) if address else None
    return found if found is not None and found.is_open else None


async def _find_routes(connection: AsyncConnection, addresses: Iterable[str]) -> dict[str, Route]:
    patterns = {address: _patterns(address) for address in addresses}
    asked = sorted({pattern for several in patterns.values() for pattern in several})
    rows: dict[str, Any] = {row.pattern: row for row in await connection.execute(_ROUTES, {"patterns": asked})}
    found = {
        address: next((rows[one] for one in several if one in rows), None) for address, several in patterns.items()
    }
    return {address: Route(*row) for address, row in found.items() if row is not None}


def _patterns(address: str) -> tuple[str, ...]:
    """The patterns that fit, the closest first: the address, without its tag, and the rest of its domain."""
    local, _, domain = address.lower().rpartition("@")
    name = local.partition("+")[0] or local
    return tuple(dict.fromkeys((f"{local}@{domain}", f"{name}@{domain}", f"*@{domain}")))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
