"""Store: all that belongs to many orders, in one statement that is its own transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from hourpost.rules.submission import Order, Submission
from hourpost.webhooks.telling import with_calls

CHUNK_BYTES = 256 * 1024
NO_COPY = UUID(int=0)
"""In place of a copy's content: there is none, and nowhere to file one; its mailbox is still to hear what is lost."""
FORWARD = "forward"
"""The source of what a mailbox sends on, and the kind of its standing."""


class Row(NamedTuple):
    """One delivery about to be stored."""

    address: str
    state: State
    due_at: datetime
    released_at: datetime | None


class Stored(NamedTuple):
    """One email about to be stored, with what was decided about each of its recipients."""

    order: Order
    submission: Submission
    signing_domain_id: UUID | None
    rows: tuple[Row, ...]


_STORE = HotStatement(
    with_calls(
        """
WITH orders AS MATERIALIZED (
  SELECT o.number, o.account, o.credential, o.test, o.generation, o.key, o.body, o.answer
  FROM unnest(:o_number::int[], :o_account::uuid[], :o_credential::uuid[], :o_test::bool[], :o_generation::int[],
    :o_key::text[], :o_body::bytea[], :o_answer::text[])
    AS o(number, account, credential, test, generation, key, body, answer)
), locked AS MATERIALIZED (
  SELECT account_id, generation FROM hours WHERE account_id = ANY(:h_account::uuid[]) ORDER BY account_id FOR SHARE
), barred AS MATERIALIZED (
  SELECT DISTINCT b.number FROM unnest(:b_order::int[], :b_account::uuid[], :b_address::text[])
    AS b(number, account, address) JOIN suppressions s ON s.account_id = b.account AND s.address = b.address
), standing AS MATERIALIZED (
  SELECT o.*, l.generation AS current FROM orders o LEFT JOIN locked l ON l.account_id = o.account
  WHERE (o.generation IS NULL OR o.generation = l.generation) AND coalesce(now() < :until::timestamptz, true)
    AND o.number NOT IN (SELECT number FROM barred)
), fresh AS (
  INSERT INTO idempotency_keys (account_id, key, body_sha256, answer, created_at)
  SELECT account, key, body, answer::jsonb, :now::timestamptz FROM standing WHERE key IS NOT NULL ORDER BY 1, 2
  ON CONFLICT DO NOTHING RETURNING account_id, key
), judged AS MATERIALIZED (
  SELECT s.number, s.account, s.credential, s.test, s.current, s.key IS NULL OR f.key IS NOT NULL AS is_new
  FROM standing s LEFT JOIN fresh f ON f.account_id = s.account AND f.key = s.key
), going AS MATERIALIZED (
  SELECT number, account, credential, test FROM judged WHERE is_new
), kinds AS MATERIALIZED (
  SELECT k.*, g.account, g.credential, g.test
  FROM unnest(:k_order::int[], :k_domain::uuid[], :k_source::text[], :k_envelope_from::text[], :k_header_from::text[],
    :k_from_address::text[], :k_tags::text[], :k_metadata::text[], :k_scheduled::timestamptz[],
    :k_expires::timestamptz[]) WITH ORDINALITY
    AS k(number, domain, source, envelope_from, header_from, from_address, tags, metadata, scheduled, expires, kind)
  JOIN going g USING (number)
), incoming AS MATERIALIZED (
  SELECT e.*, k.account
  FROM unnest(:e_kind::int[], :e_id::uuid[], :e_subject::text[], :e_message_id::text[], :e_parts::text[],
    :e_size::int[]) WITH ORDINALITY AS e(kind, id, subject, message_id, parts, size, place) JOIN kinds k USING (kind)
), mails AS (
  INSERT INTO emails (id, account_id, credential_id, domain_id, source, test, envelope_from, header_from, from_address,
    subject, message_id, parts, tags, metadata, size_bytes, content_id, scheduled_at, expires_at, created_at)
  SELECT e.id, k.account, k.credential, k.domain, k.source, k.test, k.envelope_from, k.header_from, k.from_address,
    e.subject, e.message_id, e.parts::jsonb, k.tags::jsonb, k.metadata::jsonb, e.size, e.id, k.scheduled, k.expires,
    :now::timestamptz
  FROM incoming e JOIN kinds k USING (kind)
), chunks AS (
  INSERT INTO content_chunks (content_id, number, bytes)
  SELECT e.id, c.number, c.bytes
  FROM unnest(:c_email::int[], :c_number::int[], :c_bytes::bytea[]) AS c(email, number, bytes)
  JOIN incoming e ON e.place = c.email
), moving AS MATERIALIZED (
  SELECT e.id AS email, d.position, d.address, d.event, f.state, f.due, f.released, e.account
  FROM unnest(:d_email::int[], :d_position::int[], :d_address::text[], :d_fate::int[], :d_event::uuid[])
    AS d(email, position, address, fate, event)
  JOIN unnest(:f_state::text[], :f_due::timestamptz[], :f_released::timestamptz[]) WITH ORDINALITY
    AS f(state, due, released, fate) USING (fate)
  JOIN incoming e ON e.place = d.email
), spent AS (
  INSERT INTO spends (account_id, spent_at, count)
  SELECT account, released, count(*) FROM moving WHERE released IS NOT NULL GROUP BY account, released
), moved AS (
  INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, released_at, attempts,
    crashes, changed_at)
  SELECT email, position, account, address, lower(split_part(address, '@', -1)), state, due, released, 0, 0,
    :now::timestamptz FROM moving
), copies AS (
  INSERT INTO sent_copies (email_id, mailbox_id, is_own, content_id, settled, looked_at, created_at)
  SELECT s.email, m.id, s.own, s.content, s.content IS NOT NULL, :now::timestamptz, :now::timestamptz
  FROM unnest(:s_order::int[], :s_email::uuid[], :s_mailbox::uuid[], :s_own::bool[], :s_content::uuid[])
    AS s(number, email, mailbox, own, content)
  JOIN going USING (number) JOIN mailboxes m ON m.id = s.mailbox
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at)
  SELECT email, event, position, account, state, :now::timestamptz FROM moving
  {told}
), calls AS ({calls})
SELECT number, current, is_new, now() FROM judged UNION ALL SELECT number, NULL, NULL, now() FROM barred
  UNION ALL SELECT -1, NULL, now() >= :until::timestamptz, now()
"""
    ),
    seconds=HOT_SECONDS,
)


