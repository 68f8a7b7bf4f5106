"""The web inbox says what has not left and why, shows the hour on every page, and takes letters back."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from sqlalchemy import text

from api.web.dashboard.mail import outgoing
from hourpost.database import Database
from hourpost.emails import of_mailbox
from hourpost.mailboxes.folders import find_special_folder
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.store import MailStore
from hourpost.rules.mail_flags import Flag
from tests.api.web.dashboard.inbox import Inbox, make_box
from tests.api.web.dashboard.mail import make_email
from tests.api.web.running import RunningWeb

PLAIN = b"From: bob@far.test\r\nTo: ada@acme.test\r\nSubject: Lunch\r\nMessage-ID: <two@far.test>\r\n\r\nAt noon?\r\n"


async def narrow(database: Database, box: Inbox, limit: int) -> None:
    """Leave room for so many an hour."""
    async with database.transaction() as connection:
        asked = {"id": box.account.id, "limit": limit}
        await connection.execute(text("UPDATE accounts SET own_limit = :limit WHERE id = :id"), asked)


async def change(database: Database, subject: str, state: str, reply: str = "") -> None:
    """What a worker would have made of it."""
    async with database.transaction() as connection:
        found = await connection.execute(
            text(
                "UPDATE deliveries d SET state = :state FROM emails e WHERE e.id = d.email_id AND e.subject = :subject"
                " RETURNING d.email_id"
            ),
            {"state": state, "subject": subject},
        )
        if reply:
            await connection.execute(
                text(
                    "INSERT INTO attempts (email_id, position, number, outcome, code, reply, started_at, seconds)"
                    " VALUES (:id, 0, 1, :state, 450, :reply, now(), 0.1)"
                ),
                {"id": found.scalar_one(), "state": state, "reply": reply},
            )


def send(box: Inbox, subject: str, to: str = "bob@far.test") -> httpx.Response:
    answer = box.post("/mail/write", {"to": to, "subject": subject, "text": "Hello", "act": "send"})
    assert answer.status_code == 303, answer.text
    return box.get(answer.headers["location"])


def words(answer: httpx.Response) -> str:
    """What is read of a page, without its tags, each space once."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def meter(box: Inbox, path: str = "/mail/hour") -> str:
    found = re.search(r'<section class="meter.*?</section>', box.get(path).text, re.DOTALL)
    assert found, path
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


async def test_every_page_has_the_hour_which_asks_for_itself(box: Inbox) -> None:
    uid = await box.receive(PLAIN)
    for path in (box.home, f"{box.home}/{uid}", "/mail/write", "/mail/f/sent", f"{box.home}?q=noon", "/mail/hour"):
        page = box.get(path).text
        assert page.count('hx-get="/mail/hour" hx-trigger="tick from:body"') == 1, path
        assert meter(box, path).startswith("0 of 1,000 this hour")


async def test_what_finds_no_room_says_why_and_about_when(box: Inbox, database: Database) -> None:
    await narrow(database, box, 1)
    send(box, "First of all")
    page = send(box, "Second one")
    told = words(page)
    assert "The hour is full: it waits" in told
    domain = box.mailbox.address.rpartition("@")[2]
    assert "Waiting to leave" in told
    assert re.search(rf"Second one to bob@far.test waits for the hour of {domain}; leaves about \d\d:\d\d UTC", told)
    assert re.search(r"Waits\b", page.text.partition("mail-rows")[2])
    assert meter(box).endswith("1 of yours held")
    # What the script asks for has the same
    part = box.http.get("/mail/waiting", headers={"HX-Request": "true"})
    assert "Second one" in part.text
    assert "mail-rows" not in part.text
    # And so has the letter itself, which asks again while it waits
    letter = box.get("/mail/f/sent/2")
    assert re.search(rf"bob@far.test Held Waits for the hour of {domain}; leaves about \d\d:\d\d UTC", words(letter))
    assert f'hx-get="{box.folder("Sent")}/2/fate"' in letter.text


async def test_each_has_its_own_place_in_the_line(
    box: Inbox, database: Database, site: RunningWeb, store: MailStore
) -> None:
    """Others of the account stand between; their letters are counted and not named."""
    await narrow(database, box, 2)
    send(box, "Leaves", to="bob@far.test, carl@far.test")
    send(box, "Mine, early")
    async with database.transaction() as connection:
        other = await make_email(database, box.account, subject="Not yours", state=of_mailbox.State.HELD)
        assert other
    send(box, "Mine, late", to="carl@far.test, dora@far.test")
    async with database.reading() as connection:
        late, early, _ = await of_mailbox.list_waiting(connection, box.account.id, box.mailbox.id)
    assert (early.subject, early.place, early.held) == ("Mine, early", 1, 1)
    assert (late.subject, late.place, late.held) == ("Mine, late", 4, 2)
    page = box.get("/mail/f/sent").text
    assert "Not yours" not in page
    assert "2 recipients: waits for the hour" in page
    assert meter(box).endswith("3 of yours held")


async def test_what_was_deferred_is_shown_with_the_words_of_the_relay(box: Inbox, database: Database) -> None:
    subject = f"Busy {box.mailbox.address}"
    send(box, subject)
    await change(database, subject, "deferred", "4.2.0 <busy> just now")
    for path in ("/mail/f/sent", "/mail/f/sent/1"):
        assert re.search("[Tt]he relay said 450 4.2.0 <busy> just now ; tried again", words(box.get(path))), path
        assert "<busy>" not in box.get(path).text
    assert meter(box).endswith("1 waiting")


