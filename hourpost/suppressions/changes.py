"""Adding and removing suppressions. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.rules.ids import new_id
from hourpost.suppressions.queries import COLUMNS, Reason, Suppression, is_one_of, to_suppression

MAX_BATCH = 1000


async def add_suppressions(
    connection: AsyncConnection,
    account_id: UUID,
    addresses: Sequence[str],
    now: datetime,
    *,
    reason: Reason = Reason.MANUAL,
    email_id: UUID | None = None,
) -> list[Suppression]:
    """Suppress all of these addresses or none, in order and without doubles; one that is suppressed stays as it is.

    ``email_id`` is what bounced or was complained about. Raises: ValidationFailed, with every wrong address.
    """
    wanted = _check(addresses)
    common = {"account_id": account_id, "reason": reason, "email_id": email_id, "created_at": now}
    rows = [{"id": new_id(), "address": address, **common} for address in sorted(wanted)]  # in one order: no deadlock
    if not rows:
        return []
    await connection.execute(insert(tables.Suppression).values(rows).on_conflict_do_nothing())
    table = tables.Suppression
    stored = select(*COLUMNS).where(table.account_id == account_id, table.address.in_(wanted))
    found = {row.address: to_suppression(row) for row in await connection.execute(stored)}
    return [found[address] for address in wanted if address in found]


async def remove_suppressions(connection: AsyncConnection, account_id: UUID, keys: Sequence[str]) -> list[Suppression]:
    """Remove those of these ids and addresses that there are; gives what was removed. Raises: ValidationFailed."""
    if len(keys) > MAX_BATCH:
        raise ValidationFailed([Fault("", f"at most {MAX_BATCH} at a time")])
    statement = delete(tables.Suppression).where(tables.Suppression.account_id == account_id, is_one_of(keys))
    return [to_suppression(row) for row in await connection.execute(statement.returning(*COLUMNS))]


async def remove_suppression(connection: AsyncConnection, account_id: UUID, key: str) -> Suppression:
    """Remove one by its id or its address. Raises: NotFound."""
    removed = await remove_suppressions(connection, account_id, [key])
    if not removed:
        raise NotFound(f"There is no suppression {key!r}.")
    return removed[0]


def _check(addresses: Sequence[str]) -> dict[str, None]:
    """The addresses in lower case and in order."""
    if len(addresses) > MAX_BATCH:
        raise ValidationFailed([Fault("", f"at most {MAX_BATCH} addresses at a time")])
    wanted: dict[str, None] = {}
    faults = []
    for index, address in enumerate(addresses):
        try:
            wanted[parse_address(address).spec.lower()] = None
        except AddressError as error:
            faults.append(Fault(f"/{index}", str(error)))
    if faults:
        raise ValidationFailed(faults)
    return wanted
