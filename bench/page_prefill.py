"""What the pages are timed over: emails and all that belongs to them, and a mailbox that was never tidied."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from bench.mailbox_store import letter
from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from hourpost.rules.ids import new_id

_AT_ONCE = 500
_HOUR = 1_000_000  # more than any plan has
_OWNER = "SELECT account_id FROM domains WHERE name = $1"
# Over thirty days: an id begins with its milliseconds, so that the newest come first as in life.
_EMAILS = """
INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject, message_id, parts,
  size_bytes, content_id, created_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
    || substr(md5(n::text), 4, 15))::uuid,
  $1, 'api', false, 'a@' || $4, 'Acme <a@' || $4 || '>', 'a@' || $4, 'Your receipt ' || n, '<' || n || '@page.test>',
  '{"to": ["c@d.example"], "cc": [], "bcc": [], "reply_to": []}', 2048, $2, at
FROM (SELECT n, now() - n * interval '30 days' / $3 AS at FROM generate_series(1, $3) n) w
"""
_TAGS = """UPDATE emails SET tags = '[{"name": "kind", "value": "receipt"}]'
WHERE account_id = $1 AND hashtext(id::text) % 100 = 0"""
_TALLIES = """
INSERT INTO tallies (account_id, started_at, kind, count)
SELECT $1, date_trunc('hour', now()) - n * interval '10 minutes', kind, 100
FROM generate_series(1, 30 * 144) n, unnest(ARRAY['sent', 'delivered', 'deferred', 'bounced']) kind
ON CONFLICT DO NOTHING
"""
_DELIVERIES = """
INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, attempts, crashes, changed_at)
SELECT id, 0, account_id, 'c' || (row_number() OVER ()) % 1000 || '@d' || (row_number() OVER ()) % 97 || '.example',
  'd.example', CASE WHEN random() < 0.02 THEN 'bounced' ELSE 'delivered' END, created_at, 1, 0, created_at
FROM emails WHERE account_id = $1
"""
# Of the newest, so many wait for each cause, and none is due while pages are timed: held ones for room that is spent.
_WAITING = """
UPDATE deliveries SET state = w.state, due_at = now() + interval '2 hours' + w.n * interval '0.1 s', changed_at = now(),
  waits_for = CASE WHEN w.state = 'deferred' THEN CASE WHEN w.n % 3 = 0 THEN 'relay' ELSE 'destination' END END
FROM (SELECT id, n, (ARRAY['held', 'deferred', 'scheduled', 'queued'])[1 + n % 4] AS state FROM
  (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM emails WHERE account_id = $1 LIMIT $2) e) w
WHERE email_id = w.id AND account_id = $1
"""
_SPENT = """
INSERT INTO spends (account_id, spent_at, count)
SELECT $1, now() - n * interval '1 minute', $2 / 20 FROM generate_series(0, 19) n
"""
_ATTEMPTS = """
INSERT INTO attempts (email_id, position, number, outcome, relay, stage, code, enhanced, reply, tls, started_at,
  seconds)
SELECT email_id, 0, 1, 'deferred', 'relay.example', 'dot', 451, '4.7.1', 'greylisted, come again', 'TLSv1.3', now(), 0.4
FROM deliveries WHERE account_id = $1 AND state = 'deferred'
"""
_CALM_TRIES = 5
_CALM = """UPDATE deliveries SET state = 'delivered' WHERE account_id = $1
AND state IN ('held', 'deferred', 'scheduled', 'queued')"""
_SUPPRESSIONS = """
INSERT INTO suppressions (account_id, address, id, reason, created_at)
SELECT $1, 'gone' || n || '@d' || n % 97 || '.example', (lpad(to_hex(n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
  || '8' || substr(md5(n::text), 4, 15))::uuid, 'bounce', now()
FROM generate_series(1, $2) n
"""
_CALLS = """
INSERT INTO webhook_calls (webhook_id, event_id, email_id, kind, state, attempts, due_at, created_at)
SELECT w.id, e.id, e.id, 'delivered', CASE WHEN random() < 0.1 THEN 'failed' ELSE 'success' END, 1, e.created_at,
  e.created_at
FROM webhooks w, (SELECT id, created_at FROM emails WHERE account_id = $1 ORDER BY id DESC LIMIT 100000) e
WHERE w.account_id = $1
"""


async def prefill(url: str, domain: str, count: int, waiting: int) -> None:
    """So many emails of the account that has ``domain``, with what a year of use leaves besides.

    The newest ``waiting`` of them wait, a quarter each held, deferred, scheduled and queued.
    """
    connection = await asyncpg.connect(url, command_timeout=600)
    try:
        account = await connection.fetchval(_OWNER, domain)
        content = new_id()
        async with connection.transaction():
            query = "INSERT INTO content_chunks (content_id, number, bytes) VALUES ($1, 0, $2)"
            await connection.execute(query, content, b"Subject: Your receipt\r\n\r\nThank you.\r\n")
            await connection.execute(_EMAILS, account, content, count, domain)
            await connection.execute(_TAGS, account)
            await connection.execute(_DELIVERIES, account)
            await connection.execute("ANALYZE emails, deliveries")  # else the next statements are planned for few rows
            await connection.execute(_SPENT, account, _HOUR)
            await connection.execute(_WAITING, account, waiting)
            await connection.execute(_ATTEMPTS, account)
            await connection.execute(_TALLIES, account)
            await connection.execute(_SUPPRESSIONS, account, count // 10)
            await connection.execute(_CALLS, account)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def calm(url: str, domain: str) -> None:
    """What waited has arrived, so that it is in nobody's way."""
    connection = await asyncpg.connect(url, command_timeout=600)
    try:
        account = await connection.fetchval(_OWNER, domain)
        for _ in range(_CALM_TRIES):  # the workers touch some of them meanwhile, in an order of their own
            with suppress(asyncpg.DeadlockDetectedError):
                await connection.execute(_CALM, account)
                break
        await connection.execute("VACUUM ANALYZE deliveries")
    finally:
        await connection.close()


async def fill_mailbox(database_url: str, redis_url: str, mailbox_id: UUID, count: int) -> None:
    """So many messages in its INBOX, each a minute after the other."""
    database, clock = Database(database_url, pool_size=2), SystemClock()
    store = MailStore(database, RedisFolderFeed(redis_url), clock)
    await store.start()
    try:
        folder = await store.read(get_folder, mailbox_id, "INBOX")
        began_at = datetime.now(UTC) - timedelta(minutes=count)
        for start in range(0, count, _AT_ONCE):
            news = [
                NewMessage(letter(number, 2048), received_at=began_at + timedelta(minutes=number))
                for number in range(start, start + _AT_ONCE)
            ]
            await store.append_all(mailbox_id, folder.id, news)
    finally:
        await store.stop()
        await database.close()
