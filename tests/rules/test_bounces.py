"""Bounces as servers write them: who did not get it, why, and which mail it was."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from time import process_time

import pytest

from hourpost.rules.bounces import Action, Report, Reported, read_report
from hourpost.rules.incoming import read_incoming

SAMPLES = Path(__file__).parent.parent / "dialogs" / "bounces"


def read(text: bytes, *, is_null_sender: bool = True) -> Report | None:
    raw = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return read_report(raw, read_incoming(raw), is_null_sender=is_null_sender)


def sample(name: str) -> Report:
    report = read((SAMPLES / f"{name}.eml").read_bytes())
    assert report is not None
    return report


def only(report: Report) -> Reported:
    (one,) = report.recipients
    return one


def test_a_bounce_of_postfix():
    report = sample("postfix")
    assert (report.message_id, report.envelope_id) == ("<em_1@acme.test>", "em_067g000001o010000000000004")
    one = only(report)
    assert (one.address, one.action, one.status, one.code) == ("nobody@far.example", Action.FAILED, "5.1.1", 550)
    assert one.text.startswith("<nobody@far.example>: Recipient address rejected")


def test_a_bounce_of_exchange_without_the_words_of_a_server():
    one = only(sample("exchange"))
    assert (one.address, one.status, one.code) == ("gone@corp.example", "5.1.10", 550)


@pytest.mark.parametrize(
    ("diagnostic", "words"),
    [
        ("smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", "RESOLVER.ADR.RecipientNotFound; not found"),
        ("smtp;550-5.1.10 one 550 5.1.10 two", "one 550 5.1.10 two"),
        ("smtp; 550 no such user", "no such user"),
        ("smtp; 5.1.10 no such user", "no such user"),
        ("smtp; 550 5.1.10", ""),
        ("smtp; 5501 is no code", "5501 is no code"),
        ("x-unix; user unknown", "user unknown"),
    ],
)
def test_the_words_of_a_server_stand_beside_its_codes_and_do_not_repeat_them(diagnostic: str, words: str):
    text = (SAMPLES / "exchange.eml").read_text()
    head, _, rest = text.partition("Diagnostic-Code: ")
    report = read(f"{head}Diagnostic-Code: {diagnostic}\n{rest.partition(chr(10))[2]}".encode())
    assert report is not None
    assert (only(report).text, only(report).status) == (words, "5.1.10")


def test_exim_gives_its_own_reasons_to_people_only():
    report = read(
        b"From: Mailer-Daemon@exim.example\nSubject: Mail delivery failed\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\n  a1@far.example\n    Unrouteable address\n"
        b"  a2@far.example\n    host mx said no\n\n"
        b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; exim.example\n\n"
        b"Action: failed\nFinal-Recipient: rfc822;a1@far.example\nStatus: 5.0.0\n\n"
        b"Action: failed\nFinal-Recipient: rfc822;a2@far.example\nStatus: 5.0.0\n"
        b"Diagnostic-Code: smtp; 550 no\n\n--b\n"
        b"Content-Type: message/rfc822\n\nMessage-ID: <em_3@acme.test>\n\n--b--\n"
    )
    assert report is not None
    assert [one.text for one in report.recipients] == ["a1@far.example Unrouteable address", "no"]


def test_a_delay_of_gmail_is_no_failure():
    assert only(sample("gmail_delay")).action is Action.DELAYED


@pytest.mark.parametrize("left_out", [b"", b"References", b"In-Reply-To", b"X-Original", b"References|In-Reply-To"])
def test_a_bounce_that_returns_nothing_says_elsewhere_which_mail_it_is_about(left_out: bytes):
    text = (SAMPLES / "gmail_delay.eml").read_bytes().partition(b"\nContent-Type: message/rfc822")[0]
    text = text.replace(b"References: ", b"References: <em_1@acme.test> ")
    kept = [line for line in text.split(b"\n") if not (left_out and line.startswith(tuple(left_out.split(b"|"))))]
    report = read(b"\n".join(kept) + b"--\n")
    assert report is not None
    assert report.message_id == "<em_4@acme.test>"


def test_a_bounce_of_qmail_is_only_text():
    report = sample("qmail")
    assert report.message_id == "<em_2@acme.test>"
    one = only(report)
    assert (one.address, one.action, one.status) == ("bob@old.example", Action.FAILED, "5.1.1")


def test_a_bounce_of_exim_names_its_recipients_in_a_header():
    report = sample("exim")
    assert report.message_id == "<em_3@acme.test>"
    one = only(report)
    assert (one.address, one.code) == ("carol@exim.example", 550)


def exim(failed: str, said: str, returned: str = "Message-ID: <em_3@acme.test>") -> Report:
    report = read(
        f"From: Mail Delivery System <Mailer-Daemon@exim.example>\nX-Failed-Recipients: {failed}\n"
        "Subject: Mail delivery failed: returning message to sender\n\n"
        f"The following address(es) failed:\n\n{said}\n\n"
        f"------ This is a copy of the message, including all the headers. ------\n\n{returned}\n".encode()
    )
    assert report is not None
    assert report.message_id == "<em_3@acme.test>"
    return report


UNKNOWN = "host mx.far.example [192.0.2.5]\n    SMTP error after RCPT TO:<{}>:\n    550 5.1.1 User unknown"


def test_exim_says_of_each_recipient_what_stands_below_it():
    report = exim(
        "a1@far.example,\n  a2@far.example, a3@far.example",
        "  A1@far.example\n    retry timeout exceeded\n  a2@far.example\n    (generated from x@far.example)\n"
        f"    {UNKNOWN.format('a1@far.example')}\n\n  a3@far.example\n    retry timeout exceeded\n\n550 5.1.2 more",
    )
    codes = [(one.address, one.status, one.code) for one in report.recipients]
    assert codes == [("a1@far.example", None, None), ("a2@far.example", "5.1.1", 550), ("a3@far.example", None, None)]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("  a1@far.example\n    retry timeout exceeded", None),
        ("  a1@far.example\n\nTechnical details:\nThe server said: 550 5.1.1 User unknown\n\n5.2.2", "5.1.1"),
        ("We could not reach <a1@far.example>: 550 5.1.1 User unknown", "5.1.1"),
        ("We could not reach it", None),
        ("  * a1@far.example\n    550 5.1.1 User unknown", "5.1.1"),
        (  # Gmail's of old
            "     a1@far.example\n\nTechnical details of permanent failure:\nGoogle tried to deliver your message.\n\n"
            "The error that the other server returned was:\n550 5.1.1 <a1@far.example>: User unknown",
            "5.1.1",
        ),
        ("---- Your original message was not delivered ----\n\n  a1@far.example\n    550 5.1.1 User unknown", "5.1.1"),
        ("----- Original message header: -----\nSubject: 550 5.1.9\n\n<a1@far.example>:\n550 5.1.1 no", "5.1.1"),
    ],
)
def test_what_the_returned_mail_says_is_nothing_that_a_server_said(said: str, status: str | None):
    returned = "Subject: Invoice 550 5.1.9 paid\nTo: a1@far.example\nMessage-ID: <em_3@acme.test>"
    assert only(exim("a1@far.example", said, returned)).status == status


def test_an_empty_line_may_stand_between_each_address_and_its_reason():
    said = "  a1@far.example\n\n    550 5.1.1 User unknown\n\n  a2@far.example\n\n    552 5.2.2 Mailbox full"
    assert [one.status for one in exim("a1@far.example, a2@far.example", said).recipients] == ["5.1.1", "5.2.2"]


def test_the_mail_is_known_by_its_header_where_no_line_stands_above_it():
    text = (SAMPLES / "exim.eml").read_bytes()
    head, _, returned = text.partition(b"------ This is")
    head = re.sub(rb"(?m)^.*550.*\n", b"", head)
    returned = returned.partition(b"\n\n")[2]
    report = read(head + returned.replace(b"Subject: ", b"Subject: 550 5.1.9 "))
    assert (only(report).status, only(report).code) == (None, None)


@pytest.mark.parametrize(
    ("subject", "is_failure"),
    [
        ("Delivery Status Notification (Delay)", False),
        ("Warning: message 1abc could not be delivered yet", False),
        ("Delayed: returned mail", False),
        ("Undeliverable: Warning about a delay", True),
    ],
)
def test_a_text_about_a_delay_tells_of_no_failure(subject: str, is_failure: bool):
    text = (SAMPLES / "exim.eml").read_bytes()
    report = read(re.sub(rb"Subject: Mail delivery failed[^\n]*", b"Subject: " + subject.encode(), text))
    assert report is not None
    assert (report.message_id, bool(report.recipients)) == ("<em_3@acme.test>", is_failure)


def test_a_banner_that_speaks_of_the_message_hides_no_failure():
    text = (SAMPLES / "qmail.eml").read_bytes()
    report = read(text.replace(b"\n\n", b"\n\n---- Your original message could not be delivered ----\n\n", 1))
    assert [one.address for one in report.recipients] == ["bob@old.example"]


def test_the_mail_that_qmail_returns_names_nobody():
    text = (SAMPLES / "qmail.eml").read_bytes() + b"\n<eve@old.example>:\n550 5.1.1 no such user\n"
    assert [one.address for one in read(text).recipients] == ["bob@old.example"]


@pytest.mark.parametrize("piece", [b"-", b"--- ", b" ", b"\n---", b"a@b.example\n", b"<", b"a@", b"--- cop", b"x\n\n"])
def test_an_endless_bounce_is_read_at_once(piece: bytes):
    head = b"From: Mailer-Daemon@x.example\nSubject: failure notice\nX-Failed-Recipients: a@b.example\n\na@b.example\n"
    started = process_time()
    read(head + piece * (200_000 // len(piece)))
    assert process_time() - started < 2


def test_the_original_recipient_is_the_one_we_wrote_to():
    one = only(sample("forwarded"))
    assert (one.address, one.other_address) == ("info@firm.example", "boss@elsewhere.example")


def test_a_complaint_of_a_feedback_loop():
    report = sample("complaint")
    assert report.message_id == "<em_5@acme.test>"
    assert only(report) == Reported("dave@mail.example", Action.COMPLAINED, text="abuse")


@pytest.mark.parametrize(
    ("kind", "is_complaint"),
    [
        ("abuse", True),
        ("Fraud (phishing)", True),
        ("opt-out", True),
        ("opt-out-list", True),
        ("", True),
        ('"abuse"', True),
        ("'Abuse'", True),
        ("unsubscribe", True),
        ("spam", True),
        ("complaint", True),
        ("miscategorized", True),
        ("otherwise", True),
        ("?", True),
        ("not-spam", False),
        ("auth-failure", False),
        ("virus", False),
        ("other", False),
        ("Other (said nothing)", False),
        ('"not-spam"', False),
        ("dmarc", False),
        ("dmarc-aggregate", False),
    ],
)
def test_a_complaint_is_what_somebody_wants_no_more_of(kind: str, is_complaint: bool):
    text = (SAMPLES / "complaint.eml").read_bytes()
    said = f"Feedback-Type: {kind}".encode() if kind else b"Version: 1"
    report = read(text.replace(b"Feedback-Type: abuse", said))
    assert report is not None
    assert report.message_id == "<em_5@acme.test>"
    assert [one.action for one in report.recipients] == [Action.COMPLAINED] * is_complaint


@pytest.mark.parametrize(
    "text",
    [
        b"From: a@b.example\nSubject: Undeliverable mail is our topic\n\n<x@y.example>: see above\n",
        b"From: a@b.example\nSubject: hello\nContent-Type: multipart/report; boundary=x\n\n--x\n\nno report\n--x--\n",
    ],
)
def test_mail_of_people_is_no_report(text):
    assert read(text, is_null_sender=False) is None


@pytest.mark.parametrize(
    ("kind", "sender", "is_null_sender", "is_report"),
    [
        (b"multipart/mixed", b"ada@far.example", False, False),  # somebody forwards a bounce
        (b"multipart/mixed", b"ada@far.example", True, True),
        (b"Multipart/Report", b"ada@far.example", False, True),
        (b"multipart/mixed", b"MAILER-DAEMON@far.example", False, True),
        (b"multipart/mixed", b"Mail Administrator <bounces@far.example>", False, True),
        (b"multipart/mixed", b"System Administrator <bounces@far.example>", False, True),
    ],
)
def test_a_bounce_in_the_mail_of_people_is_theirs(kind: bytes, sender: bytes, is_null_sender: bool, is_report: bool):
    text = (SAMPLES / "exchange.eml").read_bytes().replace(b"multipart/report", kind)
    text = re.sub(rb"MicrosoftExchange\w+@corp.example", sender, text).replace(b"Microsoft Outlook", b"")
    assert (read(text, is_null_sender=is_null_sender) is not None) == is_report


def test_an_answer_of_a_machine_is_no_report():
    assert read(b"From: a@b.example\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nBack on Monday.\n") is None


def test_whatever_comes_is_read_without_an_error():
    chance = Random(7)
    pieces = [path.read_bytes() for path in sorted(SAMPLES.glob("*.eml"))]
    for _ in range(500):
        raw = bytearray(chance.choice(pieces))
        for _ in range(chance.randint(1, 8)):
            start = chance.randrange(len(raw))
            raw[start : start + chance.randint(0, 60)] = chance.randbytes(chance.randint(0, 20)).replace(b"\0", b"")
        read(bytes(raw).replace(b"\r", b"").replace(b"\0", b""))
