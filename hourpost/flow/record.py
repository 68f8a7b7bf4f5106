"""Record: many verdicts become states, attempts, events and suppressions in one transaction.

A verdict counts only while its worker still has the lease, so a worker that lost it can change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.flow.verdict import Verdict
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from hourpost.webhooks.telling import with_calls, without_calls

_STATEMENT = """
WITH v AS MATERIALIZED (
  SELECT v.*, k.*
  FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:kind AS int[]), CAST(:event_id AS uuid[]),
    CAST(:detail AS text[]), CAST(:reply AS text[]), CAST(:seconds AS float8[]))
    AS v(email, position, kind, event_id, detail, reply, seconds)
  JOIN unnest(CAST(:state AS text[]), CAST(:due AS timestamptz[]), CAST(:waits_for AS text[]), CAST(:event AS text[]),
    CAST(:relay AS text[]), CAST(:stage AS text[]), CAST(:code AS int[]), CAST(:enhanced AS text[]),
    CAST(:tls AS text[])) WITH ORDINALITY
    AS k(state, due, waits_for, event, relay, stage, code, enhanced, tls, number) ON k.number = v.kind
), changed AS (
  UPDATE deliveries d SET state = v.state, due_at = coalesce(v.due, :now), waits_for = v.waits_for, lease = NULL,
    dot_at = NULL, attempts = d.attempts - (v.seconds IS NULL)::int, changed_at = :now
  FROM v WHERE d.email_id = v.email AND d.position = v.position AND d.lease = :worker AND d.state || '' = 'sending'
  RETURNING d.account_id, d.attempts, v.*
), tries AS (
  INSERT INTO attempts (email_id, position, number, outcome, relay, stage, code, enhanced, reply, tls, started_at,
    seconds)
  SELECT email, position, attempts, state, relay, stage, code, enhanced, reply, tls,
    :now - make_interval(secs => seconds), seconds
  FROM changed WHERE seconds IS NOT NULL
  ON CONFLICT DO NOTHING
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT email, event_id, position, account_id, event, :now, detail::jsonb FROM changed WHERE event IS NOT NULL
  {told}
), calls AS ({calls})
SELECT count(*) AS calls FROM calls
"""
_RECORD = HotStatement(with_calls(_STATEMENT), seconds=HOT_SECONDS)
_RECORD_BARE = HotStatement(without_calls(_STATEMENT), seconds=HOT_SECONDS)
# What went straight into a mailbox of ours was sent as well, and what a test has complained about.
_ALSO_SENT = HotStatement(
    with_calls(
        """
