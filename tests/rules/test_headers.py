"""Custom headers: which may be set; written headers: folded, encoded, and read back as they were meant."""

from __future__ import annotations

import contextlib
import email
import email.policy
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.addresses import Address
from hourpost.rules.headers import (
    HeaderError,
    HeaderInjectionError,
    check_headers,
    encode_addresses,
    encode_header,
    fold,
    read_header_list,
    require_headers,
    unfold,
)
from tests.rules.hostile import ATTACKS, hostile_text


@pytest.mark.parametrize(
    "header",
    [
        ("X-Entity", "7"),
        ("x-My_Header", ""),
        ("X-Long", "a" * 5000),
        ("X-Name", "Grüße 日本"),
        ("X-Encoded", "=?utf-8?q?=C3=BC?="),
        ("List-Unsubscribe", "<https://a.test/u?id=1>, <mailto:u@a.test>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("References", "<a@b.test> <c@d.test>"),
        ("In-Reply-To", "<a@b.test>"),
        ("Auto-Submitted", "auto-generated"),
        ("Feedback-ID", "a:b:c:d"),
        ("CFBL-Address", "fbl@acme.test; report=arf"),
        ("CFBL-Feedback-ID", "7"),
        ("Archived-At", "<https://acme.test/7>"),
        ("Autocrypt", "addr=a@acme.test; keydata=mDME" + " AAAAAAAA" * 300),
        ("User-Agent", "Acme/7"),
        ("BIMI-Selector", "v=BIMI1; s=winter"),
        ("Original-Message-ID", "<a@b.test>"),
        ("Expires", "Tue, 01 Dec 2026 09:00:00 +0000"),
    ],
)
def test_a_header_of_the_customer_may_be_set(header: tuple[str, str]) -> None:
    assert check_headers([header]) == []


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "To",
        "Cc",
        "Bcc",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "CONTENT-FOO",
        "DKIM-Signature",
        "Received",
        "Return-Path",
        "Sender",
        "Resent-From",
        "Resent-Bcc",
        "Authentication-Results",
        "ARC-Seal",
        "Delivered-To",
        "X-Envelope-To",
        "Apparently-To",
        "Errors-To",
        "Unheard-Of",
        "from",
        "FROM",
        "X-TAGS",
        "x-metadata",
        "X-Scheduled-At",
    ],
)
def test_a_header_that_is_not_the_customers_may_not_be_set(name: str) -> None:
    (fault,) = check_headers([(name, "value")])
    assert fault.name == name
    assert name in fault.detail


def test_who_may_not_set_a_header_is_told_which_may_be_set() -> None:
    (fault,) = check_headers([("Unheard-Of", "7")])
    assert "begins with X- or List-, or is one of Accept-Language, Archived-At, Auto-Submitted" in fault.detail


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "X Y",
        "X-A:",
        "X-A: b\r\nBcc",
        "X-A\r\nBcc: x@y.test\r\nX-B",
        "X-Ä",
        "-X",
        "7",
        "X-A\0",
        "X" * 77,
        "X-A\n",
    ],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    faults = check_headers([(name, "value")])
    assert len(faults) == 1
    assert faults[0].detail.isprintable()
    with pytest.raises(HeaderError):
        encode_header(name, "value")


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_line_end_gets_in_by_a_value(attack: str) -> None:
    (fault,) = check_headers([("X-A", attack)])
    assert "X-A" in fault.detail
    with pytest.raises(HeaderError):
        encode_header("X-A", attack)
    with pytest.raises(HeaderError):
        encode_header("Subject", f"{'long ' * 40}{attack}")


def test_all_faults_are_named_at_once() -> None:
    faults = check_headers([("Bcc", "a\nb"), ("X-A", "1"), ("x-a", "2"), ("References", "ü"), ("X-B", "b" * 9000)])
    assert [fault.name for fault in faults] == ["Bcc", "Bcc", "x-a", "References", "X-B"]


@pytest.mark.parametrize(("name", "most_characters"), [("K{}", 9000), ("Content-K{}", 11_000), ("X K{}", 11_000)])
def test_of_many_faults_a_hundred_are_named_and_what_may_be_set_is_told_once(name: str, most_characters: int) -> None:
    faults = check_headers([(name.format(number), "value") for number in range(1000)])
    assert [fault.detail for fault in faults[100:]] == [
        "has 900 more, which were not looked at",
        "more than 100 headers",
    ]
    assert sum(len(fault.detail) for fault in faults) < most_characters