class Fate(NamedTuple):
    """What became of an order that was to be stored.

    ``is_confirmed``: its debit stands, the bucket was not replaced since. ``is_new``: its idempotency key was not used
    before. It is stored, with all that belongs to it, where both hold. ``generation`` is that of the account's bucket,
    where it was asked for; one that is filled later has counted these rows. ``is_barred``: one of its recipients is
    suppressed, and was not known to be.
    """

    is_confirmed: bool
    is_new: bool
    generation: int | None
    is_barred: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """An order about to be stored; ``generation`` is that of its debit, ``None`` where it has none.

    ``is_unseen``: nobody has looked whether its recipients are suppressed; it is stored only where none is.
    """

    order: Order
    generation: int | None
    emails: tuple[Stored, ...]
    is_unseen: bool = False


class Outcome(NamedTuple):
    """What PostgreSQL says of orders: of each its fate, and when by its own clock.

    ``is_late``: it began only after what it was given as ``until``, and has stored nothing.
    """

    fates: list[Fate]
    at: datetime
    is_late: bool


async def store(
    connection: asyncpg.Connection,
    bundles: Sequence[Bundle],
    uncounted: Collection[UUID],
    now: datetime,
    until: datetime | None = None,
) -> Outcome:
    """Store orders with their keys, emails, contents, deliveries, spends and first events, in one statement.

    Locks the generations of the accounts that took tokens, and of those that are ``uncounted``, until the transaction
    ends; waits for other transactions that are storing the same keys.

    ``until``: where PostgreSQL, by its own clock, begins only then, nothing is stored: nobody waits for it any more,
    and who was told so may have come again.
    """
    accounts = {one.order.standing.account_id for one in bundles if one.generation is not None}.union(uncounted)
    emails = [(number, one) for number, bundle in enumerate(bundles) for one in bundle.emails]
    rows = await _STORE.run(
        connection,
        {
            **_order_columns(bundles),
            **_unseen_columns(bundles),
            **_email_columns(emails),
            **_chunk_columns(emails),
            **_delivery_columns(emails),
            **_copy_columns(emails),
            "h_account": list(accounts),
            "now": now,
            "until": until,
        },
    )
    *judged, (_, _, is_late, at) = rows
    fates = [Fate(False, False, None)] * len(bundles)
    for number, generation, is_new, _ in judged:
        barred = is_new is None
        fates[number] = Fate(not barred, bool(is_new), generation, barred)
    return Outcome(fates, at, bool(is_late))


