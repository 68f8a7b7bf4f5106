"""Mail that came by SMTP: what is refused, what is read off it, and that no other byte of it changes."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.canonical import (
    ContentError,
    canonicalise,
    check_submitted,
    complete_headers,
    prepend_headers,
    require_canonical,
)
from hourpost.rules.headers import HeaderError, read_header_list

HEAD = b"From: Acme <hello@acme.test>\r\nSubject: Hi\r\n"
MAIL = HEAD + b"Message-ID: <1@acme.test>\r\nDate: Tue, 01 Dec 2026 09:00:00 +0000\r\n\r\nHello\r\n"
DATE = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)

BROKEN_ENDS = (
    b"\n.\n",
    b"\r.\r",
    b"\r.\n",
    b"\n.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\0\r\n.\r\n",
    b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n",
)


def test_mail_is_read_and_its_bytes_are_kept() -> None:
    message = check_submitted(MAIL)
    assert message.raw == MAIL
    assert [address.spec for address in message.senders] == ["hello@acme.test"]
    assert (message.subject, message.message_id, message.has_date) == ("Hi", "<1@acme.test>", True)
    assert (message.idempotency_key, message.tags, message.metadata) == (None, [], None)


@pytest.mark.parametrize("end", BROKEN_ENDS)
@pytest.mark.parametrize("place", [MAIL, HEAD])
def test_a_malformed_end_of_data_is_refused_wherever_it_stands(place: bytes, end: bytes) -> None:
    smuggled = b"MAIL FROM:<x@evil.test>\r\nRCPT TO:<y@victim.test>\r\nDATA\r\nFrom: x@evil.test\r\n\r\nhi\r\n"
    with pytest.raises(ContentError) as refused:
        check_submitted(place + b"text" + end + smuggled)
    assert refused.value.reply.startswith("554 5.6.0 ")


@pytest.mark.parametrize("end", BROKEN_ENDS)
def test_a_malformed_end_of_data_never_leaves(end: bytes) -> None:
    try:
        raw = canonicalise(MAIL + b"text" + end + b"QUIT\r\n")
    except ContentError:
        return
    require_canonical(raw)
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    assert not any(other in stuffed for other in (*BROKEN_ENDS, b"\r\n.\r\n"))


def test_a_line_of_a_dot_and_a_blank_is_a_line() -> None:
    raw = MAIL + b"text\r\n. \r\nmore\r\n"
    assert check_submitted(raw).raw == raw


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no From"),
        (b"\r\nbody\r\n", "no From"),
        (b"Subject: x\r\n\r\nFrom: a@b.test\r\n", "no From"),
        (b"From: a@b.test\r\nfrom: c@d.test\r\n\r\n", "two From"),
        (b"From: a@b.test\r\nSender: a@b.test\r\nSENDER: c@d.test\r\n\r\n", "two Sender"),
        (b"From:\r\n\r\n", "From: "),
        (b"From: a%c@b.test\r\n\r\n", "From: "),
        (b"From: a@b.test\r\nSender: Nobody\r\n\r\n", "Sender: "),
        (b"From: c@d.test <a@b.test>\r\n\r\n", "From: .* in a name"),
        (b"From: c@d.test\\ <a@b.test>\r\n\r\n", "From: .* in a name"),
        (b"From: c@d.test\r\n <a@b.test>\r\n\r\n", "From: .* in a name"),
        (b'From: "C" c@d.test "D" <a@b.test>\r\n\r\n', "From: .* in a name"),
        (b"From: a@b.test, <e@b.test>, c@d.test <a@b.test>\r\n\r\n", "From: .* in a name"),
        (b"From: a@b.test\r\nSender: c@d.test <a@b.test>\r\n\r\n", "Sender: .* in a name"),
        (b"From: C \\<a@b.test>\r\n\r\n", "From: .* in a name"),
        (b"From: =?utf-8?q?=0A?= <a@b.test>\r\n\r\n", "From: "),
        (b"From a@b.test Tue Dec  1\r\nFrom: a@b.test\r\n\r\n", "not a header field"),
        (b"From: a@b.test\r\nbody without an empty line\r\n", "not a header field"),
        (b" From: a@b.test\r\n\r\n", "not a header field"),
        (b"From : a@b.test\r\n\r\n", "not a header field"),
        (b"From: a@b.test\r\n \r\nSubject: x\r\n\r\n", "not a header field"),
        (b"From: a@b.test\r\nSubject: a\x07\r\n\r\n", "control character"),
        (MAIL + b"a" * 999 + b"\r\n", "998"),
        (b"From: a@b.test\r\nX: " + b"a" * 999 + b"\r\n\r\n", "998"),
        (MAIL + b"a\0b", "NUL"),
        (MAIL + b"a\n", "bare CR or LF"),
        (MAIL + b"a\r", "bare CR or LF"),
        (HEAD + b"Idempotency-Key:\r\n\r\n", "Idempotency-Key: a key has"),
        (HEAD + b"Idempotency-Key: " + b"k" * 257 + b"\r\n\r\n", "Idempotency-Key: a key has"),
        (HEAD + b"Idempotency-Key: \xc3\xbc\r\n\r\n", "Idempotency-Key: a key has"),
        (HEAD + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", "Idempotency-Key: the message has two"),
        (HEAD + b"Resend-Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", "Idempotency-Key: the message has two"),
    ],
)
def test_broken_mail_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(ContentError, match=reason) as refused:
        check_submitted(raw)
    assert refused.value.reply.startswith("554 5.6.0 ")
    assert refused.value.reply.isascii()
    assert refused.value.reply.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        b'"c@d.test" <a@b.test>',
        b'"c@d.test \\" e" <a@b.test>',
        b"A@b.test <a@b.test>",
        b"=?utf-8?q?c=40d.test?= <a@b.test>",
        b"c@b.test, A <a@b.test>, <e@b.test>",
        b"Mr. C (sales) <a@b.test>",
    ],
)
def test_a_name_that_all_read_alike_passes(value: bytes) -> None:
    raw = b"From: " + value + b"\r\n\r\n"
    assert {one.domain for one in check_submitted(raw).senders} == {"b.test"}


def test_lines_of_998_bytes_pass() -> None:
    raw = MAIL + b"a" * 998 + b"\r\n" + b"b" * 998 + b"\r\n"
    assert check_submitted(raw).raw == raw


@pytest.mark.parametrize(("count", "fits"), [(50, True), (51, False)])
def test_more_than_fifty_servers_are_a_loop(count: int, fits: bool) -> None:
    raw = b"Received: from a by b;\r\n date\r\n" * count + MAIL
    if fits:
        check_submitted(raw)
        return
    with pytest.raises(ContentError, match="loop") as refused:
        check_submitted(raw)
    assert refused.value.reply.startswith("554 5.4.6 ")


def test_a_megabyte_of_headers_is_refused() -> None:
    with pytest.raises(ContentError) as refused:
        check_submitted(HEAD + b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 30_000 + b"\r\nbody\r\n")
    assert refused.value.reply.startswith("552 5.3.4 ")


def test_a_missing_last_line_end_is_added() -> None:
    assert check_submitted(MAIL + b"last").raw == MAIL + b"last\r\n"


def test_mail_of_headers_alone_passes() -> None:
    assert check_submitted(HEAD).subject == "Hi"


def test_all_who_it_says_it_is_from_are_senders() -> None:
    raw = b'From: "A, B" <a@b.test>,\r\n\t=?utf-8?q?=C3=9C?= <c@d.test>\r\nSender: E <e@f.test>\r\n\r\n'
    message = check_submitted(raw)
    assert [(address.display_name, address.spec) for address in message.senders] == [
        ("A, B", "a@b.test"),
        ("Ü", "c@d.test"),
        ("E", "e@f.test"),
    ]


def test_control_headers_are_understood_and_taken_out() -> None:
    control = (
        b'X-Tags: ["receipt",\r\n "vip"]\r\n',
        b"X-TAG: =?utf-8?q?gr=C3=BCn?=\r\n",
        b"x-tag: receipt\r\n",
        b"Idempotency-Key: key 1\r\n",
        b'X-Metadata: {"user": 7}\r\n',
    )
    message = check_submitted(control[0] + HEAD + b"".join(control[1:]) + b"X-Tagged: stays\r\n\r\nX-Tag: body\r\n")
    assert message.raw == HEAD + b"X-Tagged: stays\r\n\r\nX-Tag: body\r\n"
    assert [tag["value"] for tag in message.tags] == ["grün", "receipt", "vip"]
    assert message.idempotency_key == "key 1"
    assert message.metadata == {"user": 7}


def test_an_empty_message_id_or_date_is_none() -> None:
    message = check_submitted(HEAD + b"Message-ID: \r\nDATE:\r\nX-A:\r\n\r\nHello\r\n")
    assert (message.raw, message.message_id, message.has_date) == (HEAD + b"X-A:\r\n\r\nHello\r\n", None, False)
    complete = complete_headers(message, message_id="<em_1@acme.test>", date=DATE).raw.lower()
    assert (complete.count(b"message-id:"), complete.count(b"date:")) == (1, 1)


def test_resends_name_for_the_key_is_understood() -> None:
    message = check_submitted(b"Resend-Idempotency-Key: k\r\n" + MAIL)
    assert (message.idempotency_key, message.raw) == ("k", MAIL)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b"X-Metadata: no json", "X-Metadata cannot be read as JSON"),
        (b"X-Metadata:", "X-Metadata cannot be read as JSON"),
        (b"X-Metadata: [1]", "X-Metadata is no JSON object"),
        (b'X-Metadata: {"a": NaN}', "X-Metadata cannot be read as JSON"),
        (b'X-Metadata: {"a": "\\u0000"}', "X-Metadata holds the character U+0000"),
        (b'X-Metadata: {"a": "\\ud800"}', "X-Metadata cannot be read as JSON"),
        (b'X-Metadata: {"a": ' + b"[" * 300 + b"]" * 300 + b"}", "X-Metadata cannot be stored"),
        (b'X-Metadata: {"a": "' + b"x\r\n " * 8192 + b'"}', "X-Metadata is larger than 16384 bytes"),
        (b"X-Metadata: {}\r\nX-Metadata: {}", "the message has two X-Metadata headers"),
        (b"X-Tag: a b=c", "X-Tag has a name that is not 1 to 256 of"),
        (b"X-Tag: =c", "X-Tag has a name that is not 1 to 256 of"),
        (b"X-Tag: k=" + b"v" * 257, "X-Tag is longer than 256 characters"),
        (b"X-Tag: =?utf-8?q?a=00b?=", "X-Tag holds a character that cannot be printed"),
        (b'X-Tags: ["a", 7]', "X-Tags has as item 2 what is no text"),
        (b'X-Tags: ["a"', "X-Tags is a list that cannot be read as JSON"),
        (b"\r\n".join(b"X-Tag: %d" % n for n in range(76)), "X-Tag: the message has more than 75 tags"),
    ],
)
def test_a_label_with_a_fault_is_refused_with_its_headers_name(header: bytes, fault: str) -> None:
    with pytest.raises(ContentError) as refused:
        check_submitted(header + b"\r\n" + MAIL)
    assert refused.value.reply.startswith(f"554 5.6.0 {fault}")


def test_tags_with_commas_are_a_list() -> None:
    assert check_submitted(b"X-Tags: a, b,,a\r\n" + MAIL).tags == [{"name": "tag", "value": one} for one in "ab"]


def test_a_subject_is_safe_to_store() -> None:
    raw = b"From: a@b.test\r\nSubject: =?utf-8?q?a=00=0Ab?= \xff\r\n\r\n"
    message = check_submitted(raw)
    assert message.raw == raw
    assert message.subject == "a\ufffd\ufffdb ÿ"  # as Windows has that byte


def test_what_is_missing_is_added_at_the_top() -> None:
    message = complete_headers(check_submitted(HEAD + b"\r\nHello\r\n"), message_id="<em_1@acme.test>", date=DATE)
    assert message.raw == (
        b"Message-ID: <em_1@acme.test>\r\nDate: Tue, 01 Dec 2026 09:00:00 +0000\r\n" + HEAD + b"\r\nHello\r\n"
    )
    assert (message.message_id, message.has_date) == ("<em_1@acme.test>", True)
    assert check_submitted(message.raw) == message


def test_what_is_there_stays() -> None:
    message = check_submitted(MAIL)
    assert complete_headers(message, message_id="<other@acme.test>", date=DATE) is message


def test_headers_go_on_top() -> None:
    assert prepend_headers(MAIL, b"A: 1\r\nB: 2\r\n 3\r\n") == b"A: 1\r\nB: 2\r\n 3\r\n" + MAIL


@pytest.mark.parametrize("fields", [b"A: 1", b"A: 1\r\n\r\n", b"A: 1\r\n\r\nB: 2\r\n", b"A\r\n", b"A: 1\nB: 2\r\n"])
def test_only_header_fields_go_on_top(fields: bytes) -> None:
    with pytest.raises(HeaderError):
        prepend_headers(MAIL, fields)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"a\nb\rc\r\nd", b"a\r\nb\r\nc\r\nd\r\n"),
        (b"a\r\r\nb\n\r", b"a\r\n\r\nb\r\n\r\n"),
        (b"", b"\r\n"),
        (b"a\r\n", b"a\r\n"),
    ],
)
def test_line_ends_become_crlf(raw: bytes, canonical: bytes) -> None:
    assert canonicalise(raw) == canonical


pieces = st.sampled_from(
    [b"a", b".", b" ", b"\r\n", b"\r", b"\n", b"\0", b"From: a@b.test\r\n", b":", b"X" * 998, b"\xff"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=12).map(b"".join))
def test_canonical_bytes_are_canonical_again(raw: bytes) -> None:
    try:
        canonical = canonicalise(raw)
    except ContentError:
        assert b"\0" in raw or len(raw) > 998
        return
    assert canonicalise(canonical) == canonical
    assert all(len(line) <= 998 for line in canonical.split(b"\r\n"))
    assert not set(b"".join(canonical.split(b"\r\n"))) & set(b"\r\n\0")


fields = st.sampled_from(
    [
        b"From: a@b.test\r\n",
        b"From: A <a@b.test>,\r\n c@d.test\r\n",
        b"FROM: x@evil.test\r\n",
        b"Subject: s\r\n",
        b"X-Tag: t\r\n",
        b"Idempotency-Key: k\r\n",
        b" folded\r\n",
        b"\tfolded\r\n",
        b"Sender: s@b.test\r\n",
        b"\r\n",
        b"body\r\n",
        b"From:\r\n a@b.test\r\n",
        b".\r\n",
        b"\n",
        b"X: \xc2\x85\r\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(fields, max_size=10).map(b"".join))
def test_the_standard_library_sees_the_senders_that_we_authorise(raw: bytes) -> None:
    try:
        message = check_submitted(raw)
    except ContentError:
        return
    require_canonical(message.raw)
    others = email.message_from_bytes(message.raw, policy=email.policy.SMTP)
    assert len(others.get_all("From", [])) == 1
    assert [other.addr_spec for other in others["From"].addresses] == [address.spec for address in message.header_from]
    assert not {"X-Tag", "Idempotency-Key"} & {name for name, _ in read_header_list(message.raw)}
