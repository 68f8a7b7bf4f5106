"""The web inbox beside a mail program: what one of them does is seen in the other, without a reload."""

from __future__ import annotations

import imaplib
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
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


def test_the_inbox_goes_on_by_itself_after_another_log_in(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context().new_page()
    page.route("**/mail/feed", lambda route: route.fulfill(content_type="text/html", body="Log in"))
    with page.expect_response("**/mail/feed"):
        open_inbox(page, service.up)
    page.unroute("**/mail/feed")
    subject = f"Back {uuid4().hex[:8]}"
    bring(service.up, subject)
    expect(page.locator(".mail-row", has_text=subject)).to_be_visible()
    assert page.evaluate("window.isTheSamePage")


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
    expect(page.locator("[data-kept]")).to_contain_text("Draft kept at")
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


def test_the_list_stays_where_it_is_while_others_move_and_delete(
    new_browser_context: NewContext, service: Service, program: imaplib.IMAP4_SSL
) -> None:
    mark = uuid4().hex[:8]
    for number in range(14):
        program.append(
            "INBOX", "(\\Seen)", "", f"From: bob@far.test\r\nSubject: {mark} {number:02d}\r\n\r\nHi\r\n".encode()
        )
    page = new_browser_context().new_page()
    open_inbox(page, service.up)
    search, folders = page.get_by_role("searchbox"), page.get_by_role("navigation", name="Folders")
    search.fill("half a word")
    row, pane = page.locator(".mail-row", has_text=f"{mark} 05"), page.locator(".mail-list")
    row.get_by_role("checkbox").check()
    pane.evaluate("(pane, row) => { pane.scrollTop = row.offsetTop - 200 }", row.element_handle())
    before = row.bounding_box()

    # What comes, goes and is moved above it leaves it where it is
    bring(service.up, f"{mark} new")
    expect(page.locator(".mail-row", has_text=f"{mark} new")).to_be_attached()
    program.noop()
    (gone,), (moved,) = (numbers_of(program, "SUBJECT", f'"{mark} {one}"') for one in ("13", "12"))
    program.store(gone, "+FLAGS", "(\\Deleted)")
    program.expunge()
    expect(page.locator(".mail-row", has_text=f"{mark} 13")).to_have_count(0)
    (moved,) = numbers_of(program, "SUBJECT", f'"{mark} 12"')
    program._simple_command("MOVE", moved, "Archive")
    expect(page.locator(".mail-row", has_text=f"{mark} 12")).to_have_count(0)
    after = row.bounding_box()
    assert before
    assert after
    assert abs(after["y"] - before["y"]) < 2
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(search).to_have_value("half a word")

    # The number beside the folder follows, and the title; what is chosen and what is new is read aloud
    status = page.locator("p.visually-hidden[role=status]").filter(has_text=re.compile("chosen|unread"))
    expect(status).to_have_text(re.compile("1 chosen|New mail"))
    unread = folders.get_by_role("link", name="Inbox").locator(".count")
    first = int(unread.inner_text().split()[0])
    program.store(numbers_of(program, "SUBJECT", f'"{mark} 00"')[0], "-FLAGS", "(\\Seen)")
    expect(unread).to_contain_text(str(first + 1))
    expect(status).to_have_text(f"New mail: {first + 1} unread in the inbox")
    expect(page).to_have_title(re.compile(rf"^\({first + 1}\) "))
    assert page.evaluate("window.isTheSamePage")

    # And what the browser moves is gone from the program's folder
    page.get_by_role("group", name="With the chosen ones").get_by_role("button", name="Archive").first.click()
    eventually(lambda: not numbers_of(program, "SUBJECT", f'"{mark} 05"'))


def test_the_whole_folder_is_chosen_only_while_the_page_says_so(
    new_browser_context: NewContext, service: Service, program: imaplib.IMAP4_SSL
) -> None:
    mark = f"Whole{uuid4().hex[:8]}"
    program.create(mark)
    program.subscribe(mark)

    def bring_into(*names: object) -> None:
        for one in names:
            program.append(mark, "(\\Seen)", "", f"Subject: {mark} {one}\r\n\r\nHi\r\n".encode())

    bring_into(*range(55))
    page = new_browser_context().new_page()
    log_in_as(page, service.up, "mailbox")
    folder = page.get_by_role("navigation", name="Folders").get_by_role("link", name=mark)
    folder.click()
    rows, every = page.locator(".mail-row"), page.get_by_label("Choose all of this page")
    whole, told = page.locator("input[name=whole]"), page.locator("[data-count]")

    def left() -> int:
        return int(program.status(mark, "(MESSAGES)")[1][0].split()[-1].rstrip(b")"))

    # Who chooses none, or one less, chooses the whole no more
    every.check()
    whole.check()
    expect(told).to_have_text("All 55 chosen")
    every.uncheck()
    expect(whole).not_to_be_checked()
    rows.first.get_by_role("checkbox").check()
    expect(told).to_have_text("1 chosen")
    page.keyboard.press("#")
    expect(page.get_by_text("Deleted: 1 message.")).to_be_visible()
    assert left() == 54
    rows.first.get_by_role("checkbox").check()
    whole.check()  # which chooses all of the page too
    expect(told).to_have_text("All 54 chosen")
    rows.nth(1).get_by_role("checkbox").uncheck()
    expect(whole).not_to_be_checked()
    expect(told).to_have_text("49 chosen")
    page.keyboard.press("e")
    expect(page.get_by_text("Archived: 49 messages.")).to_be_visible()
    assert left() == 5

    # What comes meanwhile belongs to it where it is chosen too
    bring_into(*range(55, 110))
    expect(rows).to_have_count(50)
    every.check()
    whole.check()
    expect(told).to_have_text("All 60 chosen")
    bring_into("new", "newer")
    expect(page.get_by_label(f"Choose: {mark} newer")).not_to_be_checked()
    expect(told).to_have_text("All 60 chosen")
    page.get_by_label(f"Choose: {mark} newer").check()
    expect(told).to_have_text("All 60 and 1 more chosen")
    page.keyboard.press("#")
    expect(page.get_by_text("Deleted: 61 messages.")).to_be_visible()
    assert left() == 1

    # In Trash, one key does not end it all
    page.goto("/mail/f/trash")
    every.check()
    expect(told).to_have_text("50 chosen")
    expect(whole).to_have_count(0)
    program.delete(mark)


def test_a_flag_that_a_program_sets_shows_beside_the_open_message(
    new_browser_context: NewContext, service: Service, program: imaplib.IMAP4_SSL
) -> None:
    subject = f"Flagged {uuid4().hex[:8]}"
    bring(service.up, subject)
    page = new_browser_context().new_page()
    open_inbox(page, service.up)
    page.locator(".mail-row", has_text=subject).get_by_role("link").click()
    acts = page.locator(".mail-one")
    expect(acts.get_by_role("button", name="Flag", exact=True)).to_be_visible()
    program.store(numbers_of(program, "SUBJECT", f'"{subject}"')[0], "+FLAGS", "(\\Flagged)")
    expect(acts.get_by_role("button", name="Take the flag off")).to_be_visible()
    assert page.evaluate("window.isTheSamePage")
    # With others chosen, "s" is about those: flagged, then not flagged any more
    other = f"Other {uuid4().hex[:8]}"
    bring(service.up, other)
    page.get_by_label(f"Choose: {other}").check()
    page.keyboard.press("s")
    expect(page.locator(".mail-row", has_text=other).get_by_text("Flagged")).to_be_attached()
    page.get_by_label(f"Choose: {other}").check()
    page.keyboard.press("s")
    eventually(lambda: not numbers_of(program, "FLAGGED", "SUBJECT", f'"{other}"'))
    # While a menu is open, letters are no commands
    page.locator(".mail-row", has_text=subject).get_by_role("link").click()
    acts.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    page.evaluate("window.isTheSamePage = true")
    acts.get_by_role("button", name="Take the flag off").click()
    eventually(lambda: not numbers_of(program, "FLAGGED", "SUBJECT", f'"{subject}"'))
    assert numbers_of(program, "SUBJECT", f'"{subject}"')


def test_a_letter_is_written_on_a_page_at_400_percent_and_beside_a_folder_with_a_long_name(
    new_browser_context: NewContext, service: Service, program: imaplib.IMAP4_SSL
) -> None:
    program.create("W" * 80)
    page = new_browser_context().new_page()
    log_in_as(page, service.up, "mailbox")
    page.goto("/mail/write")
    new = page.get_by_role("link", name="New message")
    box, left = new.bounding_box(), page.locator("#folders").bounding_box()
    assert box
    assert left
    assert box["x"] + box["width"] <= left["x"] + left["width"]
    page.set_viewport_size({"width": 320, "height": 256})
    for field in ("to", "cc", "bcc", "subject", "text", "files"):
        page.locator(f"#{field}").focus()
        hit = page.locator(f"#{field}").evaluate(
            "one => { const box = one.getBoundingClientRect();"
            " return one.contains(document.elementFromPoint(box.x + 20, Math.min(box.bottom, innerHeight) - 4)); }"
        )
        assert hit, field
    page.locator("#files").set_input_files({"name": f"{'a' * 120}.txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.get_by_role("list", name="Attached now").get_by_role("listitem")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.on("dialog", lambda asked: asked.accept())  # whoever is asked "Leave?" says yes
    page.goto("/mail")
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.locator(".mail-row").get_by_role("link").first.click()
    expect(page.locator("#content").get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("main")).to_be_visible()
    program.delete("W" * 80)


def test_a_letter_waits_in_sight_is_offered_its_readers_and_is_taken_back(
    new_browser_context: NewContext, service: Service
) -> None:
    """The hour of the scene is full."""
    subject = f"Waits {uuid4().hex[:8]}"
    page = new_browser_context().new_page()
    log_in_as(page, service.up, "mailbox")
    for typed in ("zoe@far.test", "zo"):  # the second time it is known who was written to
        page.goto("/mail/write")
        to = page.get_by_label("To", exact=True)
        to.press_sequentially(typed)
        if typed == "zo":
            page.get_by_role("option", name="zoe@far.test").click()
            expect(to).to_have_value("zoe@far.test, ")
        page.get_by_label("Subject").fill(subject)
        page.get_by_role("button", name="Send").click()
        page.get_by_role("button", name="Send now").click()
        page.wait_for_url("**/mail/f/**")
    waiting = page.get_by_role("region", name="Waiting to leave")
    expect(waiting.get_by_text(subject)).to_have_count(2)
    expect(waiting.get_by_text("waits for the hour of acme.test; leaves about").first).to_be_visible()
    for left in (1, 0):
        letter = waiting.get_by_role("listitem").filter(has_text=subject).first
        letter.get_by_text("Cancel", exact=True).click()
        letter.get_by_role("button", name="Cancel what waits").click()
        expect(page.get_by_text("Canceled: what had not left")).to_be_visible()
        expect(waiting.get_by_text(subject)).to_have_count(left)
    page.locator(".mail-row", has_text=subject).first.get_by_role("link").click()
    page.get_by_role("link", name="Write it anew").click()
    expect(page.get_by_label("Subject")).to_have_value(subject)
    expect(page.get_by_label("To", exact=True)).to_have_value("zoe@far.test")


def test_sending_is_undone_and_then_done(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context().new_page()
    page.clock.install()
    log_in_as(page, service.up, "mailbox")
    page.goto("/mail/write")
    page.clock.pause_at(datetime.now(UTC) + timedelta(days=1))
    subject = f"Undone {uuid4().hex[:8]}"
    page.get_by_label("To", exact=True).fill("zoe@far.test")
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Message").press("Control+Enter")
    expect(page.get_by_text("Sending…")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.clock.run_for(10_000)  # it would have left
    page.get_by_label("Subject").fill(f"{subject} again")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Sending…")).to_be_visible()
    page.clock.run_for(5_000)
    page.wait_for_url("**/mail/f/**")
    rows = page.locator(".mail-row", has_text=subject)
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(f"{subject} again")


@pytest.mark.parametrize(
    ("characters", "is_sent"),
    [(20, False), (20, True), (90_000, False)],  # browsers promise to bring no more than 64 KiB
    ids=["half", "undoable", "long"],
)
def test_a_letter_that_is_left_at_once_is_a_draft(
    new_browser_context: NewContext, service: Service, characters: int, is_sent: bool
) -> None:
    page = new_browser_context().new_page()
    page.on("dialog", lambda asked: asked.accept())  # whoever is asked "Leave?" says yes
    log_in_as(page, service.up, "mailbox")
    page.goto("/mail/write")
    subject = f"Left {uuid4().hex[:8]}"
    page.get_by_label("To", exact=True).fill("zoe@far.test")
    page.get_by_label("Message").fill("x" * characters)
    page.get_by_label("Subject").press_sequentially(subject)
    if is_sent:
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_text("Sending…")).to_be_visible()
    page.get_by_role("link", name="Archive").click()
    expect(page.get_by_role("heading", name="Archive")).to_be_visible()
    page.goto("/mail/f/drafts")
    expect(page.locator(".mail-row", has_text=subject)).to_have_count(1)


def test_a_letter_stays_where_it_is_when_nobody_takes_it_and_leaves_when_somebody_does(
    new_browser_context: NewContext, service: Service
) -> None:
    context = new_browser_context()
    page = context.new_page()
    page.clock.install()
    log_in_as(page, service.up, "mailbox")
    page.goto("/mail/write")
    page.evaluate("window.isTheSamePage = true")
    page.clock.pause_at(datetime.now(UTC) + timedelta(days=1))
    subject, told = f"Stays {uuid4().hex[:8]}", page.locator("[data-kept]")
    page.get_by_label("To", exact=True).fill("zoe@far.test")
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Message").fill("All of it.")
    page.locator("#files").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})

    def send() -> None:
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_role("button", name="Send now").click()

    page.route("**/mail/session", lambda route: route.abort())
    send()
    expect(told).to_contain_text("Not sent: the server cannot be reached.")
    page.unroute("**/mail/session")
    session = context.cookies()
    context.clear_cookies()
    send()
    expect(told).to_contain_text("Not sent: you are logged out.")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(told).to_contain_text("Nothing was done: you are logged out.")
    expect(told).to_be_in_viewport()
    send()
    page.clock.run_for(3_000)  # the draft cannot be kept either, which is not what matters most
    expect(told).to_contain_text("Not sent: you are logged out.")
    expect(told.get_by_role("link", name="Log in in another tab")).to_be_visible()
    for width in (320, 390):  # what the page says at its foot lies over no word of the letter's
        page.set_viewport_size({"width": width, "height": 844})
        page.clock.run_for(4_000)
        expect(page.locator(".lost")).to_contain_text("You are logged out.")
        told.scroll_into_view_if_needed()
        words, toast = told.bounding_box(), page.locator(".lost").bounding_box()
        assert words
        assert toast
        assert words["y"] + words["height"] <= toast["y"], width
    context.add_cookies(session)
    page.clock.run_for(3_000)
    expect(told).to_contain_text("Not sent. Draft kept at")
    expect(page.get_by_label("Message")).to_have_value("All of it.")
    assert page.evaluate("window.isTheSamePage")
    send()
    page.wait_for_url("**/mail/f/**")
    row = page.locator(".mail-row", has_text=subject)
    expect(row).to_have_count(1)
    expect(row.get_by_text("Has attachments")).to_be_attached()


def test_files_are_chosen_dropped_pasted_and_taken_out(new_browser_context: NewContext, service: Service) -> None:
    page = new_browser_context().new_page()
    log_in_as(page, service.up, "mailbox")
    page.goto("/mail/write")
    subject = f"Files {uuid4().hex[:8]}"
    page.get_by_label("Subject").fill(subject)
    chosen = page.get_by_role("list", name="Attached now")
    for name in ("one.txt", "two.txt"):
        page.locator("#files").set_input_files({"name": name, "mimeType": "text/plain", "buffer": b"x"})
    for event, transfer in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """([event, transfer]) => {
              const held = new DataTransfer();
              held.items.add(new File(["x"], `${event}.png`, { type: "image/png" }));
              const kind = event === "drop" ? DragEvent : ClipboardEvent;
              const sent = new kind(event, { bubbles: true, cancelable: true, [transfer]: held });
              document.getElementById("text").dispatchEvent(sent);
            }""",
            [event, transfer],
        )
    expect(chosen.get_by_role("listitem")).to_have_count(4)
    chosen.get_by_role("button", name="Take out one.txt").click()
    expect(chosen.get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Keep as a draft").click()
    kept = page.get_by_role("list", name="Attached").get_by_role("listitem")
    expect(kept).to_have_count(3)
    expect(kept).to_contain_text(["two.txt", "drop.png", "paste.png"])


def test_two_tabs_write_two_drafts_and_say_so(new_browser_context: NewContext, service: Service) -> None:
    subject = f"Tabs {uuid4().hex[:8]}"
    context = new_browser_context()
    first, second = context.new_page(), context.new_page()
    log_in_as(first, service.up, "mailbox")
    first.goto("/mail/write")
    first.get_by_label("Subject").fill(subject)
    expect(first.locator("[data-kept]")).to_contain_text("Draft kept at")
    second.goto("/mail/f/drafts")
    second.locator(".mail-row", has_text=subject).get_by_role("link").click()
    second.get_by_label("Message").fill("in the second")
    expect(second.locator("[data-kept]")).to_contain_text("Draft kept at")
    first.get_by_label("Cc", exact=True).fill("half")  # no address yet, and kept all the same
    second.goto("/mail/f/drafts")
    expect(second.locator(".mail-row", has_text=subject)).to_have_count(2)
