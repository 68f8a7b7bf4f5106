"""The calls that are due: claimed by one worker at a time, and what became of each. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import new_id

RETRY_SECONDS = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
GIVE_UP_AFTER = timedelta(days=5)
LEASE_SECONDS = 60

# A loose scan gives the webhooks that are owed something; of each as much as it has room for, oldest first. One that
# has been failing gets one call at a time. Until ``due_at``, which the claim moves on, a call is its worker's own.
_CLAIM = text(
    """
WITH RECURSIVE owed AS (
  (SELECT webhook_id FROM webhook_calls WHERE state = 'pending' ORDER BY webhook_id LIMIT 1)
  UNION ALL
  SELECT (SELECT c.webhook_id FROM webhook_calls c WHERE c.state = 'pending' AND c.webhook_id > o.webhook_id
          ORDER BY c.webhook_id LIMIT 1)
  FROM owed o WHERE o.webhook_id IS NOT NULL
), room AS (
  SELECT w.id, CASE WHEN w.failing_since IS NULL THEN :each ELSE 1 END - coalesce(b.calls, 0) AS calls
  FROM owed o JOIN webhooks w ON w.id = o.webhook_id
  LEFT JOIN unnest(CAST(:busy AS uuid[]), CAST(:calls AS int[])) AS b(webhook, calls) ON b.webhook = w.id
  WHERE w.disabled_at IS NULL
), due AS (
  SELECT d.webhook_id, d.event_id FROM room r CROSS JOIN LATERAL (
    SELECT c.webhook_id, c.event_id, c.due_at FROM webhook_calls c
    WHERE c.webhook_id = r.id AND c.state = 'pending' AND c.due_at <= :now
    ORDER BY c.due_at LIMIT greatest(r.calls, 0) FOR UPDATE SKIP LOCKED
  ) d ORDER BY d.due_at LIMIT :most
), claimed AS (
  UPDATE webhook_calls c SET due_at = :until, attempts = c.attempts + 1
  FROM due WHERE c.webhook_id = due.webhook_id AND c.event_id = due.event_id
  RETURNING c.webhook_id, c.event_id, c.attempts
)
SELECT c.webhook_id, c.event_id, c.attempts, w.account_id, w.endpoint, w.secret,
  CASE WHEN w.old_secret_until > :now THEN w.old_secret END AS old_secret
FROM claimed c JOIN webhooks w ON w.id = c.webhook_id
"""
)
_RECORD = text(
    """
WITH r AS (
  SELECT * FROM unnest(CAST(:webhook AS uuid[]), CAST(:event AS uuid[]), CAST(:until AS timestamptz[]),
    CAST(:state AS text[]), CAST(:due AS timestamptz[]), CAST(:attempt AS uuid[]), CAST(:status AS int[]),
    CAST(:response AS text[]), CAST(:seconds AS float8[]), CAST(:sent AS timestamptz[]))
    AS r(webhook, event, until, state, due, attempt, status, response, seconds, sent)
), tried AS (
  INSERT INTO webhook_attempts (id, webhook_id, event_id, status, response, seconds, sent_at)
  SELECT r.attempt, r.webhook, r.event, r.status, r.response, r.seconds, r.sent
  FROM r JOIN webhooks w ON w.id = r.webhook
)
UPDATE webhook_calls c SET state = r.state, due_at = r.due
FROM r WHERE c.webhook_id = r.webhook AND c.event_id = r.event AND c.due_at = r.until AND c.state = 'pending'
"""
)
# Only where it changes: a row that is written at every success would be the busiest of the table.
_STANDING = text(
    """
UPDATE webhooks w SET
  failing_since = CASE WHEN r.succeeded THEN NULL ELSE coalesce(w.failing_since, :now) END
FROM (SELECT webhook, bool_or(succeeded) AS succeeded
      FROM unnest(CAST(:webhook AS uuid[]), CAST(:succeeded AS bool[])) AS r(webhook, succeeded) GROUP BY webhook) r
WHERE w.id = r.webhook AND r.succeeded = (w.failing_since IS NOT NULL)
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
    attempts: int
    account_id: UUID
    endpoint: str
    secret: bytes
    old_secret: bytes | None
    until: datetime

    @property
    def key(self) -> tuple[UUID, UUID]:
        """Webhook and event."""
        return self.webhook_id, self.event_id


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a call. Without a status there was no answer, and ``response`` says why."""

    call: Claimed
    status: int | None
    response: str
    seconds: float
    sent_at: datetime

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


async def claim_calls(
    connection: AsyncConnection, busy: Mapping[UUID, int], each: int, most: int, now: datetime
) -> list[Claimed]:
    """Claim up to ``most`` due calls, and of one webhook no more than ``each`` together with those under way."""
    until = now + timedelta(seconds=LEASE_SECONDS)
    arguments = {"busy": list(busy), "calls": list(busy.values()), "each": each, "most": most, "now": now}
    rows = await connection.execute(_CLAIM, arguments | {"until": until})
    return [Claimed(**row._mapping, until=until) for row in rows]


async def record_results(
    connection: AsyncConnection, results: Sequence[Result], now: datetime, jitter: float
) -> list[Disabled]:
    """Write what became of calls; gives the webhooks that are disabled by it, after five days of failure."""
    fates = [_fate(result, now, jitter) for result in results]
    await connection.execute(
        _RECORD,
        {
            "webhook": [result.call.webhook_id for result in results],
            "event": [result.call.event_id for result in results],
            "until": [result.call.until for result in results],
            "state": [state for state, _ in fates],
            "due": [due_at for _, due_at in fates],
            "attempt": [new_id() for _ in results],
            "status": [result.status for result in results],
            "response": [result.response for result in results],
            "seconds": [result.seconds for result in results],
            "sent": [result.sent_at for result in results],
        },
    )
    return await _keep_standing(connection, results, now)


async def _keep_standing(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> list[Disabled]:
    succeeded = {result.call.webhook_id: False for result in results}
    succeeded |= {result.call.webhook_id: True for result in results if result.is_success}
    ordered = sorted(succeeded)
    arguments: dict[str, Any] = {"webhook": ordered, "succeeded": [succeeded[one] for one in ordered], "now": now}
    await connection.execute(_STANDING, arguments)
    failing = [one for one in ordered if not succeeded[one]]
    if not failing:
        return []
    reason = f"Nothing was taken for {GIVE_UP_AFTER.days} days."
    arguments = {"webhook": failing, "before": now - GIVE_UP_AFTER, "now": now, "reason": reason}
    return [Disabled(*row) for row in await connection.execute(_DISABLE, arguments)]


def _fate(result: Result, now: datetime, jitter: float) -> tuple[str, datetime]:
    """The next state of a call and when it is due; ``jitter`` from 0 to 1 adds up to a fifth."""
    if result.is_success:
        return "success", now
    if result.call.attempts > len(RETRY_SECONDS):
        return "failed", now
    seconds = RETRY_SECONDS[result.call.attempts - 1] * (1 + jitter / 5)
    return "pending", now + timedelta(seconds=seconds)