async def test_what_has_left_waits_no_more(box: Inbox, database: Database) -> None:
    subject = f"Gone {box.mailbox.address}"
    send(box, subject)
    await change(database, subject, "delivered")
    assert 'id="waiting"' in box.get("/mail/f/sent").text  # there, for what comes
    assert "Waiting to leave" not in words(box.get("/mail/f/sent")).partition("Sent")[0]
    assert "bob@far.test Delivered" in words(box.get("/mail/f/sent/1"))
    await change(database, subject, "bounced", "5.1.1 nobody here")
    assert "It was refused for good. 450 5.1.1 nobody here" in words(box.get("/mail/f/sent/1"))


@pytest.mark.parametrize(
    ("states", "keyword", "shown"),
    [
        (["sent"], "$Delivered", ["Sent"]),
        (["sent", "delivered"], "$Delivered", ["Sent"]),
        (["delivered", "delivered"], "$Delivered", ["Delivered"]),
        (["suppressed"], "$Bounced", ["Suppressed"]),
        (["delivered", "suppressed", "bounced"], "$Bounced", ["Bounced", "Suppressed"]),
        (["bounced"], "$Delivered", ["Sent"]),  # heard of later than the keyword
        ([], "$Delivered", ["Sent"]),
        ([], "$Bounced", ["Not delivered"]),
    ],
)
async def test_a_list_and_a_letter_say_what_became_of_it_in_the_same_words(
    box: Inbox, database: Database, store: MailStore, states: list[str], keyword: str, shown: list[str]
) -> None:
    send(box, "Told", to=", ".join(f"a{number}@far.test" for number in range(len(states) or 1)))
    sent = await store.read(find_special_folder, box.mailbox.id, "sent")
    assert sent
    await store.store_flags(box.mailbox.id, sent.id, ((1, 1),), FlagChange(Way.ADD, Flag.NONE, (keyword,)))
    noted = "UPDATE sent_copies s SET content_id = m.content_id FROM messages m WHERE m.folder_id = :sent"
    changed = "UPDATE deliveries SET state = (CAST(:states AS text[]))[position + 1] WHERE account_id = :account"
    async with database.transaction() as connection:
        await connection.execute(text(f"{noted} AND s.mailbox_id = :box"), {"sent": sent.id, "box": box.mailbox.id})
        if states:
            await connection.execute(text(changed), {"account": box.account.id, "states": states})
        else:  # as long as anything was known of it
            await connection.execute(text("DELETE FROM sent_copies WHERE mailbox_id = :box"), {"box": box.mailbox.id})
    for path in ("/mail/f/sent", "/mail/f/sent/1"):
        page = box.get(path).text
        marks = re.search(r'class="mail-marks">(.*?)</span>\n', page) if path.endswith("sent") else None
        head = marks or re.search(r'class="mail-head">(.*?)</div>', page)
        assert head
        assert re.findall(r'class="badge[^>]*>([^<]*)<', head[1]) == shown, path


async def test_a_letter_is_taken_back_until_it_leaves(box: Inbox, database: Database) -> None:
    await narrow(database, box, 1)
    send(box, "Leaves")
    page = send(box, f"Regretted {box.mailbox.address}")
    cancel = re.search(r'action="(/mail/sent/em_\w+/cancel)"', page.text)
    assert cancel
    answer = box.post(cancel[1], {"back": "/mail/f/sent"})
    assert "Canceled" in words(box.get(answer.headers["location"]))
    assert "yours held" not in meter(box)
    assert "bob@far.test Canceled" in words(box.get("/mail/f/sent/2"))
    await change(database, f"Regretted {box.mailbox.address}", "sent")
    assert "It has left already" in words(box.get(box.post(cancel[1]).headers["location"]))


async def test_nobody_takes_back_or_sees_what_another_has_sent(
    box: Inbox, database: Database, site: RunningWeb, store: MailStore
) -> None:
    await narrow(database, box, 1)
    send(box, "Leaves")
    cancel = re.search(r'action="(/mail/sent/em_\w+/cancel)"', send(box, "Waits").text)
    assert cancel
    other = await make_box(site, database, store)
    for path in (cancel[1], "/mail/sent/em_nonsense/cancel"):
        assert other.post(path).status_code == 404
    assert "Waits" not in other.get("/mail/waiting").text
    colleague = await make_email(database, box.account, state=of_mailbox.State.HELD)
    assert box.post(f"/mail/sent/{colleague}/cancel").status_code == 404
    assert meter(box).endswith("1 of yours held")


async def test_where_there_is_no_plan_it_says_so(box: Inbox, database: Database) -> None:
    await narrow(database, box, 1)
    send(box, "Leaves")
    send(box, "Waits")
    async with database.transaction() as connection:
        lapsed = "UPDATE accounts SET own_limit = NULL, plan = NULL, lapsed_at = now() WHERE id = :id"
        await connection.execute(text(lapsed), {"id": box.account.id})
    assert "has no plan" in meter(box)
    assert "waits until" in words(box.get("/mail/f/sent"))


async def test_of_many_some_are_named_and_the_others_counted(
    box: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "SHOWN", 1)
    await narrow(database, box, 1)
    for number in range(3):
        send(box, f"Number {number}")
    told = words(box.get("/mail/waiting"))
    assert "Number 2 to" in told
    assert "Number 1 to" not in told
    assert "And 2 older ones." in told
