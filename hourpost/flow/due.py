"""Due: what was scheduled for now takes its tokens as what comes in at a door does; what finds no room is held.

Nothing is locked while the bucket is asked: what was canceled or moved meanwhile gives its tokens back. Where the
bucket cannot be asked, or was replaced before the commit, everything is held, and the release that follows lets go
what has room.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow import limit
from hourpost.flow.endings import ENDING_COLUMNS, REASONS, ending_of
from hourpost.flow.enqueue import Enqueue
from hourpost.flow.limit import to_moment
from hourpost.flow.teller import Teller
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.gateways.metrics import HOUR_UNCOUNTED
from hourpost.rules.delivery_state import State
from hourpost.rules.hour_tokens import Answer, Take, Taken, Want
from hourpost.rules.ids import new_id
from hourpost.rules.plans import hourly_limit
from hourpost.seldom import Seldom
from hourpost.webhooks.telling import with_calls

_AT_ONCE = 1000

log = structlog.get_logger()
_say_uncounted = Seldom("the hour cannot be counted: holding what has come due")

_DUE = text(
    f"""
SELECT d.email_id, d.position, d.account_id, e.test, {ENDING_COLUMNS}
FROM (SELECT * FROM deliveries WHERE state = 'scheduled' AND due_at <= :now ORDER BY due_at LIMIT :most) AS d
JOIN emails e ON e.id = d.email_id ORDER BY d.due_at, d.email_id, d.position
"""  # noqa: S608  # words of ours
)
# Who holds something lets nobody by, also where its bucket has not heard of it.
_MAY_ASK = text(
    "SELECT id, plan, own_limit FROM accounts a WHERE id = ANY(CAST(:accounts AS uuid[])) AND suspended_at IS NULL"
    " AND NOT EXISTS (SELECT FROM deliveries d WHERE d.account_id = a.id AND d.state = 'held')"
)
_CHANGE = text(
    with_calls(
        """
