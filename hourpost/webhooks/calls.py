"""The calls that are due: claimed by one worker at a time, and what became of each. The caller owns the transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import new_id
from hourpost.webhooks.shares import Shares, UnderWay

RETRY_SECONDS = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
GIVE_UP_AFTER = timedelta(days=5)
GAP = timedelta(days=1)
"""After so long without a call that failed, the days of failure begin anew."""
LEASE_SECONDS = 60

# A loose scan gives the webhooks that are owed something now. Whose account has the fewest calls under way comes first,
# and of its webhooks the one with the fewest. Of no more webhooks than can have a turn, twice as many as there is room
# for, the oldest calls are looked at, and of each about twice what its account has room for, because not each has so
# much. So far nothing is locked: of each webhook that has a turn its oldest calls are that nobody else is claiming.
# Until ``due_at``, which the claim moves on, a call is its worker's own.
_CLAIM = text(
    """
WITH RECURSIVE owed AS (
  (SELECT webhook_id, due_at FROM webhook_calls WHERE state = 'pending' ORDER BY webhook_id, due_at LIMIT 1)
  UNION ALL
  SELECT n.webhook_id, n.due_at FROM owed o CROSS JOIN LATERAL (
    SELECT c.webhook_id, c.due_at FROM webhook_calls c WHERE c.state = 'pending' AND c.webhook_id > o.webhook_id
    ORDER BY c.webhook_id, c.due_at LIMIT 1) n
), hooks AS (
  SELECT w.id, w.account_id, w.failing_since IS NOT NULL AS is_failing, o.due_at
  FROM owed o JOIN webhooks w ON w.id = o.webhook_id
  WHERE o.due_at <= :now AND w.disabled_at IS NULL AND w.id <> ALL(CAST(:without AS uuid[]))
), room AS (
  SELECT w.*, coalesce(a.calls, 0) AS of_account, coalesce(b.calls, 0) AS of_webhook,
    CASE WHEN w.is_failing THEN CAST(:of_failing AS int) ELSE :of_account END AS share,
    CASE WHEN w.is_failing THEN 1 ELSE :of_webhook END - coalesce(b.calls, 0) AS calls
  FROM hooks w
  LEFT JOIN unnest(CAST(:busy AS uuid[]), CAST(:calls AS int[])) AS b(webhook, calls) ON b.webhook = w.id
  LEFT JOIN unnest(CAST(:accounts AS uuid[]), CAST(:failing AS bool[]), CAST(:account_calls AS int[]))
    AS a(account, is_failing, calls) ON a.account = w.account_id AND a.is_failing = w.is_failing
), placed AS (
  SELECT r.*, count(*) OVER (PARTITION BY r.account_id, r.is_failing) AS siblings,
    r.of_account + row_number() OVER (PARTITION BY r.account_id, r.is_failing ORDER BY r.of_webhook, r.due_at) AS place
  FROM room r WHERE r.calls > 0 AND r.of_account < r.share
), first AS (
  SELECT p.*, row_number() OVER (PARTITION BY p.is_failing ORDER BY p.place, p.due_at) AS turn
  FROM placed p WHERE p.place <= p.share
), found AS (
  SELECT f.id, f.is_failing, f.share, d.due_at, f.of_account + row_number() OVER (
    PARTITION BY f.account_id, f.is_failing ORDER BY f.of_webhook + d.number, d.due_at) AS place
  FROM first f CROSS JOIN LATERAL (
    SELECT c.due_at, row_number() OVER (ORDER BY c.due_at) AS number FROM webhook_calls c
    WHERE c.webhook_id = f.id AND c.state = 'pending' AND c.due_at <= :now
    ORDER BY c.due_at LIMIT least(f.calls, ceil(2.0 * (f.share - f.of_account) / f.siblings))
  ) d WHERE f.turn <= 2 * CAST(:most AS int)
), fair AS (
  SELECT f.*, row_number() OVER (PARTITION BY f.is_failing ORDER BY f.place, f.due_at) AS turn
  FROM found f WHERE f.place <= f.share
), due AS (
  SELECT t.id, t.is_failing, count(*) AS calls FROM (
    SELECT id, is_failing FROM fair WHERE NOT is_failing OR turn <= :most_failing ORDER BY place, due_at LIMIT :most
  ) t GROUP BY t.id, t.is_failing
), locked AS (
  SELECT l.* FROM due d CROSS JOIN LATERAL (
    SELECT c.webhook_id, c.event_id FROM webhook_calls c
    WHERE c.webhook_id = d.id AND c.state = 'pending' AND c.due_at <= :now
    ORDER BY c.due_at LIMIT d.calls FOR UPDATE SKIP LOCKED
  ) l LIMIT :most  -- there are no more anyway, but the planner does not know
), claimed AS (
  UPDATE webhook_calls c SET due_at = :until, attempts = c.attempts + 1
  FROM locked l WHERE c.webhook_id = l.webhook_id AND c.event_id = l.event_id
  RETURNING c.webhook_id, c.event_id, c.email_id, c.attempts
)
SELECT d.calls AS chosen, d.id AS webhook_id, c.event_id, c.email_id, c.attempts, d.is_failing, w.account_id,
  w.endpoint, w.secret, ARRAY(SELECT o.secret FROM unnest(array_prepend(w.old_secret, w.older_secrets),
    array_prepend(w.old_secret_until, w.older_secrets_until)) AS o(secret, until) WHERE o.until > :now) AS old_secrets
