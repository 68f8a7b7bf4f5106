"""What a message is found, sorted, threaded and shown by."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from hourpost.rules.mail.dates import parse_date
from hourpost.rules.mail.folding import case_map, fold
from hourpost.rules.mail.html_text import read_html
from hourpost.rules.mail.message_ids import list_message_ids
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.subjects import find_base_subject
from tests.rules.mail.letters import NESTED, PLAIN, crlf


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Lunch", "LUNCH", False),
        ("Re: Lunch", "LUNCH", True),
        ("re[2]: FW:  Fwd : Lunch (fwd) (FWD)", "LUNCH", True),
        ("[list] Re: [list] Lunch", "LUNCH", True),
        ("[list]", "[LIST]", False),
        ("[a] [b]", "[B]", False),
        ("Re: [Fwd: Re: Lunch]", "LUNCH", True),
        ("[fwd: Lunch", "[FWD: LUNCH", False),
        ("  a \t b ", "A B", False),
        ("Re:", "", True),
        ("Regarding: x", "REGARDING: X", False),
        ("", "", False),
        ("[Fwd: [Fwd: x]]", "X", True),
    ],
)
def test_the_base_subject_sees_through_replies(subject: str, base: str, is_reply: bool) -> None:
    assert find_base_subject(subject) == (base, is_reply)


@pytest.mark.parametrize(
    ("written", "at", "on"),
    [
        ("Wed, 25 Nov 2026 19:52:01 +0100", datetime(2026, 11, 25, 18, 52, 1, tzinfo=UTC), date(2026, 11, 25)),
        ("Wed, 25 Nov 2026 23:30:00 -0800 (PST)", datetime(2026, 11, 26, 7, 30, tzinfo=UTC), date(2026, 11, 25)),
        ("25 Nov 26 19:52 EST", datetime(2026, 11, 26, 0, 52, tzinfo=UTC), date(2026, 11, 25)),
        ("5 January 99 1:02:03 GMT", datetime(1999, 1, 5, 1, 2, 3, tzinfo=UTC), date(1999, 1, 5)),
        ("Sat,(x) 1 Jan 2000 00:00:60", datetime(2000, 1, 1, 0, 0, 59, tzinfo=UTC), date(2000, 1, 1)),
        ("Wed Nov 25 19:52:00 2026", datetime(2026, 11, 25, 19, 52, tzinfo=UTC), date(2026, 11, 25)),
        ("2026-11-25T19:52:00Z", datetime(2026, 11, 25, 19, 52, tzinfo=UTC), date(2026, 11, 25)),
    ],
)  # fmt: skip
def test_dates_are_read_as_they_are_found(written: str, at: datetime, on: date) -> None:
    assert parse_date(written) == (at, on)


@pytest.mark.parametrize("written", ["", "soon", "32 Nov 2026 00:00 +0000", "1 Foo 2026 00:00", "1 Jan 0000 00:00", "1 Jan 0001 00:00 +0100"])  # fmt: skip  # noqa: E501
def test_what_is_no_date_is_none(written: str) -> None:
    assert parse_date(written) is None


def test_ids_have_one_form() -> None:
    assert list_message_ids(b'<a@b> junk <"c"@d> < e@f > <a@b> <>') == ("<a@b>", "<c@d>", "<e@f>")


def test_a_message_is_known_by_its_people_and_ids() -> None:
    scanned = scan(NESTED)
    assert (scanned.from_key, scanned.to_key, scanned.cc_key) == ("ANN", "BOB", "UNDISCLOSED-RECIPIENTS")
    assert (scanned.display_from_key, scanned.display_to_key) == ("LEE, ANN", "BOB")
    assert scanned.from_text == '"Lee, Ann" <ann@example.org>'
    assert scanned.to_text == "Bob <bob@example.net>, carl@example.com, Dora <dora@example.com>"
    assert (scanned.subject, scanned.is_reply) == ("Fwd: Grüße", True)
    assert scanned.references == ("<0@example.org>", "<1@example.org>")
    assert (scanned.message_id, scanned.in_reply_to) == ("<2@example.org>", "<1@example.org>")
    assert scanned.has_attachments
    assert not scan(PLAIN).has_attachments


def test_it_is_found_by_what_people_read_in_it() -> None:
    scanned = scan(NESTED)
    assert scanned.search_text == "café au lait inside one two alone just text über.pdf"
    assert "subject: fwd: grüsse\n" in scanned.search_header
    assert scanned.plain_text == "cafe au lait inside one two alone just text uber.pdf"
    assert "subject: fwd: grusse\n" in (scanned.plain_header or "")
    assert scan(PLAIN).plain_text is None
    assert "references: <0@example.org> <1@example.org>\n" in scanned.search_header
    assert scanned.preview == "café au lait"


def test_no_encoded_word_adds_a_line_to_the_searched_header() -> None:
    header = scan(crlf("Subject: =?utf-8?q?a=0Afrom:_boss?=\n\n")).search_header
    assert header == "subject: a\ufffdfrom: boss"


def test_the_preview_leaves_out_what_is_quoted() -> None:
    assert scan(crlf("Subject: x\n\n> before\nYes.\n")).preview == "Yes."
    assert scan(crlf("Subject: x\n\n> before\n")).preview == "> before"
    assert len(scan(crlf("Subject: x\n\n" + "word " * 500)).preview) <= 200


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>a<b>b</b>c</p><p>d", "abc d"),
        ("<style>x{}</style>a<script>b</script>c", "a c"),
        ("a<!-- b -->c<!-- d", "a c"),
        ("a<!-->b<!--->c<!--d--!>e", "a b c e"),
        ("<script>a", ""),
        ("a &amp; b &lt; &#233; &#x1F600; &#99999999999999999999; &nosuch;", "a & b < é 😀 � &nosuch;"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("<a href='x'>link</a", "link"),
    ],
)
def test_html_is_read_for_its_words(page: str, text: str) -> None:
    assert " ".join(read_html(page).split()) == text


def test_eight_bit_text_without_a_charset_is_read_as_what_it_is() -> None:
    scanned = scan(b"Subject: Gr\xfc\xdfe\r\nX-A: \xc3\xbc\r\n\r\ncaf\xe9 au lait\r\n")
    assert scanned.subject == "Grüße"
    assert scanned.search_header == "subject: grüsse\nx-a: ü"
    assert scanned.search_text == "café au lait"
    assert scan(b"\r\n" + ("é" * 600_000).encode()).search_text[:10] == "é" * 10


def test_what_nobody_sees_is_neither_searched_nor_previewed() -> None:
    padded = "Content-Type: text/html\n\n<p>Sale\u034f \u200c\u00ad\u200b &zwnj;&#847; to&shy;day"
    assert scan(crlf(padded)).preview == "Sale today"
    assert scan(crlf(padded)).search_text == "sale today"


def test_folding_finds_words_across_lines_and_cases() -> None:
    assert fold("Straße\r\n  ÉTÉ") == "strasse été"
    assert fold("e\u0301") == fold("É")
    assert fold(" a  b ") == " a b "
    assert case_map("straße é") == "STRAßE E\u0301"
