"""The web inbox beside a mail program: what one of them does is seen in the other, without a reload."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.embedded.running import RunningUp, eventually
from tests.end_to_end.browsing import log_in_as
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.scene import MAILBOX, MAILBOX_PASSWORD

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def program(service: Service) -> Iterator[imaplib.IMAP4_SSL]:
    """A mail program that has the INBOX open."""
    trusting = ssl._create_unverified_context()
    client = imaplib.IMAP4_SSL("127.0.0.1", service.up.ports["IMAPS"], ssl_context=trusting, timeout=20)
    client.login(MAILBOX, MAILBOX_PASSWORD)
    client.select("INBOX")
    yield client
    with suppress(OSError, imaplib.IMAP4.error):
        client.logout()


def bring(up: RunningUp, subject: str) -> None:
    """Mail from elsewhere, by port 25."""
    head = f"From: Ada <ada@elsewhere.test>\r\nTo: {MAILBOX}\r\nSubject: {subject}\r\nMessage-ID: <{uuid4()}@far.test>"
    with smtplib.SMTP("127.0.0.1", up.ports["SMTP"], timeout=20) as smtp:
        smtp.sendmail("ada@elsewhere.test", [MAILBOX], f"{head}\r\n\r\nHello.\r\n".encode())


def numbers_of(program: imaplib.IMAP4_SSL, *words: str) -> list[str]:
    program.noop()
    return (program.search(None, *words)[1][0] or b"").decode().split()


def open_inbox(page: Page, up: RunningUp) -> None:
    """Loaded once; a mark on the page tells whether it was loaded again."""
    log_in_as(page, up, "mailbox")
    expect(page.locator(".mail-row").first).to_be_visible()
    page.evaluate("window.isTheSamePage = true")


def test_a_program_and_the_browser_see_what_the_other_does(
    new_browser_context: NewContext, service: Service, program: imaplib.IMAP4_SSL
) -> None:
    subject = f"Parcel {uuid4().hex[:8]}"
    page = new_browser_context().new_page()
    open_inbox(page, service.up)

    # Mail that arrives shows by itself
    bring(service.up, subject)
    row = page.locator(".mail-row", has_text=subject)
    expect(row).to_be_visible()
    expect(row).to_have_class("mail-row is-unseen")
    (number,) = numbers_of(program, "SUBJECT", f'"{subject}"')

    # A flag of the program shows in the list, while somebody has chosen something there
    row.get_by_role("checkbox").check()
    program.store(number, "+FLAGS", "(\\Flagged \\Seen)")
    expect(row.get_by_text("Flagged")).to_be_attached()
    expect(row).to_have_class("mail-row")
    expect(row.get_by_role("checkbox")).to_be_checked()
    assert page.evaluate("window.isTheSamePage")

    # What is done with it in the browser is seen by the program
    page.get_by_role("group", name="With the chosen ones").get_by_role("button", name="Mark unread").click()
    eventually(lambda: number in numbers_of(program, "UNSEEN"))

    # Reading it opens it beside the list, marks it read, and needs no other page
    page.evaluate("window.isTheSamePage = true")
    page.locator(".mail-row", has_text=subject).get_by_role("link").click()
    expect(page.locator("#content").get_by_role("heading", name=subject)).to_be_visible()
    expect(page.locator("#content").get_by_text("Hello.", exact=True)).to_be_visible()
    eventually(lambda: number not in numbers_of(program, "UNSEEN"))
    assert page.evaluate("window.isTheSamePage")
    page.go_back()
    expect(page.get_by_role("heading", name="No message is open")).to_be_visible()


def test_a_message_of_html_is_seen_in_its_frame_and_a_phone_reaches_every_folder(
    new_browser_context: NewContext, service: Service
) -> None:
    page = new_browser_context("phone").new_page()
    log_in_as(page, service.up, "mailbox")
    page.locator(".mail-row", has_text="Invoice 2041").get_by_role("link").click()
    framed = page.frame_locator("iframe[title='The message']")
    expect(framed.get_by_role("heading", name="Invoice 2041")).to_be_visible()
    expect(page.locator(".mail-list")).to_be_hidden()
    page.get_by_role("link", name="Inbox").first.click()
    folders = page.get_by_role("navigation", name="Folders")
    expect(folders).to_be_hidden()
    page.get_by_role("button", name="Folders").click()
    folders.get_by_role("link", name="Archive").click()
    expect(page.get_by_role("heading", name="Archive")).to_be_visible()


def test_a_letter_keeps_itself_while_it_is_written_and_a_message_moves_by_the_keys(
    new_browser_context: NewContext, service: Service
) -> None:
    page = new_browser_context().new_page()
    log_in_as(page, service.up, "mailbox")
    subject = f"Half {uuid4().hex[:8]}"
    page.goto("/mail/write")
    page.get_by_label("Subject").fill(subject)
    expect(page.get_by_role("status")).to_contain_text("Draft kept at")
    page.goto("/mail/f/drafts")
    row = page.locator(".mail-row", has_text=subject)
    expect(row).to_be_visible()

    row.get_by_role("checkbox").check()
    page.get_by_role("group", name="With the chosen ones").locator("summary").focus()
    page.keyboard.press("Enter")
    archive = page.locator(".mail-many").get_by_role("button", name="Archive").last
    while not archive.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    expect(row).to_be_visible()  # walking past choices chooses none
    page.keyboard.press("Enter")
    expect(page.get_by_text("Moved: 1 message.")).to_be_visible()
    page.goto("/mail/f/archive")
    expect(page.locator(".mail-row", has_text=subject)).to_be_visible()
