"""The dashboard's pages over a million emails of one account: how long the server takes for each."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from statistics import median

import asyncpg
import httpx

from bench.instance import Instance
from hourpost.rules.ids import new_id

EMAILS = 1_000_000
_TURNS = 7
_PAGES = {
    "overview": "/app",
    "overview of 30 days": "/app?span=30d",
    "emails": "/app/emails",
    "emails, bounced": "/app/emails?status=bounced",
    "emails, to one": "/app/emails?to=c999@d7.example",
    "emails, of a tag": "/app/emails?tag=kind:receipt",
    "emails, of a week ago": "/app/emails?until=7+days+ago",
    "emails, subject not found": "/app/emails?subject=nowhere",
    "emails, none only sent": "/app/emails?status=sent",
    "an email": "/app/emails/{email}",
    "an email's source": "/app/emails/{email}?view=source",
    "a domain": "/app/domains/{domain}",
    "domains": "/app/domains",
    "keys": "/app/keys",
    "suppressions": "/app/suppressions",
    "webhooks": "/app/webhooks",
    "mailboxes": "/app/mailboxes",
    "plan": "/app/plan",
    "account": "/app/account",
    "team": "/app/team",
    "audit": "/app/audit",
    "operator": "/operator",
    "operator's accounts": "/operator/accounts",
}
# Over thirty days: an id begins with its milliseconds, so that the newest come first as in life.
_EMAILS = """
INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject, message_id, parts,
  size_bytes, content_id, created_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
    || substr(md5(n::text), 4, 15))::uuid,
  $1, 'api', false, 'a@page.test', 'Acme <a@page.test>', 'a@page.test', 'Your receipt ' || n, '<' || n || '@page.test>',
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


async def time_pages(instance: Instance) -> dict[str, float]:
    """Milliseconds from question to answer, the median of several, for every page."""
    steps = json.loads((instance.home / "first-steps.json").read_text())
    await _prefill(instance.database_url, steps["domain"], EMAILS)
    await asyncio.to_thread(instance.call, "account", "staff", steps["email"])
    return dict(await asyncio.to_thread(lambda: list(_timed(instance.ports["HTTP"], steps))))


async def _prefill(url: str, domain: str, count: int) -> None:
    connection = await asyncpg.connect(url, command_timeout=600)
    try:
        account = await connection.fetchval("SELECT account_id FROM domains WHERE name = $1", domain)
        content = new_id()
        async with connection.transaction():
            query = "INSERT INTO content_chunks (content_id, number, bytes) VALUES ($1, 0, $2)"
            await connection.execute(query, content, b"Subject: Your receipt\r\n\r\nThank you.\r\n")
            await connection.execute(_EMAILS, account, content, count)
            await connection.execute(_TAGS, account)
            await connection.execute(_DELIVERIES, account)
            await connection.execute(_TALLIES, account)
        await connection.execute("VACUUM ANALYZE emails, deliveries")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _timed(port: int, steps: dict[str, str]) -> Iterator[tuple[str, float]]:
    base = f"http://127.0.0.1:{port}"
    headers = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as http:
        who = {"email": steps["email"], "password": steps["password"]}
        http.post("/login", data=who)
        places = {"email": _first(http, "/app/emails", "em_"), "domain": _first(http, "/app/domains", "dom_")}
        for name, template in _PAGES.items():
            path, times = template.format(**places), []
            for _ in range(_TURNS):
                began_at = time.perf_counter()
                answer = http.get(path)
                times.append((time.perf_counter() - began_at) * 1000)
                if answer.status_code != 200:
                    raise RuntimeError(f"{path} answered {answer.status_code}")
            yield name, median(times)


def _first(http: httpx.Client, path: str, prefix: str) -> str:
    """The id of the first thing that a list links to."""
    found = re.search(rf'href="{path}/({prefix}\w+)"', http.get(path).text)
    if found is None:
        raise RuntimeError(f"{path} lists nothing")
    return found[1]
