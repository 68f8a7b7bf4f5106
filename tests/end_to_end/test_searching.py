"""A search over more than one step: in a browser it goes on by itself until it has found something."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import asyncpg
import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.pages import SEARCHED_AT_ONCE
from tests.embedded.running import RunningUp
from tests.end_to_end.browsing import log_in
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.people import PASSWORD, sign_up

pytestmark = pytest.mark.timeout(600)

_EMAILS = """
INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject, message_id, parts,
  size_bytes, content_id, created_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
    || substr(md5(n::text), 4, 15))::uuid,
  (SELECT id FROM accounts WHERE name = $1), 'api', false, 'a@far.test', 'a@far.test', 'a@far.test',
  CASE WHEN n = $2 THEN 'A needle' ELSE 'Hay ' || n END, '<' || n || '@far.test>', '{}', 1, gen_random_uuid(), at
FROM (SELECT n, now() - interval '2 days' - n * interval '1 s' AS at FROM generate_series(1, $2) n) w
"""


def needle(page: Page) -> Locator:
    return page.locator("#results").get_by_role("row", name="A needle")


async def _send_long_ago(up: RunningUp, account: str, count: int) -> None:
    connection = await asyncpg.connect(EmbeddedPostgres(up.home / "postgres").url(), command_timeout=300)
    try:
        await connection.execute(_EMAILS, account, count)
    finally:
        await connection.close()


def test_a_search_goes_on_by_itself_to_what_lies_two_steps_back(
    new_browser_context: NewContext, service: Service
) -> None:
    name = uuid4().hex[:8]
    address, url = f"s{name}@example.net", f"http://127.0.0.1:{service.up.ports['HTTP']}"
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as client:
        sign_up(client, service.up, address, f"Account {name}")
    with ThreadPoolExecutor(1) as thread:  # the browser's loop runs in this one
        count = 2 * SEARCHED_AT_ONCE + 10
        thread.submit(asyncio.run, _send_long_ago(service.up, f"Account {name}", count)).result()
    page = new_browser_context().new_page()
    log_in(page, address, PASSWORD)
    page.wait_for_url("**/app")
    page.goto("/app/emails?subject=needle")
    expect(needle(page)).to_be_visible()
    assert "after=em_" in page.url  # loaded again, it is found at once
    page.reload()
    expect(needle(page)).to_be_visible()

    plain = new_browser_context(java_script_enabled=False).new_page()
    log_in(plain, address, PASSWORD)
    plain.goto("/app/emails?subject=needle")
    while not needle(plain).count():
        expect(plain.get_by_text(re.compile("The search has come to"))).to_be_visible()
        plain.get_by_role("link", name="Older").click()
    expect(needle(plain)).to_be_visible()
