"""The calls that are due: claimed by one worker at a time, and what became of each. The caller owns the transaction."""

from __future__ import annotations

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

# A loose scan gives the webhooks that are owed something now. What an account has room for is looked for evenly among
# them, twice as much as fits because not each has so much, and of each the oldest. Whose account has the fewest calls
# under way comes first. Until ``due_at``, which the claim moves on, a call is its worker's own.
_CLAIM = text(
    """
WITH RECURSIVE owed AS (
  (SELECT webhook_id, due_at FROM webhook_calls WHERE state = 'pending' ORDER BY webhook_id, due_at LIMIT 1)
  UNION ALL
  SELECT n.webhook_id, n.due_at FROM owed o CROSS JOIN LATERAL (
    SELECT c.webhook_id, c.due_at FROM webhook_calls c WHERE c.state = 'pending' AND c.webhook_id > o.webhook_id
    ORDER BY c.webhook_id, c.due_at LIMIT 1) n
), hooks AS (
  SELECT w.id, w.account_id, w.failing_since IS NOT NULL AS is_failing
  FROM owed o JOIN webhooks w ON w.id = o.webhook_id WHERE o.due_at <= :now AND w.disabled_at IS NULL
), room AS (
  SELECT w.*, coalesce(a.calls, 0) AS busy, CASE WHEN w.is_failing THEN 1 ELSE :of_webhook END - coalesce(b.calls, 0)
    AS calls, CASE WHEN w.is_failing THEN CAST(:of_failing AS int) ELSE :of_account END AS share,
    count(*) OVER (PARTITION BY w.account_id, w.is_failing) AS siblings
  FROM hooks w
  LEFT JOIN unnest(CAST(:busy AS uuid[]), CAST(:calls AS int[])) AS b(webhook, calls) ON b.webhook = w.id
  LEFT JOIN unnest(CAST(:accounts AS uuid[]), CAST(:failing AS bool[]), CAST(:account_calls AS int[]))
    AS a(account, is_failing, calls) ON a.account = w.account_id AND a.is_failing = w.is_failing
), found AS (
  SELECT d.*, r.share, r.is_failing,
    r.busy + row_number() OVER (PARTITION BY r.account_id, r.is_failing ORDER BY d.due_at) AS place
  FROM room r CROSS JOIN LATERAL (
    SELECT c.webhook_id, c.event_id, c.due_at FROM webhook_calls c
    WHERE c.webhook_id = r.id AND c.state = 'pending' AND c.due_at <= :now
    ORDER BY c.due_at LIMIT greatest(least(r.calls, ceil(2.0 * (r.share - r.busy) / r.siblings)), 0)
    FOR UPDATE SKIP LOCKED
  ) d
), fair AS (
  SELECT f.*, row_number() OVER (PARTITION BY f.is_failing ORDER BY f.place, f.due_at) AS turn
  FROM found f WHERE f.place <= f.share
), due AS (
  SELECT webhook_id, event_id, is_failing FROM fair WHERE NOT is_failing OR turn <= :most_failing
  ORDER BY place, due_at LIMIT :most
), claimed AS (
  UPDATE webhook_calls c SET due_at = :until, attempts = c.attempts + 1
  FROM due WHERE c.webhook_id = due.webhook_id AND c.event_id = due.event_id
  RETURNING c.webhook_id, c.event_id, c.email_id, c.attempts, due.is_failing
)
SELECT c.webhook_id, c.event_id, c.email_id, c.attempts, c.is_failing, w.account_id, w.endpoint, w.secret,
  ARRAY(SELECT o.secret FROM unnest(array_prepend(w.old_secret, w.older_secrets),
    array_prepend(w.old_secret_until, w.older_secrets_until)) AS o(secret, until) WHERE o.until > :now) AS old_secrets
FROM claimed c JOIN webhooks w ON w.id = c.webhook_id
"""
)
# By the tries that the row counts, not those at the claim: a replay sets them to none while the call is under way.
_RECORD = text(
    """
WITH r AS (
  SELECT * FROM unnest(CAST(:webhook AS uuid[]), CAST(:event AS uuid[]), CAST(:until AS timestamptz[]),
    CAST(:succeeded AS bool[]), CAST(:attempt AS uuid[]), CAST(:status AS int[]), CAST(:response AS text[]),
    CAST(:seconds AS float8[]), CAST(:sent AS timestamptz[]))
    AS r(webhook, event, until, succeeded, attempt, status, response, seconds, sent)
), tried AS (
  INSERT INTO webhook_attempts (id, webhook_id, event_id, status, response, seconds, sent_at)
  SELECT r.attempt, r.webhook, r.event, r.status, r.response, r.seconds, r.sent
  FROM r JOIN webhooks w ON w.id = r.webhook
)
UPDATE webhook_calls c SET
  state = CASE WHEN r.succeeded THEN 'success'
    WHEN c.attempts > cardinality(CAST(:waits AS float8[])) THEN 'failed' ELSE 'pending' END,
  due_at = CAST(:now AS timestamptz) + make_interval(secs => CASE WHEN r.succeeded THEN 0
    ELSE coalesce((CAST(:waits AS float8[]))[greatest(c.attempts, 1)], 0) END)
FROM r WHERE c.webhook_id = r.webhook AND c.event_id = r.event AND c.due_at = r.until AND c.state = 'pending'
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
_DISABLE = text(
    """
WITH ended AS (
  UPDATE webhooks SET disabled_at = :now, disabled_reason = :reason
  WHERE id = ANY(CAST(:webhook AS uuid[])) AND failing_since < :before AND disabled_at IS NULL
  RETURNING id, account_id, endpoint, failing_since
), calls AS (
  UPDATE webhook_calls c SET state = 'failed' FROM ended WHERE c.webhook_id = ended.id AND c.state = 'pending'
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

    Where a test event was not taken, the webhook is not failing by that.
    """

    call: Claimed
    status: int | None
    response: str
    seconds: float
    sent_at: datetime
    is_test: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the server took it: 2xx and nothing else."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Disabled:
    """A webhook that has failed for too long."""

    id: UUID
    account_id: UUID
    endpoint: str
    failing_since: datetime


async def claim_calls(connection: AsyncConnection, under_way: UnderWay, shares: Shares, now: datetime) -> list[Claimed]:
    """Claim due calls, as many as the shares leave room for beside those under way."""
    until = now + timedelta(seconds=LEASE_SECONDS)
    rows = await connection.execute(_CLAIM, _room(under_way, shares) | {"now": now, "until": until})
    return [Claimed(**row._mapping, until=until) for row in rows]


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
            "waits": [seconds * (1 + jitter / 5) for seconds in RETRY_SECONDS],
            "now": now,
        },
    )
    return await _keep_standing(connection, [one for one in results if one.is_success or not one.is_test], now)


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
    }
