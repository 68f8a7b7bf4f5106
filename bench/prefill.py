"""Rows that a measurement needs and nobody wants to wait for, written straight into PostgreSQL."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from bench.letters import Sender
from hourpost.rules.ids import new_id
from hourpost.rules.tokens import ENTROPY_BYTES, LIVE, digest, mint

_PER_EMAIL = 50
_HOLDERS = 10

_UNSIGN = "UPDATE domains SET dkim_seen_at = NULL WHERE name = $1 RETURNING account_id"
_ACCOUNTS = """
INSERT INTO accounts (id, name, email, plan, own_limit, created_at)
SELECT id, 'crowd ' || n, 'crowd' || n || '@crowd.test', 'skilled', $2, now()
FROM unnest($1::uuid[]) WITH ORDINALITY w(id, n)
"""
_HOURS = "INSERT INTO hours (account_id) SELECT unnest($1::uuid[])"
_DOMAINS = """
INSERT INTO domains (id, account_id, name, status, ownership_token, dkim_selector, dkim_rsa_private, dkim_rsa_public,
  dkim_ed25519_private, dkim_ed25519_public, verified_at, created_at)
SELECT gen_random_uuid(), id, $2 || n || '.test', 'verified', 'x', 'x', '', '', '', '', now(), now()
FROM unnest($1::uuid[]) WITH ORDINALITY w(id, n)
"""
_KEYS = """
INSERT INTO credentials (id, account_id, kind, name, token_sha256, hint, scope, created_at)
SELECT gen_random_uuid(), account, 'api_key', 'bench', token, 'hp_live_', 'full', now()
FROM unnest($1::uuid[], $2::bytea[]) w(account, token)
"""
# Their hour is spent, so what they hold goes on waiting.
_SPENT = "INSERT INTO spends (account_id, spent_at, count) SELECT unnest($1::uuid[]), now(), $2"
_CONTENT = "INSERT INTO content_chunks (content_id, number, bytes) VALUES ($1, 0, $2)"
_EMAILS = """
INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject, message_id, parts,
  size_bytes, content_id, created_at)
SELECT w.id, d.account_id, 'api', false, 'a@' || d.name, 'a@' || d.name, 'a@' || d.name, 'waiting',
  '<' || w.id || '@crowd.test>', '{}', 2048, $3, now()
FROM unnest($1::uuid[]) WITH ORDINALITY w(id, n)
JOIN domains d ON d.account_id = ($2::uuid[])[1 + n % array_length($2::uuid[], 1)]
"""
# One half is held by the plan, the other was deferred by its relay and is due over the next hours.
_WAITING = """
INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, attempts, crashes, released_at,
  waits_for, changed_at)
SELECT e.id, p, e.account_id, 'c' || p || '@example.org', 'example.org',
  CASE WHEN n % 2 = 0 THEN 'held' ELSE 'deferred' END,
  CASE WHEN n % 2 = 0 THEN now() ELSE now() + interval '1 hour' + random() * interval '8 hours' END,
  (n % 2)::int, 0, CASE WHEN n % 2 = 0 THEN NULL ELSE now() - interval '2 hours' END,
  CASE WHEN n % 2 = 0 THEN NULL ELSE 'relay' END, now()
FROM unnest($1::uuid[]) WITH ORDINALITY w(id, n) JOIN emails e ON e.id = w.id, generate_series(0, $2 - 1) p
"""

_TIDY = "VACUUM ANALYZE"  # as rows that came one by one have been long ago


async def unsign(url: str, domain: str) -> None:
    """Mail of ``domain`` goes out unsigned from now on; to be done before its first mail."""
    connection = await asyncpg.connect(url)
    try:
        account: UUID = await connection.fetchval(_UNSIGN, domain)
        await connection.execute("SELECT pg_notify('standing', $1)", str(account))
    finally:
        await connection.close()


async def add_accounts(url: str, count: int, limit: int) -> list[Sender]:
    """Accounts with a verified domain and a key each."""
    accounts, secrets = [new_id() for _ in range(count)], [mint(LIVE, os.urandom(ENTROPY_BYTES)) for _ in range(count)]
    prefix = f"crowd-{datetime.now(UTC):%H%M%S%f}-"
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(_ACCOUNTS, accounts, limit)
            await connection.execute(_HOURS, accounts)
            await connection.execute(_DOMAINS, accounts, prefix)
            await connection.execute(_KEYS, accounts, [digest(secret) for secret in secrets])
        await connection.execute(_TIDY)
    finally:
        await connection.close()
    return [Sender(f"hello@{prefix}{number}.test", secret) for number, secret in enumerate(secrets, start=1)]


async def add_waiting(url: str, count: int) -> None:
    """Deliveries of other accounts that wait: one half held, one half deferred."""
    await add_accounts(url, _HOLDERS, limit=1000)
    connection = await asyncpg.connect(url, command_timeout=300)
    try:
        query = "SELECT id FROM accounts WHERE name LIKE 'crowd %' ORDER BY id DESC LIMIT $1"
        holders = [row["id"] for row in await connection.fetch(query, _HOLDERS)]
        content = new_id()
        async with connection.transaction():
            await connection.execute(_SPENT, holders, 1000)
            await connection.execute(_CONTENT, content, b"Subject: waiting\r\n\r\nwaiting\r\n")
            emails = [new_id() for _ in range(count // _PER_EMAIL)]
            await connection.execute(_EMAILS, emails, holders, content)
            await connection.execute(_WAITING, emails, _PER_EMAIL)
        await connection.execute(_TIDY)
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