WITH w AS (
  SELECT * FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:state AS text[]),
    CAST(:released AS timestamptz[]), CAST(:reason AS text[]), CAST(:event_id AS uuid[]))
    AS w(email, position, state, released, reason, event_id)
), due AS (
  SELECT w.* FROM w JOIN deliveries d ON d.email_id = w.email AND d.position = w.position
  WHERE d.state || '' = 'scheduled' AND d.due_at <= :now FOR UPDATE OF d SKIP LOCKED
), changed AS (
  UPDATE deliveries d SET state = due.state, due_at = CASE WHEN due.state = 'held' THEN d.due_at ELSE :now END,
    released_at = due.released, changed_at = :now
  FROM due WHERE d.email_id = due.email AND d.position = due.position
  RETURNING d.email_id, d.position, d.account_id, d.state, d.released_at, due.reason, due.event_id
), spent AS (
  INSERT INTO spends (account_id, spent_at, count)
  SELECT account_id, released_at, count(*) FROM changed WHERE released_at IS NOT NULL GROUP BY account_id, released_at
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT email_id, event_id, position, account_id, state, :now,
    CASE WHEN reason IS NOT NULL THEN jsonb_build_object('reason', reason) END
  FROM changed
  {told}
), calls AS ({calls})
SELECT email_id, account_id, state, released_at FROM changed
"""
    )
)


class _Fate(NamedTuple):
    """What becomes of one delivery, and when its token was taken."""

    key: tuple[UUID, int]
    state: State
    released_at: datetime | None = None


@dataclass(slots=True)
class _Share:
    """What of one account has come due: what ends or needs no token, and what asks for one, oldest first."""

    settled: list[_Fate] = field(default_factory=list)
    wanted: list[tuple[UUID, int]] = field(default_factory=list)
    taken: Taken | None = None

    @property
    def given(self) -> int:
        return sum(answer.taken for answer in self.taken.answers) if self.taken else 0

    @property
    def counted(self) -> int:
        """How many wait of which the bucket knows."""
        return sum(answer.held for answer in self.taken.answers) if self.taken else 0

    def fates(self) -> Iterator[_Fate]:
        """Of all of it; the first of those that ask have the tokens."""
        yield from self.settled
        if self.taken is not None:
            released_at = to_moment(self.taken.taken_at_us)
            yield from (_Fate(key, State.QUEUED, released_at) for key in self.wanted[: self.given])
        yield from (_Fate(key, State.HELD) for key in self.wanted[self.given :])


class ComingDue:
    """Lets what was scheduled leave or wait; safe to run in several processes at once, useful in one."""

    def __init__(self, database: Database, hour: Hour, enqueue: Enqueue, clock: Clock) -> None:
        self._database = database
        self._enqueue = enqueue
        self._clock = clock
        self._teller = Teller(hour, database, clock)

    async def come_due(self) -> list[UUID]:
        """Let what was scheduled for now leave or join those that wait; gives the accounts of what waits.

        Raises: ServiceUnavailable.
        """
        now = self._clock.now()
        async with self._database.reading() as connection:
            rows = (await connection.execute(_DUE, {"now": now, "most": _AT_ONCE})).all()
            if not rows:
                return []
            shares = _shares(rows)
            asking = [account for account, share in shares.items() if share.wanted]
            limits = await _limits(connection, asking)
        await self._ask(shares, limits)
        try:
            async with self._database.transaction() as connection:
                generations = await _drop_void(connection, shares)
                changed = await _change(connection, [fate for share in shares.values() for fate in share.fates()], now)
        except BaseException:  # whether it is stored is not known, or it is not
            self._teller.doubt(account for account, share in shares.items() if share.taken)
            raise
        self._enqueue.ring(dict.fromkeys(row.email_id for row in changed if row.state == State.QUEUED))
        held = Counter(row.account_id for row in changed if row.state == State.HELD)
        await self._settle(shares, changed, held, generations)
        return list(held)

    async def _ask(self, shares: Mapping[UUID, _Share], limits: Mapping[UUID, int]) -> None:
        """Take tokens, one call for all; without Redis everything is held."""
        takes = [Take(account, most, [Want(1)] * len(shares[account].wanted)) for account, most in limits.items()]
        if not takes:
            return
        try:
            found = await self._teller.take(takes)
        except ServiceUnavailable as error:
            HOUR_UNCOUNTED.inc()
            _say_uncounted(cause=error.cause)
            return
        for taken in found:
            shares[taken.account].taken = taken

    async def _settle(
        self, shares: Mapping[UUID, _Share], changed: Sequence[Any], held: Counter[UUID], generations: dict[UUID, int]
    ) -> None:
        """Give back what was taken in vain, and tell the buckets of what waits that they do not know of."""
        released = Counter(row.account_id for row in changed if row.released_at is not None)
        for account, share in shares.items():
            if share.taken is not None and share.given > released[account]:
                await self._teller.give_back(share.taken, [Answer(share.given - released[account])])
        unseen = {account: held[account] - share.counted for account, share in shares.items()}
        await self._teller.tell_held(unseen, {a: number for a, number in generations.items() if unseen[a]})


def _shares(rows: Sequence[Any]) -> dict[UUID, _Share]:
    shares: defaultdict[UUID, _Share] = defaultdict(_Share)
    for row in rows:
        key = (row.email_id, row.position)
        state = State.QUEUED if row.test else ending_of(row)
        if state is None:
            shares[row.account_id].wanted.append(key)
        else:
            shares[row.account_id].settled.append(_Fate(key, state))
    return dict(shares)


async def _limits(connection: AsyncConnection, accounts: Collection[UUID]) -> dict[UUID, int]:
    """The plans of those that may ask for tokens now."""
    found = await connection.execute(_MAY_ASK, {"accounts": list(accounts)}) if accounts else ()
    limits = {row.id: hourly_limit(row.plan, row.own_limit) for row in found}
    return {account: most for account, most in limits.items() if most}


async def _drop_void(connection: AsyncConnection, shares: Mapping[UUID, _Share]) -> dict[UUID, int]:
    """Hold what was debited from a bucket that was replaced since; gives the generations, which stay until the end."""
    generations = await limit.lock_generations(connection, [account for account, one in shares.items() if one.wanted])
    for account, share in shares.items():
        if share.taken is not None and generations.get(account) != share.taken.reading.generation:
            share.taken = None
    return generations


async def _change(connection: AsyncConnection, fates: Sequence[_Fate], now: datetime) -> Sequence[Any]:
    rows = await connection.execute(
        _CHANGE,
        {
            "email": [fate.key[0] for fate in fates],
            "position": [fate.key[1] for fate in fates],
            "state": [fate.state.value for fate in fates],
            "released": [fate.released_at for fate in fates],
            "reason": [REASONS.get(fate.state) for fate in fates],
            "event_id": [new_id() for _ in fates],
            "now": now,
        },
    )
    return rows.all()
