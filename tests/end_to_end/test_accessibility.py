"""axe-core finds no serious fault on any page, phone and desktop, light and dark; and no page breaks its own policy."""

from __future__ import annotations

import smtplib
from typing import Any, Literal

import pytest
from playwright.sync_api import expect

from tests.end_to_end.axe import faults_of
from tests.end_to_end.browsing import SIZES, log_in_as
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.corners import CORNERS
from tests.end_to_end.pages import PAGES, WHO
from tests.end_to_end.scene import LONG_SUBJECT, first_steps

WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"  # innerWidth grows with it
LINE_HEIGHT = "one => parseFloat(getComputedStyle(one).lineHeight)"
CUT_OFF = """() => [...document.querySelectorAll("details[open] > :not(summary), :popover-open")]
  .map((box) => box.getBoundingClientRect())
  .filter((box) => box.left < 0 || box.right > innerWidth).map((box) => box.x)"""

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_no_page_has_a_serious_fault(new_browser_context: NewContext, service: Service, size: str, scheme: str) -> None:
    told: list[str] = []
    for who in WHO:
        tab = new_browser_context(size, color_scheme=scheme).new_page()
        tab.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: told.append(str(error)))
        log_in_as(tab, service.up, who)
        for page in PAGES:
            if page.who != who:
                continue
            told.clear()
            tab.goto(page.path.format(**service.places), wait_until="load")
            assert not [text for text in told if "status of 4" not in text], f"{page.name}: {told}"  # of the page
            faults = faults_of(tab)
            assert not faults, f"{page.name}, {size}, {scheme}:\n" + "\n".join(faults)
            wide: Any = tab.evaluate(WIDER)
            assert wide <= 0, f"{page.name} is {wide} pixels wider than a {size}"


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_row_of_a_list_stays_a_row_however_long_its_texts_are(
    new_browser_context: NewContext, service: Service, size: str
) -> None:
    tab = new_browser_context(size).new_page()
    log_in_as(tab, service.up, "owner")
    for path in ("/app", "/app/emails"):
        tab.goto(path)
        subject = tab.locator("td", has_text=LONG_SUBJECT).first
        box, height = subject.bounding_box(), subject.evaluate(LINE_HEIGHT)
        assert box
        assert box["height"] < 5 * height, path
        for cell in subject.locator("xpath=ancestor::tr/td").all():
            assert cell.evaluate("cell => cell.scrollWidth - cell.clientWidth") <= 0, path


def test_no_text_of_incoming_mail_takes_the_room_of_another(new_browser_context: NewContext, service: Service) -> None:
    tab = new_browser_context().new_page()
    log_in_as(tab, service.up, "owner")
    tab.goto("/app/inbound")
    address = f"{'a-very-long-name-' * 2}of-support@{first_steps(service.up)['domain']}"
    tab.get_by_label("Mail for").fill(address)
    tab.get_by_label("Is posted to").fill("https://hooks.example.net/inbound")
    tab.get_by_role("button", name="Add", exact=True).click()
    head = f"From: {'A' * 90} <ada@elsewhere.test>\r\nTo: {address}\r\nSubject: {'x' * 300}\r\n\r\nHi\r\n"
    with smtplib.SMTP("127.0.0.1", service.up.ports["SMTP"], timeout=20) as smtp:
        smtp.sendmail("ada@elsewhere.test", [address], head.encode())
    tab.goto("/app/inbound")
    row = tab.get_by_role("row").filter(has_text="AAAA")
    expect(row).to_be_visible()
    box = row.bounding_box()
    assert box
    assert box["height"] < 150


def test_what_opens_has_no_serious_fault_and_is_seen_whole(new_browser_context: NewContext, service: Service) -> None:
    """On a phone, by turns light and dark, which its page is seen in besides; then the window grows to a desktop's."""
    for who in WHO:
        tab = new_browser_context("phone").new_page()
        log_in_as(tab, service.up, who)
        for number, corner in enumerate(CORNERS):
            if corner.who != who:
                continue
            scheme: Literal["light", "dark"] = "dark" if number % 2 else "light"
            tab.emulate_media(color_scheme=scheme)
            tab.set_viewport_size(SIZES["phone"])
            corner.go(tab, corner.path.format(**service.places))
            faults = faults_of(tab)
            assert not faults, f"{corner.name}, {scheme}:\n" + "\n".join(faults)
            for size in ("phone", "desktop"):
                tab.set_viewport_size(SIZES[size])
                assert tab.evaluate(CUT_OFF) == [], f"{corner.name} is cut off on a {size}"
