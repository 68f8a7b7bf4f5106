"""The addresses of mailboxes: checked, on verified domains of the account, each taken once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.notices import announce_taken
from hourpost.errors import Conflict, Fault, Forbidden, ValidationFailed
from hourpost.rules.addresses import Address, AddressError, parse_address

MOST_FORWARDS = 10


def read_address(text: str, pointer: str) -> Address:
    """A bare address that a mailbox may have. Raises: ValidationFailed."""
    try:
        address = parse_address(text.strip())
    except AddressError as error:
        raise ValidationFailed([Fault(pointer, str(error))]) from error
    if address.display_name or "+" in address.local:
        raise ValidationFailed([Fault(pointer, "give the bare address, without a name and without a + tag")])
    return address


def read_addresses(texts: Sequence[str], pointer: str) -> list[str]:
    """Where mail is forwarded to: a few bare addresses of any domain. Raises: ValidationFailed."""
    if len(texts) > MOST_FORWARDS:
        raise ValidationFailed([Fault(pointer, f"mail is forwarded to {MOST_FORWARDS} addresses at most")])
    addresses = []
    for index, text in enumerate(texts):
        try:
            addresses.append(parse_address(text.strip()).spec)
        except AddressError as error:
            raise ValidationFailed([Fault(f"{pointer}/{index}", str(error))]) from error
    return list(dict.fromkeys(addresses))


async def check_domain(connection: AsyncConnection, account_id: UUID, domain: str, pointer: str = "") -> None:
    """Raises: Forbidden unless the domain is verified for this account; ``pointer``: where it is asked for."""
    table = tables.Domain
    mine = (table.account_id == account_id, table.name == domain, table.status == "verified")
    if (await connection.execute(select(table.id).where(*mine))).one_or_none() is None:
        detail = f"{domain} is not a verified domain of this account."
        raise Forbidden("domain_not_verified", detail, faults=[Fault(pointer, detail)] if pointer else None)


async def add_address(
    connection: AsyncConnection, owner: tuple[UUID, UUID], address: str, kind: str, now: datetime
) -> None:
    """Let the mailbox (account, mailbox) get mail for ``address``. Raises: Conflict when another has it."""
    account_id, mailbox_id = owner
    row = {
        "address": address.lower(),
        "account_id": account_id,
        "mailbox_id": mailbox_id,
        "domain": address.rpartition("@")[2].lower(),
        "kind": kind,
        "created_at": now,
    }
    statement = insert(tables.MailboxAddress).values(row).on_conflict_do_nothing()
    if (await connection.execute(statement.returning(tables.MailboxAddress.address))).one_or_none() is None:
        taken = "The domain has a catch-all mailbox" if kind == "catch_all" else f"{address} is taken"
        raise Conflict("already_exists", f"{taken} already.")
    await announce_taken(connection, account_id, address.lower())