WITH here AS (
  SELECT d.email_id, w.event_id, d.position, d.account_id
  FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:event_id AS uuid[]))
    AS w(email, position, event_id)
  JOIN deliveries d ON d.email_id = w.email AND d.position = w.position
  WHERE d.lease = :worker AND d.state || '' = 'sending' FOR UPDATE OF d
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at)
  SELECT email_id, event_id, position, account_id, 'sent', :now FROM here
  {told}
), calls AS ({calls})
SELECT count(*) AS calls FROM calls
"""
    ),
    seconds=HOT_SECONDS,
)
# Its token was not used, unless the answer to an earlier dot was lost. Whoever takes the next one finds that the
# generation was raised, and has the bucket filled anew.
_UNSPEND = HotStatement(
    "WITH freed AS (UPDATE deliveries d SET released_at = NULL"
    " FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[])) AS w(email, position)"
    " WHERE d.email_id = w.email AND d.position = w.position AND d.lease = :worker AND d.state || '' = 'sending'"
    " AND d.released_at IS NOT NULL AND NOT EXISTS (SELECT FROM events u"
    " WHERE u.email_id = d.email_id AND u.position = d.position AND u.kind = 'unknown')"
    " RETURNING d.account_id, old.released_at AS spent_at), raised AS (UPDATE hours SET generation = generation + 1"
    " WHERE account_id IN (SELECT account_id FROM freed))"
    " INSERT INTO spends (account_id, spent_at, count) SELECT account_id, spent_at, -count(*) FROM freed GROUP BY 1, 2",
    seconds=HOT_SECONDS,
)
_SUPPRESS = HotStatement(
    "INSERT INTO suppressions (account_id, address, id, reason, email_id, created_at)"
    " SELECT e.account_id, w.address, w.id, 'bounce', e.id, :now"
    " FROM unnest(CAST(:email AS uuid[]), CAST(:address AS text[]), CAST(:id AS uuid[])) AS w(email, address, id)"
    " JOIN emails e ON e.id = w.email ORDER BY 1, 2 ON CONFLICT DO NOTHING",
    seconds=HOT_SECONDS,
)


def is_one_statement(verdicts: Sequence[Verdict]) -> bool:
    """Whether ``record`` runs one statement for these, which needs no transaction around it."""
    return not any(one.suppresses or one.is_unused or _was_also_sent(one) for one in verdicts)


async def record(connection: asyncpg.Connection, worker: UUID, verdicts: Sequence[Verdict], now: datetime) -> int:
    """Write the verdicts of ``worker``, one delivery at most once among them; gives how many webhooks are to call."""
    if not verdicts:
        return 0
    here = [verdict for verdict in verdicts if _was_also_sent(verdict)]
    if here:
        await _ALSO_SENT.run(
            connection,
            {
                "email": [verdict.email_id for verdict in here],
                "position": [verdict.position for verdict in here],
                "event_id": [new_id() for _ in here],
                "worker": worker,
                "now": now,
            },
        )
    if unused := [verdict for verdict in verdicts if verdict.is_unused]:
        email, position = [one.email_id for one in unused], [one.position for one in unused]
        await _UNSPEND.run(connection, {"email": email, "position": position, "worker": worker})
    told = await _RECORD.run(connection, {**_columns(verdicts), "worker": worker, "now": now})
    bad = [verdict for verdict in verdicts if verdict.suppresses]
    if bad:
        await _SUPPRESS.run(
            connection,
            {
                "email": [verdict.email_id for verdict in bad],
                "address": [verdict.suppresses for verdict in bad],
                "id": [new_id() for _ in bad],
                "now": now,
            },
        )
    calls: int = told[0].calls
    return calls


async def record_bare(connection: asyncpg.Connection, worker: UUID, verdicts: Sequence[Verdict], now: datetime) -> int:
    """Write what is certain of verdicts that PostgreSQL refuses: states, attempts and events without their words.

    No webhook is called, nothing suppressed, no token comes back; it is one statement. Gives 0, the calls.
    """
    bare = [_bare(verdict) for verdict in verdicts]
    await _RECORD_BARE.run(connection, {**_columns(bare), "worker": worker, "now": now})
    return 0


def _bare(verdict: Verdict) -> Verdict:
    """Without what others have said."""
    detail = {"reason": "its details could not be written"}
    if "next_attempt_at" in verdict.detail:
        detail["next_attempt_at"] = verdict.detail["next_attempt_at"]
    attempt = verdict.attempt and verdict.attempt._replace(enhanced=None, reply="")
    return verdict._replace(attempt=attempt, detail=detail)


def _was_also_sent(verdict: Verdict) -> bool:
    return verdict.state is State.DELIVERED or verdict.event == "complained"


_KIND = ("state", "due", "waits_for", "event", "relay", "stage", "code", "enhanced", "tls")


def _columns(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The verdicts, and apart what mostly many have in common: each value costs as much as a column."""
    kinds: dict[tuple[Any, ...], int] = {}
    tries = [verdict.attempt for verdict in verdicts]
    return {
        "email": [verdict.email_id for verdict in verdicts],
        "position": [verdict.position for verdict in verdicts],
        "kind": [kinds.setdefault(_kind_of(verdict), len(kinds) + 1) for verdict in verdicts],
        "event_id": [new_id() for _ in verdicts],
        "detail": [_detail(verdict) for verdict in verdicts],
        "reply": [attempt and attempt.reply for attempt in tries],
        "seconds": [attempt and attempt.seconds for attempt in tries],
        **dict(zip(_KIND, zip(*kinds, strict=True), strict=True)),
    }


def _kind_of(verdict: Verdict) -> tuple[Any, ...]:
    attempt = verdict.attempt
    due = verdict.due_at if verdict.state is State.DEFERRED else None
    event = None if verdict.is_quiet else verdict.event
    if attempt is None:
        return (verdict.state, due, verdict.waits_for, event, None, None, None, None, None)
    of_attempt = (attempt.relay, attempt.stage, attempt.code, attempt.enhanced, attempt.tls)
    return (verdict.state, due, verdict.waits_for, event, *of_attempt)


def _detail(verdict: Verdict) -> str | None:
    attempt = verdict.attempt
    if attempt is None:
        return orjson.dumps({**verdict.detail}).decode() if verdict.detail else None
    said = {"relay": attempt.relay, "code": attempt.code, "enhanced": attempt.enhanced, "reply": attempt.reply}
    return orjson.dumps({**verdict.detail, **said}).decode()
