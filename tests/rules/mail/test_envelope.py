"""ENVELOPE and the addresses in it, however they are written."""

from __future__ import annotations

import pytest

from hourpost.rules.mail.address_lists import parse_addresses
from hourpost.rules.mail.scan import scan
from tests.rules.mail.letters import NESTED, crlf


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"a@b.test", [(None, None, b"a", b"b.test")]),
        (b"<a@b.test>", [(None, None, b"a", b"b.test")]),
        (b"Ann Lee <a@b.test>", [(b"Ann Lee", None, b"a", b"b.test")]),
        (b"Ann   Lee <a@b.test>", [(b"Ann Lee", None, b"a", b"b.test")]),
        (b'"Lee, \\"Ann\\"" <a@b.test>', [(b'Lee, "Ann"', None, b"a", b"b.test")]),
        (b'"Lee" J. <a@b.test>', [(b"Lee J.", None, b"a", b"b.test")]),
        (b"a@b.test, c@d.test", [(None, None, b"a", b"b.test"), (None, None, b"c", b"d.test")]),
        (b",, a@b.test ,,", [(None, None, b"a", b"b.test")]),
        (b"a@b.test (Ann (at) home)", [(b"Ann (at) home", None, b"a", b"b.test")]),
        (b"(x) Ann <a@b.test> (y)", [(b"Ann", None, b"a", b"b.test")]),
        (b'"john doe"@b.test', [(None, None, b"john doe", b"b.test")]),
        (b"Ann <a @ b . test>", [(b"Ann", None, b"a", b"b.test")]),
        (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
        (b"<@x.test,@y.test:a@b.test>", [(None, b"@x.test,@y.test", b"a", b"b.test")]),
        (b"root", [(None, None, b"root", b"MISSING_DOMAIN")]),
        (b"Ann <root>", [(b"Ann", None, b"root", b"MISSING_DOMAIN")]),
        (b"Ann <>", [(b"Ann", None, b"MISSING_MAILBOX", b"MISSING_DOMAIN")]),
        (b"Ann <@b.test>", [(b"Ann", None, b"MISSING_MAILBOX", b"b.test")]),
        (b"a@", [(None, None, b"a", b"MISSING_DOMAIN")]),
        (b"Ann <a@b.test", [(b"Ann", None, b"a", b"b.test")]),
        (b"Ann <a@b.test> junk, c@d.test", [(b"Ann", None, b"a", b"b.test"), (None, None, b"c", b"d.test")]),
        (b"a@b@c.test", [(None, None, b"a@b", b"c.test")]),
        (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), (None, None, None, None)]),
        (b"A Group: a@b.test, Ann <c@d.test>; e@f.test", [
            (None, None, b"A Group", None), (None, None, b"a", b"b.test"), (b"Ann", None, b"c", b"d.test"),
            (None, None, None, None), (None, None, b"e", b"f.test")]),
        (b"group: a@b.test", [(None, None, b"group", None), (None, None, b"a", b"b.test"), (None, None, None, None)]),
        (b"=?utf-8?q?=C3=BC?= <a@b.test>", [(b"=?utf-8?q?=C3=BC?=", None, b"a", b"b.test")]),
        (b"  ", []),
        (b"(only a comment)", []),
    ],
)  # fmt: skip
def test_addresses_are_read_as_they_stand(written: bytes, expected: list[tuple[bytes | None, ...]]) -> None:
    assert parse_addresses(written) == expected


def test_the_envelope_has_groups_and_takes_from_for_a_broken_sender() -> None:
    ann = b'(("Lee, Ann" NIL "ann" "example.org"))'
    assert scan(NESTED).envelope == (
        b'("25 Nov 26 19:52 EST" "Fwd: =?utf-8?q?Gr=C3=BC=C3=9Fe?=" ' + ann + b" " + ann + b" " + ann + b" "
        b'(("Bob" NIL "bob" "example.net")(NIL NIL "team" NIL)(NIL NIL "carl" "example.com")'
        b'("Dora" NIL "dora" "example.com")(NIL NIL NIL NIL)) '
        b'((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) NIL "<1@example.org>" "<2@example.org>")'
    )


def test_an_empty_header_is_an_envelope_of_nothing() -> None:
    assert scan(b"").envelope == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_an_empty_subject_is_not_a_missing_one() -> None:
    assert scan(crlf("Subject:\n\n")).envelope.startswith(b'(NIL "" ')


def test_a_folded_subject_has_single_blanks() -> None:
    assert b'"a b c"' in scan(crlf("Subject: a\n\tb  c\n\n")).envelope


def test_a_field_that_comes_twice_is_one_list() -> None:
    assert b'((NIL NIL "a" "b.test")(NIL NIL "c" "d.test"))' in scan(crlf("To: a@b.test\nTo: c@d.test\n\n")).envelope


def test_eight_bit_and_line_ends_are_never_quoted() -> None:
    envelope = scan(b"Subject: \xc3\xbc\r\n\r\n").envelope
    assert envelope.startswith(b"(NIL {2}\r\n\xc3\xbc NIL")
    assert b"{3}\r\na\rb" in scan(b"Message-ID: a\rb\r\n\r\n").envelope


def test_beyond_a_thousand_addresses_the_rest_is_left_out() -> None:
    content = crlf("To: " + ", ".join(f"a{number}@b.test" for number in range(5000)) + "\nCc: c@d.test\n\n")
    assert scan(content).envelope.count(b"b.test") == 1000
    assert b"d.test" not in scan(content).envelope
