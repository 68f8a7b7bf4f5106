"""The whole way of a customer in Chromium: sign up, pay, send, hit the limit, upgrade, and see what waited leave."""

from __future__ import annotations

import email
import email.policy
import json
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.embedded.running import RunningUp, eventually
from tests.end_to_end.axe import faults_of
from tests.end_to_end.browsing import CHROMIUM, chromium, log_in, log_in_first
from tests.end_to_end.people import run_shop
from tests.end_to_end.scene import first_steps, post
from tests.fakes.stripe_server import FakeStripe

PASSWORD = "a sentence to keep in mind"
SOON_MS = 90_000
RELOAD_SECONDS = 0.5

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Shop:
    """A service that takes money of a Stripe of our own, which calls its webhooks."""

    up: RunningUp
    stripe: FakeStripe

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.up.ports['HTTP']}"


@pytest.fixture(scope="module")
def shop(assets: None) -> Iterator[Shop]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    folder = Path(tempfile.mkdtemp(prefix="hourpost-whole-way-"))
    folder.chmod(0o755)  # the servers work as other users
    try:
        with run_shop(folder / "home") as (up, stripe):
            up.wait(120)
            yield Shop(up, stripe)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=[True])
def page(shop: Shop, request: pytest.FixtureRequest) -> Iterator[Page]:
    """With a script, or without one."""
    with chromium() as browser:
        context = browser.new_context(base_url=shop.url, locale="en-GB", java_script_enabled=request.param)
        context.set_default_timeout(SOON_MS)
        yield context.new_page()


def letter_to(up: RunningUp, address: str) -> str:
    """The text of the only mail that the capture relay has for this address."""
    eventually(lambda: list(_mails(up, address)))
    body = email.message_from_bytes(next(_mails(up, address)), policy=email.policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def _mails(up: RunningUp, address: str) -> Iterator[bytes]:
    return (mail for mail in up.captured() if f"X-Envelope-To: {address}\r\n".encode() in mail)


def sign_up(page: Page, shop: Shop, address: str) -> None:
    page.goto("/signup")
    page.get_by_label("Your name").fill("Grace Hopper")
    page.get_by_label("Company or project").fill("Cobol Ltd")
    page.get_by_label("Email address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    link = re.search(r"https?://\S+", letter_to(shop.up, address))
    assert link is not None
    parts = urlsplit(link.group())
    page.goto(f"{parts.path}?{parts.query}")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/login")
    log_in(page, address, PASSWORD)


def pay_for(page: Page, plan: str, *, declined_first: bool = False) -> None:
    """Choose a plan and pay; where a busy machine has not seen it paid when one comes back, its webhook tells."""
    page.goto("/app/plan")
    page.get_by_role("button", name=f"Choose {plan}").click()
    if declined_first:
        page.get_by_role("button", name="declined").click()
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/app/plan")
    mine = page.locator(".plan-mark", has_text=plan)
    eventually(lambda: mine.count() or (page.goto("/app/plan") and mine.count()), 180, pause=RELOAD_SECONDS)


def send(shop: Shop, key: str, sender: str, count: int) -> None:
    """Through the REST API, with the key that the page has shown."""
    emails = [{"from": sender, "to": [f"you{n}@example.net"], "subject": "Hello", "text": "Hi"} for n in range(count)]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{shop.url}/v1/emails/batch", json.dumps(emails).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert len(json.load(answer)["data"]) == count


@pytest.mark.parametrize("page", [True, False], ids=["with a script", "without"], indirect=True)
def test_from_the_sign_up_to_an_upgrade_that_lets_leave_what_waited(page: Page, shop: Shop) -> None:
    name = uuid4().hex[:8]
    domain = f"d{name}.test"
    sign_up(page, shop, f"grace-{name}@example.net")
    expect(page.get_by_text("No plan yet")).to_be_visible()

    pay_for(page, "Path", declined_first=True)
    expect(page.get_by_text("0 of 1,000 this hour")).to_be_visible()

    page.goto("/app/domains")
    page.get_by_role("textbox", name="Domain").fill(domain)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("You can send from this domain")).to_be_visible()

    page.goto("/app/keys")
    page.get_by_role("textbox", name="Name").fill("Shop")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("code", has_text=re.compile("^hp_live_")).first.inner_text()

    for count in (1000, 80):
        send(shop, key, f"Cobol <hello@{domain}>", count)
    page.goto("/app")
    expect(page.get_by_text("80 held")).to_be_visible()

    page.goto("/app/plan")
    page.get_by_role("link", name="Upgrade to Normal").click()
    page.get_by_role("button", name=re.compile(r"^Pay \$9[45](\.\d\d)? and upgrade$")).click()  # less after a minute
    expect(page.get_by_text("Your plan is Normal now")).to_be_visible()
    counted_on = page.get_by_text("1,080 of 1,500 this hour")  # and what waited leaves
    eventually(lambda: counted_on.count() or (page.goto("/app/plan") and counted_on.count()), 180, pause=RELOAD_SECONDS)
    expect(page.get_by_text("80 held")).to_have_count(0)
    page.goto("/app/emails")
    expect(page.get_by_text("Sent").first).to_be_visible()
    page.locator("#results a[href*='/app/emails/em_']").first.click()  # the newest, which had to wait
    timeline = page.locator(".timeline").first
    if page.locator("html.has-script").count() == 0:
        eventually(lambda: page.reload() and "attempt 1" in timeline.inner_text(), 180, pause=RELOAD_SECONDS)
    for told in ("Held", "Sent", "The server took the email", "attempt 1"):
        expect(timeline).to_contain_text(told)


def test_the_timeline_of_one_email_grows_before_ones_eyes(page: Page, shop: Shop) -> None:
    log_in_first(page, shop.up)
    steps = first_steps(shop.up)
    body = {"from": f"Acme <hello@{steps['domain']}>", "to": "ada@example.net", "subject": "Soon", "text": "Hi"}
    email_id = post(shop.up, "/v1/emails", body | {"scheduled_at": "in 2 days"})["id"]
    page.goto(f"/app/emails/{email_id}")
    timeline = page.locator(".timeline").first
    expect(timeline).to_contain_text("Scheduled")
    expect(timeline).not_to_contain_text("Canceled")
    page.evaluate("window.isTheSamePage = true")
    post(shop.up, f"/v1/emails/{email_id}/cancel", {})
    expect(timeline).to_contain_text("Canceled")
    assert page.evaluate("window.isTheSamePage")


def test_what_happens_at_stripe_alone_is_seen_by_its_webhooks(page: Page, shop: Shop) -> None:
    sign_up(page, shop, address := f"ada-{uuid4().hex[:8]}@example.net")
    pay_for(page, "Skilled")

    subscription = shop.stripe.subscription()
    subscription |= {"status": "past_due"}
    shop.stripe.state.event("customer.subscription.updated", subscription)
    banner = page.get_by_text("A payment has failed. Your mail goes on leaving until")
    eventually(lambda: page.goto("/app/account") and banner.count(), 180, pause=RELOAD_SECONDS)
    assert faults_of(page) == []
    eventually(lambda: sum(1 for _ in _mails(shop.up, address)) == 2, 180)  # the sign-up's, and what is told of this

    shop.stripe.state.cancel_now(subscription)
    ended = page.get_by_text("Your plan has ended: what waits is kept")
    eventually(lambda: page.goto("/app/account") and ended.count(), 180, pause=RELOAD_SECONDS)
    assert faults_of(page) == []
