"""Release: what waits gets its tokens as they come back, oldest first within an account, in turns between accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import Database
from hourpost.flow import limit
from hourpost.flow.due import ComingDue
from hourpost.flow.endings import ENDING_COLUMNS, REASONS, ending_of
from hourpost.flow.enqueue import Enqueue
from hourpost.flow.limit import to_moment
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.gateways.metrics import RELEASED_DELIVERIES
from hourpost.rules.delivery_state import State
from hourpost.rules.hour import HOUR_US, slots_of
from hourpost.rules.hour_tokens import Mode, Reading, Take, Taken, Want
from hourpost.rules.ids import new_id
from hourpost.rules.plans import hourly_limit
from hourpost.webhooks.telling import with_calls

TURN = 250

# A loose scan: one probe of the partial index for each account that holds something, however much it holds.
_HOLDING = text(
    """
WITH RECURSIVE holding AS (
  (SELECT account_id FROM deliveries WHERE state = 'held' ORDER BY account_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.account_id FROM deliveries d WHERE d.state = 'held' AND d.account_id > h.account_id
          ORDER BY d.account_id LIMIT 1)
  FROM holding h WHERE h.account_id IS NOT NULL
)
SELECT account_id FROM holding WHERE account_id IS NOT NULL
"""
)
_NEXT = text(
    f"""
SELECT d.email_id, d.position, {ENDING_COLUMNS}
FROM deliveries d JOIN emails e ON e.id = d.email_id
WHERE d.account_id = :account AND d.state = 'held'
ORDER BY d.due_at, d.email_id, d.position LIMIT :most
"""  # noqa: S608  # words of ours
)
_CHANGE = text(
    with_calls(
        """
WITH w AS (
  SELECT * FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:event_id AS uuid[]))
    AS w(email, position, event_id)
), changed AS (
  UPDATE deliveries d SET state = :state, due_at = :now, released_at = CAST(:released AS timestamptz), changed_at = :now
  FROM w WHERE d.email_id = w.email AND d.position = w.position AND d.state || '' = 'held'
  RETURNING d.email_id, d.position, d.account_id, w.event_id
), spent AS (
  INSERT INTO spends (account_id, spent_at, count)
  SELECT account_id, CAST(:released AS timestamptz), count(*) FROM changed
  WHERE CAST(:released AS timestamptz) IS NOT NULL GROUP BY account_id
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT email_id, event_id, position, account_id, :state, :now,
    CASE WHEN CAST(:reason AS text) IS NOT NULL THEN jsonb_build_object('reason', CAST(:reason AS text)) END
  FROM changed
  {told}
), calls AS ({calls})
SELECT email_id FROM changed
"""
    )
)
_ACCOUNT = text("SELECT plan, own_limit, suspended_at FROM accounts WHERE id = :account")
_SPENDS = text(
    "SELECT spent_at, sum(count)::int AS count FROM spends"
    " WHERE account_id = :account AND spent_at > :since GROUP BY spent_at"
)
_WAITING = text("SELECT count(*) FROM deliveries WHERE account_id = :account AND state = 'held'")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of an account came to. ``wait_seconds``: until it is worth another; None when nothing waits."""

    released: int
    wait_seconds: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """Whether a bucket says what PostgreSQL says, and whether something is held although its hour has room."""

    is_true: bool
    has_room: bool