FROM due d JOIN webhooks w ON w.id = d.id LEFT JOIN claimed c ON c.webhook_id = d.id
"""
)
# By the tries that the row counts, not those at the claim: a replay sets them to none while the call is under way.
# Whoever changes several calls locks them in the order of their ids first, and their webhook after them, so that nobody
# waits in a circle.
_RECORD = text(
    """
WITH r AS (
  SELECT * FROM unnest(CAST(:webhook AS uuid[]), CAST(:event AS uuid[]), CAST(:until AS timestamptz[]),
    CAST(:succeeded AS bool[]), CAST(:attempt AS uuid[]), CAST(:status AS int[]), CAST(:response AS text[]),
    CAST(:seconds AS float8[]), CAST(:sent AS timestamptz[]), CAST(:vain AS bool[]))
    AS r(webhook, event, until, succeeded, attempt, status, response, seconds, sent, vain)
), tried AS (
  INSERT INTO webhook_attempts (id, webhook_id, event_id, status, response, seconds, sent_at)
  SELECT r.attempt, r.webhook, r.event, r.status, r.response, r.seconds, r.sent
  FROM r JOIN webhooks w ON w.id = r.webhook
), locked AS MATERIALIZED (
  SELECT r.* FROM r JOIN webhook_calls c ON c.webhook_id = r.webhook AND c.event_id = r.event
  ORDER BY c.webhook_id, c.event_id FOR UPDATE OF c
)
UPDATE webhook_calls c SET
  state = CASE WHEN r.succeeded THEN 'success'
    WHEN r.vain OR c.attempts > cardinality(CAST(:waits AS float8[])) THEN 'failed' ELSE 'pending' END,
  due_at = CAST(:now AS timestamptz) + make_interval(secs => CASE WHEN r.succeeded OR r.vain THEN 0
    ELSE coalesce((CAST(:waits AS float8[]))[greatest(c.attempts, 1)], 0) END)
FROM locked r WHERE c.webhook_id = r.webhook AND c.event_id = r.event AND c.due_at = r.until AND c.state = 'pending'
"""
)
# Only where it changes, and of failures once an hour: a row that is written at every call would be the busiest of the
# table. Days without a call are no days of failure.
_STANDING = text(
    """
UPDATE webhooks w SET failed_at = CASE WHEN NOT r.succeeded THEN CAST(:now AS timestamptz) END,
  failing_since = CASE WHEN r.succeeded THEN NULL
    WHEN coalesce(w.failed_at, w.failing_since) >= :recent THEN coalesce(w.failing_since, :now) ELSE :now END
FROM (SELECT webhook, bool_or(succeeded) AS succeeded
      FROM unnest(CAST(:webhook AS uuid[]), CAST(:succeeded AS bool[])) AS r(webhook, succeeded) GROUP BY webhook) r
WHERE w.id = r.webhook AND CASE WHEN r.succeeded THEN w.failing_since IS NOT NULL
  ELSE w.failing_since IS NULL OR w.failed_at IS NULL OR w.failed_at < :hour END
"""
)
# The webhook is locked by now, so nobody is waited for: what another worker is writing is left to it.
_DISABLE = text(
    """
