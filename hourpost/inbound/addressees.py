"""Whom incoming mail is for: a mailbox, or the account whose mail is reported on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.mailboxes.queries import Recipient, find_recipients

PREFIX = "in"

# A domain is verified for one account at a time: its name leads to one owner.
_DOMAINS = text("SELECT name, account_id FROM domains WHERE name = ANY(CAST(:names AS text[])) AND status = 'verified'")


@dataclass(frozen=True, slots=True)
class Addressee:
    """One address of a verified domain. Without a mailbox it takes reports only, as a return path."""

    address: str
    account_id: UUID
    mailbox: Recipient | None

    @property
    def is_open(self) -> bool:
        """Whether it takes mail from anybody."""
        return self.mailbox is not None


async def find_addressees(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, Addressee]:
    """Where each of ``addresses`` leads; what is missing in the answer is of no verified domain."""
    names = sorted({_domain(address) for address in addresses})
    rows = await connection.execute(_DOMAINS, {"names": names})
    owners: dict[str, UUID] = {row.name: row.account_id for row in rows}
    known = [address for address in addresses if _domain(address) in owners]
    if not known:
        return {}
    mailboxes = await find_recipients(connection, known)
    return {address: Addressee(address, owners[_domain(address)], mailboxes.get(address)) for address in known}


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
