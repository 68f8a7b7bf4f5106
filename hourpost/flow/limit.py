"""Limit: which deliveries leave now and which wait for room in the hour.

A bucket lives in Redis and may vanish; the truth is in ``spends``. A debit counts only if the account's *generation*
is still the debit's when its rows are committed (``confirm``), and filling a bucket raises the generation under the
lock of the account's row in ``hours``; so no debit is ever forgotten by the bucket that follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import Database, HotStatement
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.hour import Hour
from hourpost.gateways.metrics import HOUR_COLD_FILLS
from hourpost.rules.hour import SECOND_US
from hourpost.rules.hour_tokens import Reading, Seed, Take, Taken

_SEED_TRIES = 3
_FILLED_AT_ONCE = 32
_LOST = "The hour cannot be counted now."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RAISE = HotStatement(
    "INSERT INTO hours (account_id, generation) SELECT id, 1 FROM unnest(:accounts::uuid[]) AS a(id) ORDER BY id"
    " ON CONFLICT (account_id) DO UPDATE SET generation = hours.generation + 1 RETURNING account_id, generation"
)
# Two hours, not one: Redis's clock decides what is an hour old, and it may differ from PostgreSQL's.
# Account by account: of several at once the planner reads the whole table where a few others hold most of it.
_SPENDS = HotStatement(
    "SELECT a.id, s.spent_at, s.count FROM unnest(:accounts::uuid[]) AS a(id), LATERAL (SELECT spent_at,"
    " sum(count)::int AS count FROM spends WHERE account_id = a.id AND spent_at > now() - interval '2 hours'"
    " GROUP BY spent_at OFFSET 0) AS s"
)
_WAITING = HotStatement(
    "SELECT a.id, (SELECT count(*) FROM deliveries WHERE account_id = a.id AND state = 'held')"
    " FROM unnest(:accounts::uuid[]) AS a(id)"
)
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
        await fill_many(hour, database, [takes[index].account for index in cold])
        again = await hour.take_many([takes[index] for index in cold])
        for index, answer in zip(cold, again, strict=True):
            found[index] = answer
    taken = [one for one in found if one is not None]
    if len(taken) != len(found):
        raise ServiceUnavailable(_LOST, retry_after_seconds=1)
    return taken


async def fill(hour: Hour, database: Database, account: UUID) -> int:
    """Fill one account's bucket; gives the new generation."""
    return (await fill_many(hour, database, [account]))[account]


async def fill_many(hour: Hour, database: Database, accounts: Iterable[UUID]) -> dict[UUID, int]:
    """Fill the buckets of accounts from what PostgreSQL says was released; gives the generations in force.

    Debits of the old generation whose rows are not committed yet will fail their ``confirm``; those that hold the
    share lock are waited for, and are then among the rows that are counted.
    """
    wanted = sorted(set(accounts))
    generations: dict[UUID, int] = {}
    for start in range(0, len(wanted), _FILLED_AT_ONCE):
        seeds = await _count(database, wanted[start : start + _FILLED_AT_ONCE])
        HOUR_COLD_FILLS.inc(len(seeds))
        in_force = await hour.seed_many(seeds)
        generations.update((seed.account, generation) for seed, generation in zip(seeds, in_force, strict=True))
    return generations


async def _count(database: Database, accounts: Sequence[UUID]) -> list[Seed]:
    """Raise the generations of accounts and count what is theirs; whoever holds one of them is waited for."""
    spends: defaultdict[UUID, list[tuple[int, int]]] = defaultdict(list)
    async with database.hot_transaction() as connection:
        raised = await _RAISE.run(connection, {"accounts": accounts})
        for account, spent_at, count in await _SPENDS.run(connection, {"accounts": accounts}):
            spends[account].append((to_microseconds(spent_at), count))
        waiting = {account: count for account, count in await _WAITING.run(connection, {"accounts": accounts})}
    return [Seed(account, generation, spends[account], waiting.get(account, 0)) for account, generation in raised]


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
