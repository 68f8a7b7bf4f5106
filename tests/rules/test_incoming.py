"""What is read of an incoming message, and what is written on top of it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from hourpost.rules.authentication import Authentication, Dmarc, Signature, Spf, write_results
from hourpost.rules.bounces import read_report
from hourpost.rules.incoming import Hop, read_incoming, without_forged_results, write_trace
from hourpost.rules.line_ends import ContentError

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_the_header_is_read_however_people_write_it():
    header = read_incoming(
        b'FROM : "a@evil.example, Boss" (x@y.example) <Boss@Firm.Example>\r\n'
        b"Message-ID: <1@firm.example>\r\nIn-Reply-To: <3@acme.test>\r\n"
        b"References: <1@acme.test>\r\n\t<2@acme.test> <3@acme.test>\r\nthis is no field\r\n"
        b"Subject: =?utf-8?q?gr=C3=BCn?=\r\n\r\nIn-Reply-To: <4@acme.test>\r\n"
    )
    assert header.from_domains == ("firm.example",)
    assert header.message_id == "<1@firm.example>"
    assert header.references == ("<3@acme.test>", "<2@acme.test>", "<1@acme.test>")
    assert header.subject == "grün"


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"\0\r\n"])
def test_what_can_be_read_in_two_ways_is_refused(body):
    with pytest.raises(ContentError, match="bare CR or LF"):
        read_incoming(b"From: a@b.example\r\n\r\n" + body)


def test_more_than_50_servers_are_a_loop():
    with pytest.raises(ContentError) as refused:
        read_incoming(b"Received: from a by b\r\n" * 51 + b"\r\n")
    assert refused.value.reply.startswith("554 5.4.6")
    read_incoming(b"Received: from a by b\r\n" * 50 + b"\r\n")


def test_results_that_claim_to_be_ours_are_taken_out():
    kept = b"Authentication-Results: mx.other.example; spf=pass\r\nSubject: x\r\n"
    forged = (
        b"Authentication-Results: (c) MX.acme.test 1;\r\n\tspf=pass\r\n"
        b'authentication-results : "mx.acme.test"; dkim=pass\r\n'
    )
    body = b"\r\nAuthentication-Results: mx.acme.test; spf=pass\r\n"
    raw = forged + kept + body
    assert without_forged_results(raw, read_incoming(raw), "mx.acme.test") == kept + body
    assert without_forged_results(kept + body, read_incoming(kept + body), "mx.acme.test") == kept + body


def test_results_are_written_without_the_characters_of_others():
    found = Authentication(
        Spf("pass", "firm.example"),
        (Signature("pass", "firm.example", "s1"), Signature("fail", "x;\r\ny", "s")),
        Dmarc("fail", "firm.example", "reject"),
    )
    assert write_results("mx.acme.test", found) == (
        b"Authentication-Results: mx.acme.test;\r\n\tspf=pass smtp.mailfrom=firm.example;\r\n"
        b"\tdkim=pass header.d=firm.example header.s=s1;\r\n\tdkim=fail header.d=x???y header.s=s;\r\n"
        b"\tdmarc=fail (p=reject) header.from=firm.example\r\n"
    )
    assert found.is_unwanted


def test_the_trace_tells_where_it_came_from():
    hop = Hop("mx.firm.example", "2001:db8::1", "ESMTPS")
    assert write_trace(hop, "mx.acme.test", "in_1", "boss@firm.example", AT, "me@acme.test") == (
        b"Return-Path: <boss@firm.example>\r\nReceived: from mx.firm.example ([IPv6:2001:db8::1])\r\n"
        b"\tby mx.acme.test with ESMTPS id in_1\r\n\tfor <me@acme.test>;\r\n\tWed, 25 Nov 2026 12:00:00 +0000\r\n"
    )


HUGE = 240_000  # just below what a header may have
HOSTILE = (
    b"From: " + b"(" * HUGE,
    b"From: " + b'"' * HUGE,
    b"From: " + b"a@" * (HUGE // 2),
    b"References: " + b"<a@" * (HUGE // 3),
    b"Authentication-Results: " + b"(" * HUGE,
    b"A:b\r\n " * (HUGE // 6),
    b":" * HUGE,
    b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n" * (HUGE // 5),
    b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    + b"Final-Recipient: rfc822; a@b\r\n\r\n" * (HUGE // 32),
    b"Subject: failure notice\r\n\r\n" + b"<a@b.c>:\r\nx\r\n" * (HUGE // 12),
    b"Subject: failure notice\r\nX-Failed-Recipients: " + b"a@b.c," * 30_000 + b"\r\n\r\n" + b"a@b.c 5.1.1 550 " * 9000,
)


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_mail_is_read_in_no_time(raw):
    began_at = time.process_time()
    with suppress(ContentError):
        header = read_incoming(raw)
        read_report(raw, header, is_null_sender=True)
        without_forged_results(raw, header, "mx.acme.test")
    assert time.process_time() - began_at < 2.0