WITH ended AS (
  UPDATE webhooks SET disabled_at = :now, disabled_reason = :reason
  WHERE id = ANY(CAST(:webhook AS uuid[])) AND failing_since < :before AND disabled_at IS NULL
  RETURNING id, account_id, endpoint, failing_since
), open AS (
  SELECT c.webhook_id, c.event_id FROM ended JOIN webhook_calls c ON c.webhook_id = ended.id AND c.state = 'pending'
  FOR UPDATE OF c SKIP LOCKED
), calls AS (
  UPDATE webhook_calls c SET state = 'failed' FROM open l WHERE c.webhook_id = l.webhook_id AND c.event_id = l.event_id
)
SELECT id, account_id, endpoint, failing_since FROM ended
"""
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One call that this worker makes now; ``attempts`` counts the one under way. Secrets are encrypted."""

    webhook_id: UUID
    event_id: UUID
    email_id: UUID | None
    attempts: int
    is_failing: bool
    account_id: UUID
    endpoint: str
    secret: bytes
    old_secrets: Sequence[bytes]
    until: datetime

    @property
    def key(self) -> tuple[UUID, UUID]:
        """Webhook and event."""
        return self.webhook_id, self.event_id


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a call. Without a status there was no answer, and ``response`` says why.

    Where a test event was not taken, the webhook is not failing by that; nor where there was nothing to tell, which is
    in vain and not tried again.
    """

    call: Claimed
    status: int | None
    response: str
    seconds: float
    sent_at: datetime
    is_test: bool = False
    is_vain: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the server took it: 2xx and nothing else."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def says_how_it_stands(self) -> bool:
        """Whether the webhook is failing by it, or is not any longer."""
        return self.is_success or not (self.is_test or self.is_vain)


@dataclass(frozen=True, slots=True)
class Disabled:
    """A webhook that has failed for too long."""

    id: UUID
    account_id: UUID
    endpoint: str
    failing_since: datetime


async def claim_calls(connection: AsyncConnection, under_way: UnderWay, shares: Shares, now: datetime) -> list[Claimed]:
    """Claim due calls, as many as the shares leave room for beside those under way.

    Where another worker is claiming what was chosen, other webhooks are looked at, once.
    """
    claimed, missed = await _claim(connection, _room(under_way, shares), now)
    if not missed:
        return claimed
    busy = under_way.copy()
    for call in claimed:
        busy.begin(call.webhook_id, call.account_id, is_failing=call.is_failing)
    others, _ = await _claim(connection, _room(busy, shares) | {"without": missed}, now)
    return claimed + others


async def _claim(connection: AsyncConnection, room: dict[str, Any], now: datetime) -> tuple[list[Claimed], list[UUID]]:
    """What is claimed, and the webhooks of which less was to be had than was chosen."""
    until = now + timedelta(seconds=LEASE_SECONDS)
    claimed, missing = [], Counter[UUID]()
    for row in await connection.execute(_CLAIM, room | {"now": now, "until": until}):
        fields = dict(row._mapping)
        missing.setdefault(row.webhook_id, fields.pop("chosen"))
        if row.event_id is not None:
            claimed.append(Claimed(**fields, until=until))
            missing[row.webhook_id] -= 1
    return claimed, list(+missing)


async def record_results(
    connection: AsyncConnection, results: Sequence[Result], now: datetime, jitter: float
) -> list[Disabled]:
    """Write what became of calls; gives the webhooks that are disabled by it, after five days of failing calls.

    ``jitter`` from 0 to 1 adds up to a fifth to the time until the next try.
    """
    await connection.execute(
        _RECORD,
        {
            "webhook": [result.call.webhook_id for result in results],
            "event": [result.call.event_id for result in results],
            "until": [result.call.until for result in results],
            "succeeded": [result.is_success for result in results],
            "attempt": [new_id() for _ in results],
            "status": [result.status for result in results],
            "response": [result.response for result in results],
            "seconds": [result.seconds for result in results],
            "sent": [result.sent_at for result in results],
            "vain": [result.is_vain for result in results],
            "waits": [seconds * (1 + jitter / 5) for seconds in RETRY_SECONDS],
            "now": now,
        },
    )
    return await _keep_standing(connection, [one for one in results if one.says_how_it_stands], now)


async def _keep_standing(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> list[Disabled]:
    succeeded = {result.call.webhook_id: False for result in results}
    succeeded |= {result.call.webhook_id: True for result in results if result.is_success}
    ordered = sorted(succeeded)
    arguments: dict[str, Any] = {"webhook": ordered, "succeeded": [succeeded[one] for one in ordered], "now": now}
    await connection.execute(_STANDING, arguments | {"recent": now - GAP, "hour": now - timedelta(hours=1)})
    failing = [one for one in ordered if not succeeded[one]]
    if not failing:
        return []
    reason = f"Nothing was taken for {GIVE_UP_AFTER.days} days."
    arguments = {"webhook": failing, "before": now - GIVE_UP_AFTER, "now": now, "reason": reason}
    return [Disabled(*row) for row in await connection.execute(_DISABLE, arguments)]


def _room(under_way: UnderWay, shares: Shares) -> dict[str, Any]:
    return {
        "busy": list(under_way.webhooks),
        "calls": list(under_way.webhooks.values()),
        "accounts": [account_id for account_id, _ in under_way.accounts],
        "failing": [is_failing for _, is_failing in under_way.accounts],
        "account_calls": list(under_way.accounts.values()),
        "of_account": shares.of_account,
        "of_failing": shares.of_failing,
        "of_webhook": shares.of_webhook,
        "most_failing": shares.failing - under_way.failing,
        "most": shares.most - under_way.calls,
        "without": [],
    }
