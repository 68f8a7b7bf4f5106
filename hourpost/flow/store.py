"""Store: the rows of many orders in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from hourpost.rules.submission import Order, Submission

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery about to be stored."""

    address: str
    state: State
    due_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stored:
    """One email about to be stored, with what was decided about each of its recipients."""

    order: Order
    submission: Submission
    signing_domain_id: UUID | None
    rows: tuple[Row, ...]


_INSERT = text(
    """
WITH chunks AS (
  INSERT INTO content_chunks (content_id, number, bytes)
  SELECT * FROM unnest(CAST(:c_id AS uuid[]), CAST(:c_number AS int[]), CAST(:c_bytes AS bytea[]))
), mails AS (
  INSERT INTO emails (id, account_id, credential_id, domain_id, source, test, envelope_from, header_from, from_address,
    subject, message_id, parts, tags, metadata, size_bytes, content_id, scheduled_at, expires_at, created_at)
  SELECT e.id, e.account, e.credential, e.domain, e.source, e.test, e.envelope_from, e.header_from, e.from_address,
    e.subject, e.message_id, e.parts::jsonb, e.tags::jsonb, e.metadata::jsonb, e.size, e.id, e.scheduled,
    e.expires, :now
  FROM unnest(CAST(:e_id AS uuid[]), CAST(:e_account AS uuid[]), CAST(:e_credential AS uuid[]),
    CAST(:e_domain AS uuid[]), CAST(:e_source AS text[]), CAST(:e_test AS bool[]), CAST(:e_envelope_from AS text[]),
    CAST(:e_header_from AS text[]), CAST(:e_from_address AS text[]), CAST(:e_subject AS text[]),
    CAST(:e_message_id AS text[]), CAST(:e_parts AS text[]), CAST(:e_tags AS text[]), CAST(:e_metadata AS text[]),
    CAST(:e_size AS int[]), CAST(:e_scheduled AS timestamptz[]), CAST(:e_expires AS timestamptz[]))
    AS e(id, account, credential, domain, source, test, envelope_from, header_from, from_address, subject, message_id,
      parts, tags, metadata, size, scheduled, expires)
), spent AS (
  INSERT INTO spends (account_id, spent_at, count)
  SELECT account, released, count(*) FROM unnest(CAST(:d_account AS uuid[]), CAST(:d_released AS timestamptz[]))
    AS d(account, released) WHERE released IS NOT NULL GROUP BY account, released
), moved AS (
  INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, released_at, attempts,
    crashes, changed_at)
  SELECT d.email, d.position, d.account, d.address, d.domain, d.state, d.due, d.released, 0, 0, :now
  FROM unnest(CAST(:d_email AS uuid[]), CAST(:d_position AS int[]), CAST(:d_account AS uuid[]),
    CAST(:d_address AS text[]), CAST(:d_domain AS text[]), CAST(:d_state AS text[]), CAST(:d_due AS timestamptz[]),
    CAST(:d_released AS timestamptz[])) AS d(email, position, account, address, domain, state, due, released)
)
INSERT INTO events (email_id, id, position, account_id, kind, at)
SELECT d.email, d.event, d.position, d.account, d.state, :now
FROM unnest(CAST(:d_email AS uuid[]), CAST(:d_event AS uuid[]), CAST(:d_position AS int[]),
  CAST(:d_account AS uuid[]), CAST(:d_state AS text[])) AS d(email, event, position, account, state)
"""
)

_KEYS = text(
    "INSERT INTO idempotency_keys (account_id, key, body_sha256, answer, created_at)"
    " SELECT k.account, k.key, k.body, k.answer::jsonb, :now"
    " FROM unnest(CAST(:account AS uuid[]), CAST(:key AS text[]), CAST(:body AS bytea[]), CAST(:answer AS text[]))"
    " AS k(account, key, body, answer)"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING account_id, key"
)


async def insert_keys(connection: AsyncConnection, orders: Iterable[Order], now: datetime) -> set[tuple[UUID, str]]:
    """Store the idempotency keys of ``orders``; gives those that were not there before.

    Waits for other transactions that are storing the same keys.
    """
    keyed = {(order.standing.account_id, order.idempotency_key): order for order in orders if order.idempotency_key}
    if not keyed:
        return set()
    rows = await connection.execute(
        _KEYS,
        {
            "account": [account for account, _ in keyed],
            "key": [key for _, key in keyed],
            "body": [order.body_sha256 for order in keyed.values()],
            "answer": [_answer(order) for order in keyed.values()],
            "now": now,
        },
    )
    return {(row.account_id, row.key) for row in rows}


def _answer(order: Order) -> str:
    answer = {"emails": [str(submission.email_id) for submission in order.submissions], "errors": order.errors}
    return orjson.dumps(answer).decode()


async def insert_emails(connection: AsyncConnection, stored: Sequence[Stored], now: datetime) -> None:
    """Store emails with content, deliveries, spends and first events."""
    if stored:
        await connection.execute(_INSERT, {**_email_columns(stored), **_delivery_columns(stored), "now": now})


def _email_columns(stored: Sequence[Stored]) -> dict[str, Any]:
    mails = [one.submission for one in stored]
    chunks = [chunk for mail in mails for chunk in _chunks(mail)]
    return {
        "c_id": [chunk[0] for chunk in chunks],
        "c_number": [chunk[1] for chunk in chunks],
        "c_bytes": [chunk[2] for chunk in chunks],
        "e_id": [mail.email_id for mail in mails],
        "e_account": [one.order.standing.account_id for one in stored],
        "e_credential": [one.order.standing.credential_id for one in stored],
        "e_domain": [one.signing_domain_id for one in stored],
        "e_source": [mail.source for mail in mails],
        "e_test": [one.order.standing.test for one in stored],
        "e_envelope_from": [mail.envelope_from for mail in mails],
        "e_header_from": [mail.header_from for mail in mails],
        "e_from_address": [mail.from_address.lower() for mail in mails],
        "e_subject": [mail.subject for mail in mails],
        "e_message_id": [mail.message_id for mail in mails],
        "e_parts": [orjson.dumps(mail.parts).decode() for mail in mails],
        "e_tags": [orjson.dumps(mail.tags).decode() if mail.tags else None for mail in mails],
        "e_metadata": [orjson.dumps(mail.metadata).decode() if mail.metadata else None for mail in mails],
        "e_size": [len(mail.content) for mail in mails],
        "e_scheduled": [mail.scheduled_at for mail in mails],
        "e_expires": [mail.expires_at for mail in mails],
    }


def _chunks(mail: Submission) -> list[tuple[UUID, int, bytes]]:
    if len(mail.content) <= CHUNK_BYTES:
        return [(mail.email_id, 0, mail.content)]
    starts = range(0, len(mail.content), CHUNK_BYTES)
    return [(mail.email_id, number, mail.content[start : start + CHUNK_BYTES]) for number, start in enumerate(starts)]


def _delivery_columns(stored: Sequence[Stored]) -> dict[str, Any]:
    rows = [(one, position, row) for one in stored for position, row in enumerate(one.rows)]
    return {
        "d_email": [one.submission.email_id for one, _, _ in rows],
        "d_position": [position for _, position, _ in rows],
        "d_account": [one.order.standing.account_id for one, _, _ in rows],
        "d_address": [row.address for _, _, row in rows],
        "d_domain": [row.address.rpartition("@")[2].lower() for _, _, row in rows],
        "d_state": [row.state.value for _, _, row in rows],
        "d_due": [row.due_at for _, _, row in rows],
        "d_released": [row.released_at for _, _, row in rows],
        "d_event": [new_id() for _ in rows],
    }
