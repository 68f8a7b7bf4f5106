"""Emails in the dashboard: found, read and acted upon by who may."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from api.web.dashboard.states import became_of
from hourpost import pages
from hourpost.database import Database
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text
from hourpost.rules.mime import Attachment
from hourpost.rules.submission import Placed
from tests.api.web.dashboard.mail import make_email
from tests.api.web.dashboard.people import Cast, Surfer, text_of
from tests.cast import make_domain


async def test_a_list_is_narrowed_by_what_stands_in_the_address(cast: Cast, owner: Surfer, database: Database) -> None:
    await make_email(database, cast.account, "ada@far.test", subject="Invoice 7")
    await make_email(database, cast.account, "bob@far.test", subject="Welcome", state=State.HELD)
    page = owner.get("/app/emails")
    assert "Invoice 7" in page.text
    assert "Welcome" in page.text
    found = owner.get("/app/emails?status=held&to=bob@far.test")
    assert "Welcome" in found.text
    assert "Invoice 7" not in found.text
    assert 'value="bob@far.test"' in found.text
    assert "Invoice 7" in owner.get("/app/emails?subject=invoice").text
    assert "Nothing fits" in owner.get("/app/emails?tag=kind:other").text


async def test_what_is_held_after_the_end_of_a_plan_waits_for_a_plan(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    email = await make_email(database, cast.account, state=State.HELD)
    pages = ("/app", f"/app/emails/{email}")
    assert all("Your hour is full" in owner.get(page).text for page in pages)
    lapsed = "UPDATE accounts SET own_limit = NULL, plan = NULL, lapsed_at = now() WHERE id = :id"
    async with database.transaction() as connection:
        await connection.execute(text(lapsed), {"id": cast.account.id})
    for page in pages:
        told = owner.get(page).text
        assert "Your hour is full" not in told
        assert "once there is a plan again" in told


async def test_the_days_of_a_search_are_those_of_the_browser_and_the_last_is_in_it(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    await make_email(database, cast.account, "ada@far.test")
    now = datetime.now(UTC)
    name = "Pacific/Kiritimati" if now.hour >= 10 else "Pacific/Pago_Pago"  # where it is another day than in UTC
    there = now.astimezone(ZoneInfo(name)).date()
    for first, last, zone, is_found in (
        (there, there, name, True),
        (there, there, "", False),
        (there, there, "Nowhere/Here", False),
        (now.date(), now.date(), "", True),
        (there - timedelta(days=2), there - timedelta(days=1), name, False),
    ):
        page = owner.get(f"/app/emails?since={first}&until={last}&time_zone={zone}")
        assert ("ada@far.test" in page.text) is is_found, (first, last, zone)
        assert (f"without a zone are of {name}." in text_of(page)) is (zone == name)
    assert name not in owner.get(f"/app/emails?to=ada@far.test&time_zone={name}").text


async def test_a_new_moment_is_of_the_browser_s_zone(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account)
    typed = {"scheduled_at": "tomorrow at 9am", "time_zone": "Asia/Kolkata"}
    assert owner.post(f"/app/emails/{email_id}/reschedule", typed).status_code == 303
    assert "T03:30:00+00:00" in owner.get(f"/app/emails/{email_id}").text
    wrong = owner.post(f"/app/emails/{email_id}/reschedule", typed | {"scheduled_at": "some day"})
    assert "is not a moment: write &#34;2026-12-01 09:00&#34;" in wrong.text


async def test_an_email_leads_back_to_the_list_as_it_was(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account)
    for before, back in (
        ("/app/emails?status=scheduled&to=ada@far.test", "/app/emails?status=scheduled&amp;to=ada@far.test"),
        ("/app?span=7d", "/app/emails"),
        (f"/app/emails/{email_id}", "/app/emails"),
    ):
        page = owner.get(f"/app/emails/{email_id}", Referer=f"{owner.http.base_url}{before}")
        assert f'<a class="crumb" href="{back}">' in page.text


async def test_pages_lead_back_and_forth(cast: Cast, owner: Surfer, database: Database) -> None:
    for number in reversed(range(51)):
        await make_email(database, cast.account, f"n{number}@far.test")
    first = owner.get("/app/emails?status=scheduled")
    assert "n0@far.test" in first.text
    assert "n50@far.test" not in first.text
    older = re.search(r'href="([^"]*after=[^"]*)"', first.text)
    assert older
    assert "before=" not in first.text
    second = owner.get(older[1].replace("&amp;", "&"))
    assert "n50@far.test" in second.text
    assert "n49@far.test" not in second.text
    newer = re.search(r'href="([^"]*before=[^"]*)"', second.text)
    assert newer
    assert "status=scheduled" in newer[1]
    assert "n0@far.test" in owner.get(newer[1].replace("&amp;", "&")).text


async def test_a_search_goes_on_where_it_ended(
    cast: Cast, owner: Surfer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await make_email(database, cast.account, subject=f"Invoice {number}")
    monkeypatch.setattr(pages, "SEARCHED_AT_ONCE", 2)
    first = owner.get("/app/emails?subject=invoice+0")
    assert "Nothing so far" in first.text
    older = re.search(r'href="([^"]*after=[^"]*)"', first.text)
    assert older
    assert f'hx-get="{older[1]}" hx-trigger="load"' in first.text  # where there is a script, by itself
    assert "Invoice 0" in owner.get(older[1].replace("&amp;", "&")).text


def test_filters_that_are_used_are_never_folded_away(owner: Surfer) -> None:
    assert '<details class="disclose">' in owner.get("/app/emails?to=ada@far.test").text
    page = owner.get("/app/emails?since=2+days+ago")
    assert page.status_code == 200
    assert '<details class="disclose" open>' in page.text


def test_a_filter_that_cannot_be_one_is_named(owner: Surfer) -> None:
    answer = owner.get("/app/emails?to=nobody&since=whenever")
    assert answer.status_code == 422
    assert 'id="to-fault"' in answer.text
    assert 'id="since-fault"' in answer.text


def test_a_page_that_cannot_be_does_not_look_like_an_empty_list(owner: Surfer) -> None:
    answer = owner.get("/app/emails?after=em_yesterday")
    assert answer.status_code == 422
    assert "There is no such page of this list." in answer.text
    assert "No emails yet" not in answer.text


async def test_one_email_shows_what_became_of_each_recipient(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account, "ada@far.test", "bob@far.test", state=State.QUEUED)
    arguments = {"email": from_text("em", email_id), "account": cast.account.id}
    async with database.transaction() as connection:
        for statement in (
            "UPDATE deliveries SET state = 'bounced' WHERE email_id = :email AND position = 1",
            "INSERT INTO attempts (email_id, position, number, outcome, relay, stage, code, enhanced, reply, tls,"
            " started_at, seconds) VALUES (:email, 1, 1, 'bounced', 'relay.test', 'rcpt', 550, '5.1.1',"
            " 'no such <user>', 'TLSv1.3', now(), 0.25)",
            "INSERT INTO events (email_id, id, position, account_id, kind, at, detail)"
            " VALUES (:email, gen_random_uuid(), 1, :account, 'bounced', now() + interval '1 s',"
            """ '{"reason": "relay.test: no TLS"}')""",
        ):
            await connection.execute(text(statement), arguments)
    page = owner.get(f"/app/emails/{email_id}")
    assert "There is no mailbox of that name" in page.text
    assert "550 5.1.1 no such &lt;user&gt;" in text_of(page) or "no such &lt;user&gt;" in page.text
    assert "By relay.test, TLSv1.3, attempt 1" in text_of(page)
    assert "relay.test: no TLS." in text_of(page)  # the name of a host stays as it is


async def test_a_preview_runs_nothing_and_loads_nothing(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account)
    answer = owner.get(f"/app/emails/{email_id}/preview")
    assert "<b>Ada</b>" in answer.text
    assert "script" not in answer.text
    assert "onclick" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "https:" not in policy


async def test_a_preview_shows_the_pictures_that_came_along(cast: Cast, owner: Surfer, database: Database) -> None:
    logo = Attachment("logo.png", b"\x89PNG", "image/png", content_id="logo")
    drawing = Attachment("drawing.svg", b"<svg/>", "image/svg+xml", content_id="drawing")
    html = "<img src='cid:logo'><img src='cid:drawing'>"
    email_id = await make_email(database, cast.account, html=html, attachments=(logo, drawing))
    page = owner.get(f"/app/emails/{email_id}/preview").text
    assert '<img src="data:image/png;base64,iVBORw==">' in page
    assert "svg+xml" not in page


async def test_an_attachment_is_kept_and_never_shown(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account)
    assert "invoice§.pdf" in owner.get(f"/app/emails/{email_id}").text
    answer = owner.get(f"/app/emails/{email_id}/attachments/0")
    assert answer.content == b"%PDF-1.7 no more"
    assert answer.headers["content-disposition"].startswith('attachment; filename="invoice_.pdf"')
    assert answer.headers["content-type"] == "application/octet-stream"
    assert owner.get(f"/app/emails/{email_id}/attachments/1").status_code == 404


@pytest.mark.parametrize("view", ["preview", "text", "headers", "source", "nonsense"])
async def test_each_view_shows_the_content(cast: Cast, owner: Surfer, database: Database, view: str) -> None:
    email_id = await make_email(database, cast.account)
    shown = {"text": "Hello Ada", "headers": "Message-ID", "source": "Content-Transfer-Encoding"}
    answer = owner.get(f"/app/emails/{email_id}?view={view}")
    assert answer.status_code == 200
    assert shown.get(view, "<iframe") in answer.text


async def test_what_waits_is_canceled_or_moved(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account)
    wrong = owner.post(f"/app/emails/{email_id}/reschedule", {"scheduled_at": "yesterday-ish"})
    assert wrong.status_code == 422
    assert 'id="scheduled_at-fault"' in wrong.text
    assert owner.post(f"/app/emails/{email_id}/reschedule", {"scheduled_at": "in 3 days"}).status_code == 303
    owner.post(f"/app/emails/{email_id}/cancel")
    page = owner.get(f"/app/emails/{email_id}")
    assert "Canceled" in page.text
    assert "/cancel" not in page.text


async def test_what_is_moved_into_a_full_hour_is_told_that_it_expires_before(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    email_id = await make_email(database, cast.account)
    account, email = {"account": cast.account.id}, {"email": from_text("em", email_id)}
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE accounts SET plan = 'path', own_limit = 1 WHERE id = :account"), account)
        spend = text("INSERT INTO spends (account_id, spent_at, count) VALUES (:account, now(), 1)")
        await connection.execute(spend, account)
        until = text("UPDATE emails SET expires_at = now() + interval '20 minutes' WHERE id = :email")
        await connection.execute(until, email)
    owner.post(f"/app/emails/{email_id}/reschedule", {"scheduled_at": "in 10 minutes"})
    assert "the hour has no room for all of it before" in owner.get(f"/app/emails/{email_id}").text


async def test_it_is_sent_again_as_a_new_email(cast: Cast, owner: Surfer, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    email_id = await make_email(database, cast.account, domain=domain.name, domain_id=domain.id)
    answer = owner.post(f"/app/emails/{email_id}/again")
    new = answer.headers["location"].rpartition("/")[2]
    assert new != email_id
    source = owner.get(f"/app/emails/{new}/source").text
    assert source.lower().count("message-id:") == 1
    assert "Hello Ada" in source
    assert owner.get(f"/app/emails/{email_id}/source").text != source


async def test_a_page_s_button_sends_again_once_however_often_its_form_comes(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    domain = await make_domain(database, cast.account)
    email_id = await make_email(database, cast.account, domain=domain.name, domain_id=domain.id)
    nonces = [re.findall(r'name="nonce" value="([^"]+)"', owner.get(f"/app/emails/{email_id}").text)[0] for _ in "12"]
    sent = [
        owner.post(f"/app/emails/{email_id}/again", {"nonce": nonce}).headers["location"]
        for nonce in (nonces[0], nonces[0], nonces[1])
    ]
    assert sent[0] == sent[1] != sent[2]
    assert f"/app/emails/{email_id}" not in sent


async def test_what_was_forwarded_is_sent_again_as_a_mail_of_the_account_s_own(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    domain = await make_domain(database, cast.account)
    email_id = await make_email(database, cast.account, domain=domain.name, domain_id=domain.id)
    forwarded = (
        "UPDATE emails SET source = 'forward', parts = parts || jsonb_build_object('dsn', '{}') WHERE id = :email"
    )
    async with database.transaction() as connection:
        await connection.execute(text(forwarded), {"email": from_text("em", email_id)})
    new = owner.post(f"/app/emails/{email_id}/again").headers["location"].rpartition("/")[2]
    async with database.reading() as connection:
        query = text("SELECT source, parts -> 'dsn' FROM emails WHERE id = :email")
        assert (await connection.execute(query, {"email": from_text("em", new)})).all() == [("mailbox", None)]


async def test_a_test_that_is_sent_again_stays_one(cast: Cast, owner: Surfer, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    email_id = await make_email(database, cast.account, domain=domain.name, domain_id=domain.id)
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE emails SET test = true WHERE id = :email"), {"email": from_text("em", email_id)}
        )
    page = text_of(owner.follow(owner.post(f"/app/emails/{email_id}/again")))
    assert "This is a new email with the same content: it is on its way." in page
    assert "Test: nothing leaves" in page


async def test_what_becomes_of_an_email_at_once_is_said(cast: Cast, owner: Surfer, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    email_id = await make_email(database, cast.account, domain=domain.name, domain_id=domain.id)
    (address,) = re.findall(r'name="address" value="([^"]+)"', owner.get(f"/app/emails/{email_id}").text)
    owner.post(f"/app/emails/{email_id}/suppress", {"address": address})
    owner.post("/app/suppressions", {"email": owner.email})
    nobody = "goes to nobody: its recipient is on your suppression list."
    again = owner.follow(owner.post(f"/app/emails/{email_id}/again"))
    assert f"This is a new email with the same content: it {nobody}" in text_of(again)
    assert f"The test to {owner.email} {nobody}" in text_of(owner.follow(owner.post("/app/test-email")))


Q, H, S = State.QUEUED, State.HELD, State.SUPPRESSED


@pytest.mark.parametrize(
    ("states", "words", "tone"),
    [
        ([Q, Q], "is on its way", "good"),
        ([H], "waits until your hour has room", "good"),
        ([Q, H], "is on its way; some of it waits until your hour has room", "good"),
        ([S], "goes to nobody: its recipient is on your suppression list", "warn"),
        ([S, S], "goes to nobody: all its recipients are on your suppression list", "warn"),
        ([Q, S], "is on its way, but not to one of its recipients, who is on your suppression list", "warn"),
        ([Q, S, S], "is on its way, but not to 2 of its recipients, who are on your suppression list", "warn"),
    ],
)
def test_what_became_of_each_recipient_is_one_sentence(states: list[State], words: str, tone: str) -> None:
    recipients = tuple((f"n{number}@far.test", state) for number, state in enumerate(states))
    assert became_of(Placed(uuid4(), "<a@b.test>", recipients, None, None)) == (words, tone)


async def test_it_is_not_sent_again_from_a_domain_of_nobody(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account, domain="gone.test")
    owner.post(f"/app/emails/{email_id}/again")
    assert "not verified for this account any more" in owner.get(f"/app/emails/{email_id}").text


async def test_the_overview_leads_who_is_new_and_sends_a_test(cast: Cast, owner: Surfer, database: Database) -> None:
    first = owner.get("/app")
    assert "First steps" in first.text
    assert "data-chart" not in first.text
    assert owner.post("/app/test-email").headers["location"] == "/app/domains"
    await make_domain(database, cast.account)
    sent = owner.post("/app/test-email").headers["location"]
    assert owner.email in owner.get(sent).text
    then = owner.get("/app?span=7d")
    assert "data-chart" in then.text
    assert "It works" in then.text
    assert "everything that you sent has left" not in then.text  # it waits for a worker, which none is here