class Releaser:
    """Releases held deliveries; safe to run in several processes at once, useful in one."""

    def __init__(self, database: Database, hour: Hour, enqueue: Enqueue, clock: Clock) -> None:
        self._database = database
        self._hour = hour
        self._enqueue = enqueue
        self._clock = clock
        self._coming_due = ComingDue(database, hour, enqueue, clock)

    async def list_holding(self) -> list[UUID]:
        """The accounts of which something is held. Raises: ServiceUnavailable."""
        async with self._database.reading() as connection:
            return list((await connection.execute(_HOLDING)).scalars())

    async def come_due(self) -> list[UUID]:
        """Let what was scheduled for now leave or join those that wait; gives the accounts of what waits.

        Raises: ServiceUnavailable.
        """
        return await self._coming_due.come_due()

    async def release(self, account: UUID) -> Turn:
        """Give an account one turn: up to ``TURN`` deliveries. Raises: ServiceUnavailable."""
        now = self._clock.now()
        async with self._database.reading() as connection:
            owner = (await connection.execute(_ACCOUNT, {"account": account})).one()
            rows = (await connection.execute(_NEXT, {"account": account, "now": now, "most": TURN})).all()
        if not rows:
            await self._forget_waiting(account)
            return Turn(0, None)
        wanted: list[tuple[UUID, int]] = []
        ending: defaultdict[State, list[tuple[UUID, int]]] = defaultdict(list)
        for row in rows:
            state = ending_of(row)
            (wanted if state is None else ending[state]).append((row.email_id, row.position))
        for state, keys in ending.items():
            await self._end(keys, state, account, now)
        allowed = hourly_limit(owner.plan, owner.own_limit)
        if owner.suspended_at is not None or allowed == 0:
            return Turn(0, 60.0)
        if not wanted:
            return Turn(0, 0.0)
        take = Take(account, allowed, [Want(len(wanted), Mode.RELEASE)])
        taken = (await limit.take(self._hour, self._database, [take]))[0]
        given = taken.answers[0].taken
        released = await self._let_go(taken, wanted[:given], now)
        if released == given < len(wanted):
            return Turn(released, max(0.0, (taken.reading.next_free_at_us - taken.reading.now_us) / 1e6))
        return Turn(released, 0.0)

    async def look(self, account: UUID) -> Look:
        """The bucket beside PostgreSQL; they may differ for a moment while something is committed."""
        async with self._database.reading() as connection:
            owner = (await connection.execute(_ACCOUNT, {"account": account})).one()
            reading = await limit.read(
                self._hour, self._database, account, max(1, hourly_limit(owner.plan, owner.own_limit))
            )
            since = to_moment(reading.now_us) - timedelta(hours=1, seconds=15)
            spends = (await connection.execute(_SPENDS, {"account": account, "since": since})).all()
            waiting: int = (await connection.execute(_WAITING, {"account": account})).scalar_one()
        is_true = reading.used == _alive(spends, reading) and reading.waiting == waiting
        return Look(is_true, has_room=waiting > 0 and reading.remaining > 0)

    async def refill(self, account: UUID) -> None:
        """Fill the bucket from PostgreSQL, so that debits which nobody stored come back. Raises: ServiceUnavailable."""
        await limit.fill(self._hour, self._database, account)

    async def _let_go(self, taken: Taken, keys: Sequence[tuple[UUID, int]], now: datetime) -> int:
        if not keys:
            return 0
        released_at = to_moment(taken.taken_at_us)
        async with self._database.transaction() as connection:
            void = await limit.confirm(connection, [taken])
            emails = [] if void else await _change(connection, keys, State.QUEUED, now, released_at)
        if void:  # the bucket is of the past, and may stay so where nobody fills it
            await self.refill(taken.account)
            return 0
        RELEASED_DELIVERIES.inc(len(emails))
        self._enqueue.ring(dict.fromkeys(emails))
        missing = len(keys) - len(emails)  # canceled in between
        if missing:
            generation = taken.reading.generation
            await self._hour.refund(taken.account, generation, missing, taken.taken_at_us)
            await self._hour.adjust_waiting(taken.account, missing, generation)
        return len(emails)

    async def _end(self, keys: Sequence[tuple[UUID, int]], state: State, account: UUID, now: datetime) -> None:
        async with self._database.transaction() as connection:
            generations = await limit.lock_generations(connection, [account])
            ended = await _change(connection, keys, state, now, None)
        if account in generations:
            await self._hour.adjust_waiting(account, -len(ended), generations[account])

    async def _forget_waiting(self, account: UUID) -> None:
        """Nothing is held: a bucket that says otherwise would keep everybody waiting behind nobody."""
        reading = await self._hour.peek(account, 1)
        if reading is not None and reading.waiting:
            await self.refill(account)


async def _change(
    connection: AsyncConnection,
    keys: Sequence[tuple[UUID, int]],
    state: State,
    now: datetime,
    released_at: datetime | None,
) -> list[UUID]:
    rows = await connection.execute(
        _CHANGE,
        {
            "email": [email_id for email_id, _ in keys],
            "position": [position for _, position in keys],
            "event_id": [new_id() for _ in keys],
            "state": state.value,
            "now": now,
            "released": released_at,
            "reason": REASONS.get(state),
        },
    )
    return list(rows.scalars())


def _alive(spends: Sequence[Any], reading: Reading) -> int:
    moments = [(limit.to_microseconds(row.spent_at), row[1]) for row in spends]
    slots = slots_of([(moment, count) for moment, count in moments if moment <= reading.now_us])
    return sum(slot.tokens for slot in slots if slot.youngest_at_us + HOUR_US > reading.now_us)
