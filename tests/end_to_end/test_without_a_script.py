"""The dashboard and the web inbox where no script runs: everything but the live parts works; and that these live."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.end_to_end.browsing import log_in_as
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.scene import first_steps, post

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def page(new_browser_context: NewContext, service: Service) -> Page:
    opened = new_browser_context(java_script_enabled=False).new_page()
    log_in_as(opened, service.up, "owner")
    return opened


def confirm(place: Page | Locator, words: str, yes: str) -> None:
    """The button that asks, and the one that means it."""
    place.locator("summary", has_text=words).first.click()
    place.get_by_role("button", name=yes).first.click()


def unfold(page: Page, title: str) -> Locator:
    """The form of a card, which is open where there is nothing yet."""
    card = page.locator("details.fold", has=page.get_by_role("heading", name=title))
    if card.get_attribute("open") is None:
        card.locator("summary").first.click()
    return card


def told(page: Page, words: str) -> None:
    expect(page.locator(".note").first).to_contain_text(words)


def test_a_domain_a_key_and_a_credential(page: Page) -> None:
    name = f"d{uuid4().hex[:8]}.test"
    page.goto("/app/domains")
    form = unfold(page, "Add a domain")
    form.get_by_role("textbox", name="Domain").fill(name)
    form.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("You can send from this domain since")).to_be_visible()
    for path, title, prefix in (("keys", "Make a key", "hp_live_"), ("smtp", "Make a credential", "smtp_")):
        page.goto(f"/app/{path}")
        form = unfold(page, title)
        form.get_by_role("textbox", name="Name").fill(f"For {name}")
        form.get_by_label("From", exact=True).select_option(label=name)
        form.get_by_role("button", name=title).click()
        expect(page.locator(".card-secret code", has_text=re.compile(f"^{prefix}")).first).to_be_visible()
        expect(page.locator(".snippet[open]").first).to_contain_text(prefix)
        confirm(page.get_by_role("row", name=f"For {name}"), "Revoke", "Revoke it")
        expect(page.get_by_role("row", name=f"For {name}")).to_have_count(0)
    page.goto("/app/domains")
    page.get_by_role("link", name=name).click()
    confirm(page, "Delete", f"Delete {name}")
    told(page, f"{name} is deleted.")


def test_suppressions_and_webhooks(page: Page) -> None:
    address = f"n{uuid4().hex[:8]}@example.net"
    page.goto("/app/suppressions")
    file = FilePayload(name="list.csv", mimeType="text/csv", buffer=f"email\r\n{address}\r\n".encode())
    form = unfold(page, "Import CSV")
    form.get_by_label("File").set_input_files(file)
    form.get_by_role("button", name="Import").click()
    told(page, "1 address is on the list.")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert address in download.value.path().read_text()
    page.get_by_placeholder("An address").fill(address)
    page.get_by_role("button", name="Find").click()
    confirm(page.get_by_role("row", name=address), "Remove", "Send to it again")
    told(page, f"{address} is sent to again.")

    endpoint = f"https://hooks.example.net/{uuid4().hex}"
    page.goto("/app/webhooks")
    form = unfold(page, "Add a webhook")
    form.get_by_label("Address").fill(endpoint)
    form.get_by_role("button", name="Add").click()
    expect(page.locator("code", has_text="whsec_").first).to_be_visible()
    confirm(page, "Disable", "Disable it")
    page.get_by_role("button", name="Enable").click()
    told(page, "The webhook is called again.")
    confirm(page, "Delete", "Delete it")
    expect(page.get_by_role("link", name=endpoint)).to_have_count(0)


def test_a_mailbox_from_its_making_to_its_end(page: Page, service: Service) -> None:
    local = f"m{uuid4().hex[:8]}"
    address = f"{local}@{first_steps(service.up)['domain']}"
    page.goto("/app/mailboxes")
    form = unfold(page, "Make a mailbox")
    form.get_by_label("Address").fill(local)
    form.get_by_label("At the domain").select_option(label=first_steps(service.up)["domain"])
    form.get_by_label("Password").fill("a sentence to keep in mind")
    form.get_by_role("button", name="Make it").click()
    told(page, f"{address} is ready.")
    page.get_by_label("Room in GB").fill("2.5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("0 bytes of 2.5 GB")).to_be_visible()
    page.get_by_label("Another address").fill(f"x{address}")
    page.get_by_role("button", name="Add", exact=True).click()
    confirm(page.locator(".files"), "Remove", "Remove it")
    page.get_by_placeholder("Ada's phone").fill("Telephone")
    page.get_by_role("button", name="Make an app password").click()
    expect(page.get_by_text("The app password is made")).to_be_visible()
    confirm(page.get_by_role("row", name="Telephone"), "Revoke", "Revoke it")
    confirm(page, "Close", "Close it")
    page.get_by_role("button", name="Restore it").click()
    expect(page.get_by_role("heading", name=address)).to_be_visible()
    confirm(page, "Close", "Close it")


def test_an_email_is_found_read_and_canceled(page: Page, service: Service) -> None:
    subject, address = f"Later {uuid4().hex[:8]}", f"a{uuid4().hex[:8]}@example.net"
    body = {"from": f"Acme <hello@{first_steps(service.up)['domain']}>", "to": address, "subject": subject}
    post(service.up, "/v1/emails", body | {"text": "Hello", "html": "<h1>Hello</h1>", "scheduled_at": "in 2 days"})
    page.goto("/app/emails")
    page.get_by_label("Subject has").fill(subject)
    page.get_by_label("Status").select_option(label="Scheduled")
    page.get_by_role("button", name="Filter").click()
    assert "status=scheduled" in page.url
    page.get_by_role("row", name=subject).get_by_role("link").click()
    expect(page.frame_locator("iframe.preview").get_by_role("heading", name="Hello")).to_be_visible()
    page.get_by_role("link", name="Headers").click()
    expect(page.locator(".headers")).to_contain_text("Message-ID")
    page.locator("summary", has_text="Send it at another moment").click()
    page.get_by_label("When").fill("in 3 days")
    page.get_by_role("button", name="Reschedule").click()
    confirm(page, "Cancel", "Cancel what waits")
    expect(page.locator(".badge", has_text="Canceled").first).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("heading", name=subject)).to_be_visible()
    confirm(page, "Suppress", "Never send to it")
    told(page, f"Nothing is sent to {address} any more.")


def test_mail_is_written_filed_found_and_flagged(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context("phone", java_script_enabled=False).new_page()
    log_in_as(page, service.up, "mailbox")
    subject = f"Minutes {uuid4().hex[:8]}"
    page.get_by_role("link", name="New message").last.click()
    page.get_by_label("Subject").fill(subject)
    page.get_by_role("textbox", name="Message").fill("As agreed.")
    page.get_by_label("Attach").set_input_files(FilePayload(name="a.txt", mimeType="text/plain", buffer=b"one"))
    page.get_by_role("button", name="Keep as a draft").click()
    page.goto("/mail/f/drafts")
    page.get_by_role("link", name=subject).click()
    page.get_by_label("To", exact=True).fill("ada@example.net")
    page.get_by_role("button", name="Send").click()
    page.goto("/mail/f/sent")
    page.get_by_label(f"Choose: {subject}").check()
    page.get_by_role("button", name="Archive").click()
    page.goto(f"/mail/f/inbox?q={subject.replace(' ', '+')}")
    page.get_by_role("link", name="Search all folders").click()
    page.get_by_role("link", name=subject).click()
    expect(page.locator("#content").get_by_text("As agreed.")).to_be_visible()
    expect(page.get_by_role("link", name="a.txt")).to_be_visible()
    page.get_by_role("button", name="Flag", exact=True).click()
    expect(page.get_by_role("button", name="Take the flag off")).to_be_visible()


def test_with_a_script_the_meter_moves_by_itself(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context().new_page()
    log_in_as(page, service.up, "owner")
    page.goto("/app/domains")
    meter = page.locator("#meter")
    expect(meter).to_contain_text(re.compile(r"\d+ held"))
    held = re.search(r"([\d,]+) held", meter.inner_text())
    assert held
    before = int(held[1].replace(",", ""))
    body = {"from": f"hello@{first_steps(service.up)['domain']}", "to": "ada@example.org", "subject": "x", "text": "x"}
    post(service.up, "/v1/emails", body)
    expect(meter).to_contain_text(f"{before + 1:,} held")


def test_with_a_script_a_moment_is_typed_as_it_is_read(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context(timezone_id="Asia/Kolkata").new_page()
    log_in_as(page, service.up, "owner")
    subject = f"Morning {uuid4().hex[:8]}"
    body = {
        "from": f"hello@{first_steps(service.up)['domain']}",
        "to": "ada@example.org",
        "subject": subject,
        "text": "x",
    }
    email = post(service.up, "/v1/emails", body | {"scheduled_at": "in 3 days"})
    page.goto(f"/app/emails/{email['id']}")
    page.locator("summary", has_text="Send it at another moment").click()
    expect(page.get_by_text("Days and times without a zone are of Asia/Calcutta.")).to_be_visible()
    page.get_by_label("When").fill("tomorrow at 9am")
    page.get_by_role("button", name="Reschedule").click()
    expect(page.locator("dd", has_text="09:00:00 GMT+5:30")).to_be_visible()
    page.goto(f"/app/emails?subject={subject}&since=today&until=today")
    page.get_by_role("button", name="Filter").first.click()
    assert "time_zone=Asia%2FCalcutta" in page.url
    expect(page.get_by_role("row", name=subject)).to_be_visible()


def test_with_a_script_the_page_says_when_it_is_cut_off(new_browser_context: NewContext, service: Service) -> None:
    context = new_browser_context()
    page = context.new_page()
    log_in_as(page, service.up, "owner")
    page.goto("/app/domains")
    lost = page.locator(".lost")
    expect(lost).to_be_hidden()
    page.route("**/app/hour*", lambda route: route.abort())
    page.evaluate("htmx.trigger(document.body, 'tick')")
    expect(lost).to_contain_text("what you see may be old")
    page.unroute("**/app/hour*")
    expect(lost).to_be_hidden()


def test_with_a_script_what_is_typed_outlives_the_session(new_browser_context: NewContext, service: Service) -> None:
    context = new_browser_context()
    page = context.new_page()
    log_in_as(page, service.up, "owner")
    page.goto("/app/webhooks")
    typed = unfold(page, "Add a webhook").get_by_label("Address")
    typed.fill("https://hooks.example.net/typed")
    context.clear_cookies()
    page.evaluate("htmx.trigger(document.body, 'tick')")
    expect(page.locator(".lost")).to_contain_text("You are logged out")
    with context.expect_page() as opened:
        page.get_by_role("link", name="Log in in another tab").click()
    steps = first_steps(service.up)
    other = opened.value
    other.get_by_label("Email address").fill(steps["email"])
    other.get_by_label("Password").fill(steps["password"])
    other.get_by_role("button", name="Log in", exact=True).click()
    other.wait_for_url("**/app/webhooks")
    page.bring_to_front()
    expect(page.locator(".lost")).to_be_hidden()
    expect(typed).to_have_value("https://hooks.example.net/typed")
