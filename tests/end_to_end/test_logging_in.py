"""Logging in as people do, in Chromium: from the sign-up's mail to passkeys, and with the script turned off."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from playwright.sync_api import Page, expect
from pyotp import TOTP

from hourpost.embedded.postgres import EmbeddedPostgres
from tests.embedded.running import RunningUp, eventually
from tests.end_to_end.axe import faults_of
from tests.end_to_end.browsing import log_in, log_in_first
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.scene import first_steps

PASSWORD = "a sentence to keep in mind"

pytestmark = pytest.mark.timeout(600)


def mail_to(up: RunningUp, address: str) -> list[bytes]:
    return [mail for mail in up.captured() if f"X-Envelope-To: {address}\r\n".encode() in mail]


def link_in(mail: bytes) -> str:
    body = email.message_from_bytes(mail, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    found = re.search(r"https?://\S+", body.get_content())
    assert found is not None
    parts = urlsplit(found.group())
    return f"{parts.path}?{parts.query}"


def sign_up(page: Page, up: RunningUp, address: str) -> None:
    page.goto("/signup")
    page.get_by_label("Your name").fill("Grace Hopper")
    page.get_by_label("Company or project").fill("Cobol Ltd")
    page.get_by_label("Email address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text(address)).to_be_visible()
    eventually(lambda: mail_to(up, address))
    page.goto(link_in(mail_to(up, address)[-1]))
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/login")


async def _make_stale(up: RunningUp, address: str) -> None:
    connection = await asyncpg.connect(EmbeddedPostgres(up.home / "postgres").url())
    try:
        await connection.execute(
            "UPDATE sessions s SET proven_at = now() - interval '2 hours' FROM users u"
            " WHERE u.id = s.user_id AND u.email = $1",
            address,
        )
    finally:
        await connection.close()


def make_stale(up: RunningUp, address: str) -> None:
    """As if they had logged in two hours ago."""
    with ThreadPoolExecutor(1) as thread:  # the browser's loop runs in this one
        thread.submit(asyncio.run, _make_stale(up, address)).result()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without a script"])
def test_signing_up_by_the_mail_that_was_captured(
    new_browser_context: NewContext, service: Service, script: bool
) -> None:
    page = new_browser_context(java_script_enabled=script).new_page()
    address = f"grace-{uuid4().hex[:8]}@example.net"
    sign_up(page, service.up, address)
    log_in(page, address, PASSWORD)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("No plan yet")).to_be_visible()


def test_a_passkey_is_made_and_logs_in_without_a_password(new_browser_context: NewContext, service: Service) -> None:
    context = new_browser_context()
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    address = f"grace-{uuid4().hex[:8]}@example.net"
    sign_up(page, service.up, address)
    log_in(page, address, PASSWORD)
    page.wait_for_url("**/app")

    page.goto("/app/you")
    page.get_by_label("Name of the device").fill("A virtual one")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator(".codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    page.locator("summary", has_text="Rename").click()
    page.get_by_label("Name", exact=True).last.fill("A better name")
    page.locator("details[open]").get_by_role("button", name="Save").click()
    expect(page.locator("strong", has_text="A better name")).to_be_visible()

    context.clear_cookies()
    page.goto("/login")
    page.get_by_role("button", name="Log in with a passkey").click()
    page.wait_for_url("**/app")

    make_stale(service.up, address)  # another one asks again who one is, and says what has become of it
    page.goto("/app/you")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("textbox", name="Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("do once more what you were about to do")).to_be_visible()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("This device has a passkey of yours already.")
    page.route("**/passkeys/ask", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached. Try again.")

    context.clear_cookies()  # and as a second factor after the password
    log_in(page, address, PASSWORD)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/app")


def test_codes_by_app_are_turned_on_and_asked_for(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context("phone").new_page()
    address = f"grace-{uuid4().hex[:8]}@example.net"
    sign_up(page, service.up, address)
    log_in(page, address, PASSWORD)
    page.goto("/app/you")
    page.get_by_role("button", name="Turn on").click()
    assert faults_of(page) == []
    app = TOTP(page.locator("code").inner_text().replace(" ", ""))
    page.get_by_role("textbox", name="Code").fill(app.now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".codes li")).to_have_count(10)
    assert faults_of(page) == []
    codes = page.locator(".codes li").all_inner_texts()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy all codes").click()
    assert page.evaluate("() => navigator.clipboard.readText()").split("\n") == codes

    page.context.clear_cookies()
    log_in(page, address, PASSWORD)
    expect(page.get_by_role("heading", name="One step more")).to_be_visible()
    assert faults_of(page) == []
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("This code is not right")).to_be_visible()
    assert faults_of(page) == []
    page.get_by_role("textbox", name="Code").fill(codes[0])
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/app")


def test_a_role_is_walked_through_with_the_keys_and_changes_when_that_is_confirmed(
    new_browser_context: NewContext, service: Service
) -> None:
    page = new_browser_context().new_page()
    log_in_first(page, service.up)
    page.goto("/app/team")
    role, change = (
        page.get_by_label("Role of ada@example.net"),
        page.get_by_role("button", name="Change the role of ada"),
    )
    expect(change).to_be_hidden()
    role.focus()
    page.keyboard.press("ArrowDown")
    expect(role).to_have_value("viewer")
    page.keyboard.press("Tab")
    expect(change).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The role is changed")).to_be_visible()
    expect(role).to_have_value("viewer")
    page.get_by_label("Role of ada@example.net").select_option("developer")
    change.click()
    expect(change).to_be_hidden()
    expect(role).to_have_value("developer")


def test_the_page_that_shows_a_new_key_makes_no_other_when_it_is_loaded_again(
    new_browser_context: NewContext, service: Service
) -> None:
    page = new_browser_context().new_page()
    log_in_first(page, service.up)
    page.goto("/app/keys")
    page.locator("details.fold > summary").first.click()
    name = f"Key {uuid4().hex[:8]}"
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator(".card-secret")).to_be_visible()
    page.reload()
    expect(page.locator(".card-secret")).to_have_count(0)
    expect(page.get_by_role("row", name=name)).to_have_count(1)


def test_the_meter_follows_what_is_sent(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context().new_page()
    log_in_first(page, service.up)
    expect(page.locator("#meter")).to_contain_text("1,000 of 1,000 this hour")
    meter = page.locator("#meter")
    found = re.search(r"(\d+) held", meter.inner_text())
    assert found is not None
    service.up.paste("curl ")
    expect(meter).to_contain_text(f"{int(found.group(1)) + 1} held", timeout=20_000)


def test_the_menu_of_a_phone_opens_without_a_script(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context("phone", java_script_enabled=False).new_page()
    steps = first_steps(service.up)
    log_in(page, steps["email"], steps["password"])
    menu = page.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Team").click()
    expect(page.get_by_role("heading", name="Team")).to_be_visible()