def _unseen_columns(bundles: Sequence[Bundle]) -> dict[str, Any]:
    """The recipients of whom nobody knows whether they are suppressed."""
    unseen = [
        (number, bundle.order.standing.account_id, row.address.lower())
        for number, bundle in enumerate(bundles)
        if bundle.is_unseen
        for one in bundle.emails
        for row in one.rows
        if row.state is not State.SUPPRESSED
    ]
    return {
        "b_order": [one[0] for one in unseen],
        "b_account": [one[1] for one in unseen],
        "b_address": [one[2] for one in unseen],
    }


def _order_columns(bundles: Sequence[Bundle]) -> dict[str, Any]:
    orders = [bundle.order for bundle in bundles]
    return {
        "o_number": list(range(len(orders))),
        "o_account": [order.standing.account_id for order in orders],
        "o_credential": [order.standing.credential_id for order in orders],
        "o_test": [order.standing.test for order in orders],
        "o_generation": [bundle.generation for bundle in bundles],
        "o_key": [order.idempotency_key or None for order in orders],
        "o_body": [order.body_sha256 for order in orders],
        "o_answer": [_answer(order) if order.idempotency_key else None for order in orders],
    }


def _answer(order: Order) -> str:
    answer = {"emails": [str(submission.email_id) for submission in order.submissions], "errors": order.errors}
    return orjson.dumps(answer).decode()


Numbered = Sequence[tuple[int, Stored]]
"""Emails, each with the number of its order."""


def _email_columns(emails: Numbered) -> dict[str, Any]:
    """The emails, and apart what mostly many of an order have in common: each value costs as much as a column."""
    kinds: dict[tuple[Any, ...], int] = {}
    mails = [one.submission for _, one in emails]
    return {
        "e_kind": [kinds.setdefault(_kind_of(number, one), len(kinds) + 1) for number, one in emails],
        "e_id": [mail.email_id for mail in mails],
        "e_subject": [mail.subject for mail in mails],
        "e_message_id": [mail.message_id for mail in mails],
        "e_parts": [orjson.dumps(mail.parts).decode() for mail in mails],
        "e_size": [len(mail.content) for mail in mails],
        **_columns(_KIND, kinds),
    }


_KIND = (
    "k_order",
    "k_domain",
    "k_source",
    "k_envelope_from",
    "k_header_from",
    "k_from_address",
    "k_tags",
    "k_metadata",
    "k_scheduled",
    "k_expires",
)


def _kind_of(number: int, one: Stored) -> tuple[Any, ...]:
    mail = one.submission
    return (
        number,
        one.signing_domain_id,
        mail.source,
        mail.envelope_from,
        mail.header_from,
        mail.from_address.lower(),
        orjson.dumps(mail.tags).decode() if mail.tags else None,
        orjson.dumps(mail.metadata).decode() if mail.metadata else None,
        mail.scheduled_at,
        mail.expires_at,
    )


def _chunk_columns(emails: Numbered) -> dict[str, Any]:
    chunks = [
        (place, number, one.submission.content[start : start + CHUNK_BYTES])
        for place, (_, one) in enumerate(emails, 1)
        for number, start in enumerate(range(0, max(1, len(one.submission.content)), CHUNK_BYTES))
    ]
    return _columns(("c_email", "c_number", "c_bytes"), chunks)


def _delivery_columns(emails: Numbered) -> dict[str, Any]:
    fates: dict[tuple[str, datetime, datetime | None], int] = {}
    rows = [
        (place, position, row.address, fates.setdefault((row.state, row.due_at, row.released_at), len(fates) + 1))
        for place, (_, one) in enumerate(emails, 1)
        for position, row in enumerate(one.rows)
    ]
    return {
        **_columns(("d_email", "d_position", "d_address", "d_fate"), rows),
        "d_event": [new_id() for _ in rows],
        **_columns(("f_state", "f_due", "f_released"), fates),
    }


def _columns(names: Sequence[str], rows: Collection[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {name: [] for name in names}


def _copy_columns(emails: Numbered) -> dict[str, Any]:
    """The emails that belong into a Sent folder, and those that only their mailbox hears of."""
    copies = [
        (number, one.submission.email_id, mailbox, kind in ("mailbox", FORWARD), NO_COPY if kind == FORWARD else None)
        for number, one in emails
        if (files_for := one.order.standing.files_for)
        and (kind := one.order.standing.kind)
        and (mailbox := files_for.get(one.submission.from_address.lower())) is not None
    ]
    return _columns(("s_order", "s_email", "s_mailbox", "s_own", "s_content"), copies)
