"""What a customer's message becomes, and who may send what."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from api.smtp.message import read_submitted
from hourpost.errors import (
    Conflict,
    Fault,
    Forbidden,
    IdempotencyInFlight,
    LimitExceeded,
    ServiceUnavailable,
    ValidationFailed,
)
from hourpost.rules.canonical import SubmittedMessage
from hourpost.rules.control import Wishes
from hourpost.rules.ids import from_text, to_text
from hourpost.rules.submission import OnLimit, Order, SendingDomain, Submission
from tests.api.smtp.dialog import Client
from tests.api.smtp.running import RunningDoor
from tests.fakes.standings import new_standing

HEAD = b"From: Acme <hello@acme.test>\r\nSubject: Hi\r\n"
OPEN = b"MAIL FROM:<bounce@acme.test>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\n"


def send(client: Client, message: bytes, envelope: bytes = OPEN) -> str:
    """The reply to a message; ``message`` has its dots stuffed."""
    client.send(envelope + b"DATA\r\n")
    while not (reply := client.reply()).startswith(("354", "5")):
        pass
    return client.ask(message + b".\r\n") if reply.startswith("354") else reply


def sent(door: RunningDoor) -> Submission:
    return door.intake.orders[-1].submissions[0]


def key_of(door: RunningDoor) -> Order:
    return door.intake.orders[-1]


def test_the_answer_names_the_email(door: RunningDoor, client: Client) -> None:
    reply = send(client, HEAD + b"\r\nhello\r\n")
    assert reply.startswith("250 2.0.0 queued as em_")
    assert from_text("em", reply.rpartition(" ")[2]) == sent(door).email_id


def test_the_answer_says_when_a_held_email_leaves(door: RunningDoor, client: Client) -> None:
    door.intake.leaves_at = soon = datetime.now(UTC) + timedelta(hours=20)
    assert send(client, HEAD + b"\r\nhello\r\n").endswith(f"; leaves about {soon:%H:%M}Z")
    door.intake.leaves_at = datetime(2226, 12, 1, 9, 5, tzinfo=UTC)
    assert send(client, HEAD + b"\r\nhello\r\n").endswith("; leaves about 2226-12-01 09:05Z")


def test_envelope_and_bytes_are_kept_under_a_trace_header(door: RunningDoor, client: Client) -> None:
    body = b"Date: Tue, 24 Nov 2026 15:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\n\r\n..dots\r\n \xc3\xa9 \r\n\r\n"
    send(client, HEAD + body)
    mail = sent(door)
    trace, _, rest = mail.content.partition(b"\r\n\t")
    assert re.fullmatch(rb"Received: by mail.test with ESMTPSA id em_[0-9a-v]{26};", trace)
    assert rest.partition(b"\r\n")[2] == HEAD + body.replace(b"..dots", b".dots")
    assert mail.envelope_from == "bounce@acme.test"
    assert mail.recipients == ("b@example.net", "c@example.net")
    assert (mail.from_address, mail.header_from) == ("hello@acme.test", "Acme <hello@acme.test>")
    assert mail.message_id == "<1@acme.test>"
    assert mail.subject == "Hi"


def test_a_sender_is_found_however_its_local_part_is_written(door: RunningDoor, client: Client) -> None:
    send(client, b"From: Hello@Acme.Test\r\n\r\nhello\r\n")
    assert (sent(door).header_from, sent(door).from_address) == ("Hello@acme.test", "hello@acme.test")


def test_the_trace_header_does_not_say_where_the_client_is(door: RunningDoor, client: Client) -> None:
    send(client, HEAD + b"\r\nhello\r\n")
    head = sent(door).content.partition(b"From:")[0]
    assert b"127.0.0.1" not in head
    assert b"client.test" not in head


def test_message_id_and_date_are_added_where_they_are_missing(door: RunningDoor, client: Client) -> None:
    send(client, HEAD + b"\r\nhello\r\n")
    mail = sent(door)
    assert f"Message-ID: {mail.message_id}\r\n".encode() in mail.content
    assert mail.message_id == f"<{to_text('em', mail.email_id)}@acme.test>"
    assert b"\r\nDate: " in mail.content


def test_hidden_recipients_are_not_shown(door: RunningDoor, client: Client) -> None:
    send(
        client,
        HEAD + b"bcc: secret@example.net,\r\n other@example.net\r\nTo: b@example.net\r\n\r\nBcc: in the text\r\n",
    )
    content = sent(door).content
    assert b"secret" not in content
    assert b"other" not in content
    assert content.endswith(b"To: b@example.net\r\n\r\nBcc: in the text\r\n")


def test_headers_that_speak_to_us_are_taken_out(door: RunningDoor, client: Client) -> None:
    send(
        client,
        HEAD + b"Idempotency-Key: k1\r\nX-Tag: kind=receipt\r\nX-Tag: vip\r\nX-On-Limit: reject\r\n\r\nhello\r\n",
    )
    order, mail = key_of(door), sent(door)
    assert order.idempotency_key == "k1"
    assert mail.tags == [{"name": "kind", "value": "receipt"}, {"name": "tag", "value": "vip"}]
    assert mail.on_limit is OnLimit.REJECT
    assert not re.search(rb"(?im)^(idempotency-key|x-tag|x-on-limit)", mail.content)


def test_a_message_says_when_it_may_leave(door: RunningDoor, client: Client) -> None:
    told = b"X-Scheduled-At: in 2\r\n days\r\nx-expires-at: 2099-01-01T00:00:00Z\r\n"
    assert "'2099-01-01T00:00:00Z' is more than a year ahead" in send(client, HEAD + told + b"\r\nhello\r\n")
    send(client, HEAD + told.replace(b"2099-01-01T00:00:00Z", b"in 3 days") + b"\r\nhello\r\n")
    mail = sent(door)
    assert mail.scheduled_at is not None
    assert mail.expires_at == mail.scheduled_at + timedelta(days=1)
    assert not re.search(rb"(?im)^x-|days", mail.content)


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (b"X-Scheduled-At: soon\r\n", "X-Scheduled-At: 'soon' is not a moment: write ISO 8601"),
        (b"X-Scheduled-At:\r\n", "X-Scheduled-At: '' is not a moment"),
        (b"X-Scheduled-At: 2026-01-01T00:00:00Z\r\n", "X-Scheduled-At: '2026-01-01T00:00:00Z' is in the past"),
        (b"X-Expires-At: tomorrow\r\n" * 2, "the message has two X-Expires-At headers"),
        (
            b"X-Scheduled-At: in 2 days\r\nX-Expires-At: in 2 days\r\n",
            "X-Expires-At must be later than X-Scheduled-At",
        ),
    ],
)
def test_a_wrong_moment_is_refused_by_its_headers_name(
    door: RunningDoor, client: Client, headers: bytes, fault: str
) -> None:
    assert send(client, HEAD + headers + b"\r\nhello\r\n").startswith(f"554 5.6.0 {fault}")
    assert not door.intake.orders


def test_a_broken_label_is_refused_by_name_and_nothing_is_stored(door: RunningDoor, client: Client) -> None:
    reply = send(client, HEAD + b'X-Metadata: {"order": 7\r\n\r\nhello\r\n')
    assert reply.startswith("554 5.6.0 X-Metadata cannot be read as JSON")
    assert not door.intake.orders


def test_a_read_receipt_has_the_null_sender_and_its_from_is_looked_at(door: RunningDoor, client: Client) -> None:
    envelope = b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\n"
    assert send(client, HEAD + b"\r\nhello\r\n", envelope).startswith("250 2.0.0 queued")
    assert (sent(door).envelope_from, sent(door).from_address) == ("", "hello@acme.test")
    foreign = b"From: a@other.test\r\nSubject: Hi\r\n\r\nhello\r\n"
    assert send(client, foreign, envelope).startswith("550 5.7.1 other.test is not a verified domain")
    assert len(door.intake.orders) == 1


def test_a_retry_has_the_same_fingerprint_and_another_body_has_not(door: RunningDoor, client: Client) -> None:
    head = HEAD + b"Resend-Idempotency-Key: k2\r\nContent-Type: multipart/mixed; boundary="
    first = head + b'"==1=="\r\nMessage-ID: <1@acme.test>\r\n\r\n--==1==\r\n\r\nhello\r\n--==1==--\r\n'
    again = head + b'"==2=="\r\nMessage-ID: <2@acme.test>\r\n\r\n--==2==\r\n\r\nhello\r\n--==2==--\r\n'
    for message in (first, again, again.replace(b"hello", b"hallo"), b"X-Scheduled-At: in 2 hours\r\n" + first):
        send(client, message)
    prints = [order.body_sha256 for order in door.intake.orders]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_a_large_retry_has_the_same_fingerprint_though_its_boundaries_are_new_ones(
    door: RunningDoor, client: Client
) -> None:
    line = b"x" * 98 + b"\r\n"
    head = HEAD + b"Idempotency-Key: k4\r\nContent-Type: multipart/mixed; boundary="
    for outer, inner in ((b"==1==", b"==11=="), (b"==2==", b"==22==")):
        inside = b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b--\r\n" % (inner, inner)
        body = b"\r\n\r\n--%b\r\n\r\n" % outer + line * 25_000 + b"--%b\r\n" % outer + inside
        send(client, head + outer + body + b"--%b--\r\n" % outer)
    prints = [order.body_sha256 for order in door.intake.orders]
    assert prints[0] == prints[1]


def test_others_are_served_while_a_large_message_is_read(
    door: RunningDoor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_reading, may_end = threading.Event(), threading.Event()

    def read_slowly(raw: bytes, now: datetime) -> tuple[SubmittedMessage, Wishes]:
        is_reading.set()
        assert may_end.wait(20)
        return read_submitted(raw, now)

    monkeypatch.setattr("api.smtp.submit.read_submitted", read_slowly)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, client, HEAD + b"\r\n" + b"x\r\n" * 100_000)
        assert is_reading.wait(20)
        with Client(door) as other:
            other.log_in()
        may_end.set()
        sending.result(20)
    assert len(door.intake.orders) == 1


def test_other_recipients_are_another_email(door: RunningDoor, client: Client) -> None:
    message = HEAD + b"Idempotency-Key: k3\r\n\r\nhello\r\n"
    send(client, message)
    send(client, message, b"MAIL FROM:<bounce@acme.test>\r\nRCPT TO:<d@example.net>\r\n")
    assert door.intake.orders[0].body_sha256 != door.intake.orders[1].body_sha256


def test_the_wishes_of_dsn_are_kept(door: RunningDoor, client: Client) -> None:
    envelope = (
        b"MAIL FROM:<a@acme.test> RET=full ENVID=a+2Bb SMTPUTF8 BODY=8BITMIME\r\n"
        b"RCPT TO:<b@example.net> NOTIFY=success,DELAY ORCPT=rfc822;b@example.net\r\n"
        b"RCPT TO:<\xc3\xbc@example.net>\r\n"
    )
    send(client, HEAD + b"\r\nhello\r\n", envelope)
    parts = sent(door).parts
    wish = {"notify": ["SUCCESS", "DELAY"], "orcpt": "rfc822;b@example.net"}
    assert parts["dsn"] == {"ret": "FULL", "envid": "a+2Bb", "recipients": {"b@example.net": wish}}
    assert (parts["smtputf8"], parts["body"]) == (True, "8BITMIME")
    assert parts["to"] == ["b@example.net", "ü@example.net"]
    assert b"with UTF8SMTPSA id" in sent(door).content


def test_the_same_recipient_twice_is_one(door: RunningDoor, client: Client) -> None:
    send(client, HEAD + b"\r\nhello\r\n", b"MAIL FROM:<a@acme.test>\r\n" + b"RCPT TO:<b@EXAMPLE.net>\r\n" * 3)
    assert sent(door).recipients == ("b@example.net",)


def test_there_are_at_most_fifty_recipients(client: Client) -> None:
    client.ask(b"MAIL FROM:<a@acme.test>\r\n")
    replies = [client.ask(b"RCPT TO:<b%d@example.net>\r\n" % number) for number in range(51)]
    assert {reply[:9] for reply in replies[:50]} == {"250 2.1.5"}
    assert replies[50].startswith("452 4.5.3 too many recipients")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"From: a@other.test\r\n", "550 5.7.1 other.test is not a verified domain of this account"),
        (b"From: a@acme.test, b@other.test\r\n", "550 5.7.1 other.test"),
        (b"From: a@acme.test\r\nSender: b@other.test\r\n", "550 5.7.1 other.test"),
        (b"From: a@acme.test\r\nFrom: b@acme.test\r\n", "554 5.6.0 the message has two From headers"),
        (b"Subject: x\r\n", "554 5.6.0 the message has no From header"),
        (b"From: a@acme.test\r\nX-On-Limit: maybe\r\n", "554 5.6.0 X-On-Limit is queue or reject"),
        (b"From: a@acme.test\r\n" + b"Received: by x\r\n" * 51, "554 5.4.6"),
        (b"From: a@acme.test\r\nX: " + b"x" * 1000 + b"\r\n", "554 5.6.0 a line of the message"),
    ],
)
def test_a_message_that_may_not_go_is_refused(door: RunningDoor, client: Client, head: bytes, expected: str) -> None:
    assert send(client, head + b"\r\nhello\r\n").startswith(expected)
    assert not door.intake.orders
    assert client.ask(b"NOOP\r\n") == "250 2.0.0 ok"


def test_a_credential_of_one_domain_sends_from_no_other(door: RunningDoor) -> None:
    one, two = SendingDomain(uuid4(), "acme.test", False), SendingDomain(uuid4(), "two.test", False)
    door.standings.standing = new_standing(domains={"acme.test": one, "two.test": two}, only_domain_id=two.id)
    with Client(door, "submissions") as client:
        client.log_in()
        assert client.ask(b"MAIL FROM:<a@acme.test>\r\n") == "550 5.7.1 this credential may not send from acme.test"
        assert client.ask(b"MAIL FROM:<a@other.test>\r\n").startswith("550 5.7.1 other.test is not a verified domain")
        assert client.ask(b"MAIL FROM:<a@two.test>\r\n").startswith("250")


def test_a_credential_revoked_in_mid_session_sends_nothing_more(door: RunningDoor, client: Client) -> None:
    assert send(client, HEAD + b"\r\nhello\r\n").startswith("250")
    door.standings.is_revoked = True
    assert send(client, HEAD + b"\r\nhello\r\n").startswith("421 4.7.0")
    assert len(door.intake.orders) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            LimitExceeded("plan", "The hour is full.", retry_after_seconds=90),
            "452 4.4.5 The hour is full; try again in 90 s",
        ),
        (
            LimitExceeded("plan", "It is full; there is room again in 90 seconds.", retry_after_seconds=90),
            "452 4.4.5 It is full; there is room again in 90 seconds.",
        ),
        (LimitExceeded("backlog", "Too many wait.", retry_after_seconds=9), "452 4.4.5 "),
        (ServiceUnavailable("The database is not reachable."), "451 4.3.0 "),
        (IdempotencyInFlight("Not ended yet."), "451 4.3.2 "),
        (Conflict("invalid_idempotent_request", "Another body."), "550 5.5.4 Another body."),
        (Forbidden("restricted_api_key", "No plan."), "550 5.7.1 No plan."),
        (ValidationFailed([Fault("/to", "More than the hour.")]), "554 5.6.0 More than the hour."),
        (RuntimeError("a bug"), "451 4.3.0 something went wrong here"),
    ],
)
def test_each_error_has_one_reply(door: RunningDoor, client: Client, error: Exception, expected: str) -> None:
    door.intake.error = error
    reply = send(client, HEAD + b"\r\nhello\r\n")
    assert reply.startswith(expected)
    assert reply.count(" again in ") <= 1
    assert client.ask(b"NOOP\r\n") == "250 2.0.0 ok"


def test_two_messages_go_in_one_write(door: RunningDoor, client: Client) -> None:
    chunk = b"BDAT %d LAST\r\n" % len(HEAD + b"\r\n") + HEAD + b"\r\n"
    client.send((OPEN + chunk) * 2)
    replies = [client.reply()[:3] for _ in range(8)]
    assert replies == ["250"] * 8
    assert len(door.intake.orders) == 2


def test_the_answer_to_ehlo_is_one_write(door: RunningDoor) -> None:
    with Client(door) as client:
        client.line()
        client.send(b"EHLO client.test\r\n")
        assert client.socket.recv(65_536).endswith(b"250 STARTTLS\r\n")


def test_a_key_that_may_not_send_does_not_log_in(door: RunningDoor) -> None:
    door.standings.standing = new_standing(scope="reading")
    with Client(door, "submissions") as client, pytest.raises(AssertionError):
        client.log_in()


def test_a_login_while_the_database_is_away_may_be_tried_again(door: RunningDoor) -> None:
    door.standings.error = ServiceUnavailable("The database is not reachable.")
    with Client(door, "submissions") as client:
        client.line()
        client.ask(b"EHLO x\r\n")
        assert client.ask(b"AUTH PLAIN AGEAYg==\r\n").startswith("454 4.7.0")
