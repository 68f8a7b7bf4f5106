"""Bounces that come back find the delivery that they speak of, in the account that they were sent to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from hourpost.database import Database
from hourpost.errors import Forbidden, ServiceUnavailable
from hourpost.rules.authentication import Authentication, Dmarc, Signature, Spf
from hourpost.rules.ids import to_text
from tests.cast import make_account, make_domain
from tests.inbound.house import House
from tests.inbound.test_receive import LETTER


def bounce(message_id: str, *groups: str, envelope_id: str = "") -> bytes:
    """A report of a server with one group for each recipient."""
    known_as = f"Original-Envelope-Id: {envelope_id}\r\n" if envelope_id else ""
    status = "\r\n\r\n".join([f"{known_as}Reporting-MTA: dns; far.example", *groups])
    return (
        "From: MAILER-DAEMON@far.example\r\nSubject: Undelivered\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n--b--\r\n"
    ).encode()


def failed(address: str, status: str = "5.1.1", words: str = "550 5.1.1 no such user") -> str:
    return f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {words}"


def complaint(message_id: str, address: str = "", kind: str = "abuse") -> bytes:
    """A report of a feedback loop."""
    fields = {"Feedback-Type": kind, "Original-Rcpt-To": address, "Version": "1"}
    said = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return (
        "From: fbl@far.example\r\nSubject: complaint\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: message/feedback-report\r\n\r\n{said}"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message_id}\r\n--b--\r\n"
    ).encode()


async def states(house: House, email_id) -> list[str]:
    rows = await house.rows("SELECT state FROM deliveries WHERE email_id = :id ORDER BY position", id=email_id)
    return [row.state for row in rows]


async def suppressed(house: House) -> list[tuple[str, str]]:
    rows = await house.rows("SELECT address, reason FROM suppressions WHERE account_id = :id", id=house.account.id)
    return [(row.address, row.reason) for row in rows]


async def test_a_late_bounce_is_recorded_and_suppresses_the_address(house: House):
    email_id, message_id = await house.sent("ada@far.example", "Bob@far.example")
    report = bounce(message_id, failed("bob@far.example"), envelope_id=to_text("em", email_id))
    await house.receive(report, "anything", sender="")
    assert await states(house, email_id) == ["sent", "bounced"]
    assert await house.events(email_id) == [(1, "bounced")]
    assert await suppressed(house) == [("bob@far.example", "bounce")]
    (event,) = await house.rows("SELECT detail FROM events WHERE email_id = :id", id=email_id)
    assert event.detail["reply"] == "no such user"
    assert (event.detail["code"], event.detail["enhanced"]) == (550, "5.1.1")


PASSED = Signature("pass", "mail.far.example")
FORGED = Signature("fail", "far.example")


@pytest.mark.parametrize(
    ("writer", "signature", "victim", "is_suppressed"),
    [
        ("MAILER-DAEMON@far.example", PASSED, "victim@far.example", True),
        ("Mail System <postmaster@mx.far.example>", PASSED, "victim@far.example", True),
        ("MAILER-DAEMON@far.example", PASSED, "victim@elsewhere.example", False),
        ("MAILER-DAEMON@far.example", FORGED, "victim@far.example", False),
        ("MAILER-DAEMON@elsewhere.example", PASSED, "victim@elsewhere.example", False),
        ("mallory@far.example", PASSED, "victim@far.example", False),
        ("postmaster@far.example <mallory@far.example>", PASSED, "victim@far.example", False),
        ('"<postmaster@far.example>" <mallory@far.example>', PASSED, "victim@far.example", False),
        ("mallory@far.example (<postmaster@far.example>)", PASSED, "victim@far.example", False),
        ("=?utf-8?q?Zustelldienst?=\r\n <MAILER-DAEMON@FAR.example>", PASSED, "victim@far.example", True),
        ("MAILER-DAEMON@far.example (Mail Delivery System)", PASSED, "victim@far.example", True),
        ("mallory@far.example =?utf-8?q?=3Cmailer-daemon=40far.example=3E?=", PASSED, "victim@far.example", False),
        (
            '"Mallory" <mallory@far.example> =?utf-8?q?=3Cpostmaster=40far.example=3E?=',
            PASSED,
            "victim@far.example",
            False,
        ),
        ("mallory@far.example, <mailer-daemon@far.example>", PASSED, "victim@far.example", False),
        ("mallory@far.example (<mailer-daemon@far.example", PASSED, "victim@far.example", False),
        ("mallory@far.example <mailer-daemon@far.example>", PASSED, "victim@far.example", False),
        ("mallory@far.example\r\nFrom: MAILER-DAEMON@far.example", PASSED, "victim@far.example", False),
        ("MAILER-DAEMON@far.example\r\nFrom: mallory@far.example", PASSED, "victim@far.example", False),
    ],
)
async def test_who_got_a_mail_with_others_has_none_of_them_suppressed(
    house: House, writer: str, signature: Signature, victim: str, is_suppressed: bool
):
    house.authentication.found = Authentication(Spf("none", ""), (signature,), Dmarc("none", "far.example"))
    reports = [lambda known_as: bounce(known_as, failed(victim)), lambda known_as: complaint(known_as, victim)]
    for report, kind in zip(reports, ("bounced", "complained"), strict=True):
        email_id, message_id = await house.sent("mallory@far.example", victim)
        raw = report(message_id).partition(b"\r\n")[2]
        await house.receive(b"From: " + writer.encode() + b"\r\n" + raw, "anything", sender="")
        assert await house.events(email_id) == [(1, kind)]
        assert [address for address, _ in await suppressed(house)] == [victim] * is_suppressed
        await house.change("DELETE FROM suppressions WHERE account_id = :id", id=house.account.id)


async def test_a_mail_that_went_out_twice_under_one_name_was_seen_by_two(house: House):
    _, message_id = await house.sent("mallory@far.example")
    other_id, _ = await house.sent("victim@elsewhere.example")
    await house.change("UPDATE emails SET message_id = :name WHERE id = :id", name=message_id, id=other_id)
    await house.receive(bounce(message_id, failed("victim@elsewhere.example")), "anything", sender="")
    assert await states(house, other_id) == ["bounced"]
    assert await suppressed(house) == []


async def test_a_bounce_that_returns_nothing_of_the_mail_is_known_by_the_id_of_its_envelope(house: House):
    email_id, _ = await house.sent("ada@far.example", "bob@far.example")
    other_id, _ = await house.sent("bob@far.example")
    report = bounce("", failed("bob@far.example"), envelope_id=to_text("em", email_id).upper())
    await house.receive(report, "anything", sender="")
    assert await states(house, email_id) == ["sent", "bounced"]
    assert await states(house, other_id) == ["sent"]


@pytest.mark.parametrize("form", ["{}", "<{}>"])
async def test_a_client_may_have_named_the_envelope_by_its_message_id(house: House, form: str):
    email_id, message_id = await house.sent("bob@far.example")
    name = form.format(message_id.strip("<>").replace("-", "+2D"))
    await house.receive(bounce("", failed("bob@far.example"), envelope_id=name), "anything", sender="")
    assert await states(house, email_id) == ["bounced"]


async def test_the_id_of_an_envelope_counts_in_its_own_account_only(house: House, database: Database):
    email_id, _ = await house.sent("ada@far.example")
    stranger = await make_account(database)
    domain = await make_domain(database, stranger)
    other = replace(house, account=stranger, domain=domain)
    with pytest.raises(Forbidden):
        await other.receive(
            bounce("", failed("ada@far.example"), envelope_id=to_text("em", email_id)), "anything", sender=""
        )
    assert await states(house, email_id) == ["sent"]


async def test_the_same_bounce_twice_is_one(house: House):
    email_id, message_id = await house.sent("ada@far.example")
    for _ in range(2):
        await house.receive(bounce(message_id, failed("ada@far.example")), "anything", sender="")
    assert await house.events(email_id) == [(0, "bounced")]


@pytest.mark.parametrize(
    ("words", "is_gone"),
    [
        ("Unrouteable address", True),
        ("retry timeout exceeded", False),
        ("Unrouteable address (temporarily)", False),
        ("error from remote mail server after MAIL FROM:<us@acme.test>: Unrouteable address", False),
    ],
)
async def test_exim_s_own_words_without_a_code_tell_whether_the_address_is_gone(
    house: House, words: str, is_gone: bool
):
    email_id, message_id = await house.sent("ada@far.example")
    report = (
        "From: Mailer-Daemon@far.example\r\nSubject: Mail delivery failed\r\nX-Failed-Recipients: ada@far.example\r\n"
        f"\r\n  ada@far.example\r\n    {words}\r\n\r\n------ This is a copy of the message. ------\r\n\r\n"
        f"Message-ID: {message_id}\r\n"
    ).encode()
    await house.receive(report, "anything", sender="")
    assert await states(house, email_id) == ["bounced"]
    assert await suppressed(house) == [("ada@far.example", "bounce")] * is_gone


async def test_a_mailbox_that_is_full_is_a_bounce_but_no_suppression(house: House):
    email_id, message_id = await house.sent("ada@far.example", state="delivered")
    report = bounce(message_id, failed("ada@far.example", "5.2.2", "552 5.2.2 over quota"))
    await house.receive(report, "anything", sender="")
    assert await states(house, email_id) == ["bounced"]
    assert await suppressed(house) == []


async def test_who_was_written_to_only_may_have_gone_elsewhere(house: House):
    email_id, message_id = await house.sent("info@firm.example")
    await house.receive(bounce(message_id, failed("boss@elsewhere.example")), "anything", sender="")
    assert await states(house, email_id) == ["bounced"]
    assert await suppressed(house) == [("info@firm.example", "bounce")]


async def test_a_delay_changes_nothing_and_news_of_arrival_do(house: House):
    email_id, message_id = await house.sent("ada@far.example", "bob@far.example")
    delayed = "Final-Recipient: rfc822; ada@far.example\r\nAction: delayed\r\nStatus: 4.4.1"
    arrived = "Final-Recipient: rfc822; bob@far.example\r\nAction: delivered\r\nStatus: 2.0.0"
    await house.receive(bounce(message_id, delayed, arrived), "anything", sender="")
    assert await states(house, email_id) == ["sent", "delivered"]


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "hummed"])
async def test_a_report_from_which_nothing_follows_is_taken_all_the_same(house: House, action: str):
    email_id, message_id = await house.sent("ada@far.example")
    told = f"Final-Recipient: rfc822; ada@far.example\r\nAction: {action}\r\nStatus: 4.4.1"
    await house.receive(bounce(message_id, told), "anything", sender="")
    assert await states(house, email_id) == ["sent"]
    assert await house.events(email_id) == []
    assert await suppressed(house) == []


async def test_a_report_on_somebody_whom_our_mail_did_not_go_to_changes_nothing(house: House):
    email_id, message_id = await house.sent("ada@far.example", "bob@far.example")
    await house.receive(bounce(message_id, failed("eve@far.example")), "anything", sender="")
    assert await states(house, email_id) == ["sent", "sent"]
    assert await suppressed(house) == []


async def test_a_report_goes_into_the_mailbox_too_where_there_is_one(house: House):
    info = await house.mailbox("info")
    email_id, message_id = await house.sent("ada@far.example")
    await house.receive(bounce(message_id, failed("ada@far.example")), "info", sender="")
    assert await states(house, email_id) == ["bounced"]
    assert len(await house.stored(info)) == 1


async def test_a_report_about_the_mail_of_others_changes_nothing(house: House):
    other = replace(house, account=await make_account(house.database))
    other.domain = await make_domain(house.database, other.account)
    email_id, message_id = await other.sent("ada@far.example")
    with pytest.raises(Forbidden):
        await house.receive(bounce(message_id, failed("ada@far.example")), "anything", sender="")
    assert await states(other, email_id) == ["sent"]


async def test_feedback_that_is_no_complaint_is_mail_and_changes_nothing(house: House):
    info = await house.mailbox("info")
    email_id, message_id = await house.sent("ada@far.example")
    for name in ("info", "anything"):
        await house.receive(complaint(message_id, "ada@far.example", "not-spam"), name, sender="fbl@far.example")
    assert await house.events(email_id) == []
    assert await suppressed(house) == []
    assert len(await house.stored(info)) == 1


async def test_the_second_complaint_about_a_delivery_tells_nobody_again(house: House):
    email_id, message_id = await house.sent("ada@far.example", "bob@far.example")
    reports = [complaint(message_id, f"{name}@far.example") for name in ("ada", "ada", "bob")]
    await asyncio.gather(*(house.receive(one, "anything", sender="fbl@far.example") for one in reports))
    assert sorted(await house.events(email_id)) == [(0, "complained"), (1, "complained")]


@pytest.mark.parametrize("state", ["scheduled", "held", "queued", "canceled", "suppressed"])
async def test_nobody_can_have_complained_of_what_has_not_left(house: House, state: str):
    email_id, message_id = await house.sent("ada@far.example", state=state)
    for report in (complaint(message_id, "ada@far.example"), bounce(message_id, failed("ada@far.example"))):
        await house.receive(report, "anything", sender="")
    assert await states(house, email_id) == [state]
    assert await house.events(email_id) == []
    assert await suppressed(house) == []


async def test_a_test_is_nothing_that_others_can_report_on(house: House):
    info = await house.mailbox("info")
    email_id, message_id = await house.sent("ada@far.example")
    await house.change("UPDATE emails SET test = true WHERE id = :id", id=email_id)
    for report in (complaint(message_id, "ada@far.example"), bounce(message_id, failed("ada@far.example"))):
        await house.receive(report, "info", sender="")
    assert await states(house, email_id) == ["sent"]
    assert await suppressed(house) == []
    assert len(await house.stored(info)) == 2


async def has_sent_on(house: House) -> UUID:
    """A letter that a mailbox has sent on, with the Message-ID that its writer gave it."""
    await house.mailbox("info", forward_to=("secret@far.example",))
    await house.receive(LETTER, "info")
    (row,) = await house.rows("SELECT id FROM emails WHERE account_id = :id", id=house.account.id)
    await house.change("UPDATE deliveries SET state = 'sent' WHERE email_id = :id", id=row.id)
    return row.id


@pytest.mark.parametrize("report", [bounce("<1@far.example>", failed("any@far.example")), complaint("<1@far.example>")])
async def test_who_wrote_a_letter_that_was_sent_on_cannot_report_on_it(house: House, report: bytes):
    email_id = await has_sent_on(house)
    await house.receive(report, "info", sender="")
    assert await states(house, email_id) == ["sent"]
    assert await suppressed(house) == []


async def test_mail_that_was_sent_on_is_known_by_the_id_of_its_envelope(house: House):
    email_id = await has_sent_on(house)
    report = bounce("<1@far.example>", failed("secret@far.example"), envelope_id=to_text("em", email_id))
    await house.receive(report, "info", sender="")
    assert await states(house, email_id) == ["bounced"]
    assert await suppressed(house) == [("secret@far.example", "bounce")]


async def test_a_report_that_is_faster_than_our_own_note_comes_again(house: House):
    email_id, message_id = await house.sent("ada@far.example", state="sending")
    with pytest.raises(ServiceUnavailable):
        await house.receive(bounce(message_id, failed("ada@far.example")), "anything", sender="")
    assert await states(house, email_id) == ["sending"]


async def test_a_complaint_suppresses_and_leaves_the_state(house: House):
    email_id, message_id = await house.sent("ada@far.example")
    await house.receive(complaint(message_id, "ada@far.example"), "anything", sender="fbl@far.example")
    assert await states(house, email_id) == ["sent"]
    assert await house.events(email_id) == [(0, "complained")]
    assert await suppressed(house) == [("ada@far.example", "complaint")]