def test_a_hundred_headers_are_enough() -> None:
    assert check_headers([(f"X-{number}", "") for number in range(100)]) == []
    assert check_headers([(f"X-{number}", "") for number in range(101)]) != []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", b"Subject: plain\r\n"),
        ("", b"Subject: \r\n"),
        ("  blanks ", b"Subject: blanks\r\n"),
        ("Grüße", b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"),
        ("=?utf-8?q?kept?=", b"Subject: =?utf-8?q?kept?=\r\n"),
        ("ü =?utf-8?q?=C3=BC?=", b"Subject: =?utf-8?b?w7wgw7w=?=\r\n"),
    ],
)
def test_a_header_is_written(value: str, written: bytes) -> None:
    assert encode_header("Subject", value) == written


printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=300)


@settings(max_examples=200, deadline=None)
@given(printable | hostile_text)
def test_a_written_header_is_one_header_of_short_lines(value: str) -> None:
    try:
        written = encode_header("X-A", value)
    except HeaderError:
        return
    assert written.isascii()
    assert [name for name, _ in read_header_list(written)] == ["X-A"]
    assert all(len(line) <= 998 for line in written.split(b"\r\n"))
    if all(len(word) < 70 for word in value.split(" ")):
        assert all(len(line) <= 76 for line in written.split(b"\r\n"))


@settings(max_examples=200, deadline=None)
@given(printable)
def test_every_value_comes_back_from_the_standard_library(value: str) -> None:
    value = value.replace("=?", "").strip(" ")
    message = email.message_from_bytes(encode_header("Subject", value) + b"\r\n", policy=email.policy.SMTP)
    assert message["Subject"] == value


def test_folding_keeps_every_blank() -> None:
    value = "word   " * 40 + "end"
    written = fold("X-A", value)
    assert unfold(written) == f"X-A: {value}\r\n".encode()
    assert max(map(len, written.split(b"\r\n"))) <= 76


def test_a_header_that_cannot_be_folded_is_refused() -> None:
    with pytest.raises(HeaderError, match="998"):
        fold("X-A", "a" * 1000)


def test_addresses_are_written_on_folded_lines() -> None:
    written = encode_addresses("To", [Address("Some, Body", f"name{number}", "example.test") for number in range(50)])
    assert max(map(len, written.split(b"\r\n"))) <= 76
    message = email.message_from_bytes(written + b"\r\n", policy=email.policy.SMTP)
    assert [address.username for address in message["To"].addresses] == [f"name{number}" for number in range(50)]


def test_a_block_is_read_back_raw() -> None:
    block = b"A: 1\r\nb:\t2\r\n 3 \r\nA:\r\n"
    assert read_header_list(block) == [("A", b"1"), ("b", b"2\r\n 3"), ("A", b"")]
    assert read_header_list(block + b"\r\nC: body\r\n\r\n") == read_header_list(block)


@pytest.mark.parametrize(
    "block",
    [
        b"no colon\r\n",
        b"A : 1\r\n",
        b": 1\r\n",
        b" A: 1\r\n",
        b"A: 1\nB: 2\r\n",
        b"A: 1\rB: 2\r\n",
        b"A: 1",
        b"A: 1\0\r\n",
        b"A: 1\r\n \r\nB: 2\r\n",
        b"\r\nA: 1\r\n\r\n",
        "Ä: 1\r\n".encode(),
        b"From someone\r\nA: 1\r\n",
    ],
)
def test_a_block_that_is_none_is_refused(block: bytes) -> None:
    with pytest.raises(HeaderError):
        read_header_list(block)


@pytest.mark.parametrize(
    "fields",
    [
        [b"A: 1\r\nBcc: x\r\n"],
        [b"A: 1\r\n\r\nB: 2\r\n"],
        [b"A: 1\n", b"B: 2\r\n"],
        [b"A: 1", b"B: 2\r\n"],
        [b"A 1\r\n"],
        [b"A: 1\r\nB: 2\r\n", b"C: 3\r\n"],
    ],
)
def test_a_block_with_other_headers_than_meant_is_found(fields: list[bytes]) -> None:
    with pytest.raises(HeaderInjectionError):
        require_headers(b"".join(fields), fields)


def test_a_block_with_the_headers_that_were_meant_passes() -> None:
    fields = [b"A: 1\r\n 2\r\n", b"B:\r\n"]
    require_headers(b"".join(fields), fields)


@pytest.mark.parametrize(
    "line", [b"A" * 998, b"A" * 998 + b":", b"A:" + b" " * 990, b"A: 1\r\n " + b"\t" * 990, b":" * 990]
)
def test_a_hostile_block_takes_bounded_time(line: bytes) -> None:
    started = time.thread_time()
    with contextlib.suppress(HeaderError):
        read_header_list((line + b"\r\n") * 260)
    assert time.thread_time() - started < 2
