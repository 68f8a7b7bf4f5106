"""Limit: which deliveries leave now and which wait for room in the hour.

A bucket lives in Redis and may vanish; the truth is in ``spends``. A debit counts only if the account's *generation*
is still the debit's when its rows are committed (``confirm``), and filling a bucket raises the generation under the
lock of the account's row in ``hours``; so no debit is ever forgotten by the bucket that follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.hour import Hour
from hourpost.gateways.metrics import HOUR_COLD_FILLS
from hourpost.rules.hour import SECOND_US
from hourpost.rules.hour_tokens import Reading, Take, Taken

_SEED_TRIES = 3
_LOST = "The hour cannot be counted now."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RAISE = text(
    "INSERT INTO hours (account_id, generation) VALUES (:account, 1)"
    " ON CONFLICT (account_id) DO UPDATE SET generation = hours.generation + 1 RETURNING generation"
)
# Two hours, not one: Redis's clock decides what is an hour old, and it may differ from PostgreSQL's.
_SPENDS = text(
    "SELECT spent_at, sum(count)::int AS count FROM spends"
    " WHERE account_id = :account AND spent_at > now() - interval '2 hours' GROUP BY spent_at"
)
_WAITING = text("SELECT count(*) FROM deliveries WHERE account_id = :account AND state = 'held'")
_LOCK = text(
    "SELECT account_id, generation FROM hours WHERE account_id = ANY(CAST(:accounts AS uuid[]))"
    " ORDER BY account_id FOR SHARE"
)


def to_moment(moment_us: int) -> datetime:
    """The moment of Redis's microseconds."""
    return _EPOCH + timedelta(microseconds=moment_us)


def to_microseconds(moment: datetime) -> int:
    """Redis's microseconds of a moment."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


async def take(hour: Hour, database: Database, takes: Sequence[Take]) -> list[Taken]:
    """Take tokens of many accounts, filling the buckets that are cold. Raises: ServiceUnavailable."""
    found = await hour.take_many(takes)
    for _ in range(_SEED_TRIES):
        cold = [index for index, taken in enumerate(found) if taken is None]
        if not cold:
            break
        for index in cold:
            await fill(hour, database, takes[index].account)
        again = await hour.take_many([takes[index] for index in cold])
        for index, answer in zip(cold, again, strict=True):
            found[index] = answer
    taken = [one for one in found if one is not None]
    if len(taken) != len(found):
        raise ServiceUnavailable(_LOST, retry_after_seconds=1)
    return taken


async def fill(hour: Hour, database: Database, account: UUID) -> int:
    """Fill an account's bucket from what PostgreSQL says was released; gives the new generation.

    Debits of the old generation whose rows are not committed yet will fail their ``confirm``; those that hold the
    share lock are waited for, and are then among the rows that are counted.
    """
    HOUR_COLD_FILLS.inc()
    async with database.transaction() as connection:
        generation: int = (await connection.execute(_RAISE, {"account": account})).scalar_one()
        rows = (await connection.execute(_SPENDS, {"account": account})).all()
        waiting: int = (await connection.execute(_WAITING, {"account": account})).scalar_one()
    spends = [(to_microseconds(row.spent_at), row[1]) for row in rows]
    return await hour.seed(account, generation, spends, waiting)


async def confirm(connection: AsyncConnection, taken: Iterable[Taken]) -> set[UUID]:
    """Accounts whose bucket was replaced since their debit, so that the debit must be made again.

    Locks the generations of the others until the transaction ends.
    """
    wanted = {one.account: one.reading.generation for one in taken}
    current = await lock_generations(connection, wanted)
    return {account for account, generation in wanted.items() if current.get(account) != generation}


async def lock_generations(connection: AsyncConnection, accounts: Collection[UUID]) -> dict[UUID, int]:
    """The generations of these accounts' buckets, which stay until the transaction ends.

    Who changes the number of those that wait tells the bucket with this generation: one that is filled afterwards has
    counted the change already.
    """
    if not accounts:
        return {}
    rows = await connection.execute(_LOCK, {"accounts": list(accounts)})
    return {row.account_id: row.generation for row in rows}


async def read(hour: Hour, database: Database, account: UUID, limit: int) -> Reading:
    """The bucket of an account, filled if it is cold. Raises: ServiceUnavailable."""
    reading = await hour.peek(account, limit)
    for _ in range(_SEED_TRIES):
        if reading is not None:
            return reading
        await fill(hour, database, account)
        reading = await hour.peek(account, limit)
    raise ServiceUnavailable(_LOST, retry_after_seconds=1)


def seconds_to_next(reading: Reading) -> int:
    """Seconds until the oldest spent token comes back; 0 when none is out."""
    if reading.used <= 0:
        return 0
    return max(0, reading.seconds_until(reading.oldest_at_us + 3600 * SECOND_US))
