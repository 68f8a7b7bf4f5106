"""Without a mouse: Tab reaches everything, shows where one is, and a part that is new takes that away from nobody."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.end_to_end.browsing import log_in_as
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.people import PASSWORD, token_to
from tests.end_to_end.scene import first_steps, post

pytestmark = pytest.mark.timeout(600)

MOST_TABS = 80
IS_FOCUSED = "one => one === document.activeElement"
IS_SEEN = """one => {
  const style = getComputedStyle(one), box = one.getBoundingClientRect(), { top, height } = box;
  const isMarked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
  const isCovered = !one.closest(".bar, .side, .skip") && top + height <= bar;
  return isMarked && height > 0 && top < innerHeight && !isCovered;
}"""


@pytest.fixture
def page(new_browser_context: NewContext, service: Service) -> Page:
    opened = new_browser_context(reduced_motion="reduce").new_page()
    log_in_as(opened, service.up, "owner")
    return opened


def reach(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until it has the focus, and see that it shows it."""
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        if wanted.count() and wanted.first.evaluate(IS_FOCUSED):
            assert wanted.first.evaluate(IS_SEEN), f"{wanted} does not show that it has the focus"
            return
    raise AssertionError(f"{wanted} is not reached")


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def test_a_domain_and_a_key_are_made_without_a_mouse(page: Page) -> None:
    page.goto("/app/domains")
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(focused(page)).to_have_id("content")

    name = f"k{uuid4().hex[:8]}.test"
    reach(page, page.locator("details.fold > summary"))
    page.keyboard.press("Space")
    reach(page, page.get_by_role("textbox", name="Domain"))
    page.keyboard.type("not a domain")
    page.keyboard.press("Enter")
    expect(focused(page)).to_have_attribute("aria-invalid", "true")  # one goes on where it went wrong
    page.keyboard.press("Control+A")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/app/domains/dom_*")
    reach(page, page.get_by_role("button", name="Verify"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("You can send from this domain since")).to_be_visible()

    asks = page.locator(".page details.confirm > summary", has_text="Delete")
    reach(page, asks)
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("button", name=f"Delete {name}"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=f"Delete {name}")).to_be_hidden()
    assert asks.evaluate(IS_FOCUSED)
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")  # who walks away leaves nothing open
    expect(page.get_by_role("button", name=f"Delete {name}")).to_be_hidden()
    reach(page, asks)
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("button", name=f"Delete {name}"))
    page.keyboard.press("Space")
    expect(page.get_by_text(f"{name} is deleted.")).to_be_visible()


def test_the_focus_stays_where_it_is_when_a_part_of_the_page_is_new(page: Page, service: Service) -> None:
    body = {"from": f"Acme <hello@{first_steps(service.up)['domain']}>", "to": "ada@example.net", "text": "Hi"}
    email_id = post(service.up, "/v1/emails", body | {"subject": "Soon", "scheduled_at": "in 2 days"})["id"]
    page.goto(f"/app/emails/{email_id}")
    suppress = page.locator("summary", has_text="Suppress")
    reach(page, suppress)
    page.evaluate("document.querySelector('#live').firstElementChild.dataset.old = ''")
    post(service.up, f"/v1/emails/{email_id}/cancel", {})
    expect(page.locator(".timeline")).to_contain_text("Canceled")
    expect(page.locator("[data-old]")).to_have_count(0)
    assert suppress.evaluate(IS_FOCUSED)
    assert suppress.evaluate(IS_SEEN)

    page.goto("/app")
    month = page.get_by_role("link", name="30 days")
    reach(page, month)
    page.evaluate("document.querySelector('#live').firstElementChild.dataset.old = ''")
    expect(page.locator("[data-old]")).to_have_count(0)
    assert month.evaluate(IS_FOCUSED)
    page.keyboard.press("Enter")
    page.wait_for_url("**/app?span=30d")


def test_a_menu_of_a_phone_opens_and_gives_the_focus_back(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context("phone", reduced_motion="reduce").new_page()
    log_in_as(page, service.up, "owner")
    page.goto("/app/domains")
    menu = page.get_by_role("button", name="Menu")
    reach(page, menu)
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("link", name="Emails", exact=True))
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Emails", exact=True)).to_be_hidden()
    assert menu.evaluate(IS_FOCUSED)
    assert page.evaluate("getComputedStyle(document.querySelector('.button')).transitionDuration") == "0s"


def press_in_order(page: Page, *texts: str) -> None:
    """Type into the field that has the focus and into each that follows it, then press Enter."""
    for number, text in enumerate(texts):
        if number:
            page.keyboard.press("Tab")
        assert focused(page).evaluate(IS_SEEN)
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_one_signs_up_pays_and_makes_a_key_without_a_mouse_or_a_script(
    new_browser_context: NewContext, service: Service
) -> None:
    site, name = f"http://127.0.0.1:{service.up.ports['HTTP']}", uuid4().hex[:8]  # where Stripe leads back to
    page, address, password = (
        new_browser_context(java_script_enabled=False).new_page(),
        f"k{name}@example.net",
        PASSWORD,
    )
    page.goto(f"{site}/signup")
    press_in_order(page, "Grace Hopper", "Cobol Ltd", address, "short")
    expect(focused(page)).to_have_id("password")  # one goes on where it went wrong, and hears what is wrong
    expect(focused(page)).to_have_accessible_description(re.compile("A password has 10 to 200 characters"))
    press_in_order(page, password)
    page.wait_for_url("**/signup/mailed")
    page.goto(f"{site}/signup/confirm?token={token_to(service.up, address)}")
    reach(page, page.get_by_role("button", name="Confirm"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    press_in_order(page, address, password)
    page.wait_for_url("**/app")

    reach(page, page.get_by_role("link", name="Choose a plan"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("button", name="Choose Path"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/pages/checkout/**")
    reach(page, page.get_by_role("button", name="Pay"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/app/plan")
    expect(page.get_by_role("status").first).to_be_visible()  # welcome, or that the payment is on its way

    reach(page, page.get_by_role("link", name="Domains"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("textbox", name="Domain"))
    press_in_order(page, f"k{name}.test")
    page.wait_for_url("**/app/domains/dom_*")
    reach(page, page.get_by_role("button", name="Verify"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("You can send from this domain since")).to_be_visible()
    reach(page, page.get_by_role("link", name="API keys"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("textbox", name="Name"))
    press_in_order(page, "Shop")
    expect(page.locator("code", has_text=re.compile("^hp_live_")).first).to_be_visible()
