"""Parts, their numbers and places, and what BODY and BODYSTRUCTURE say of them."""

from __future__ import annotations

import pytest

from hourpost.rules.mail.decoding import decode_part, decode_text
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import MAX_PARTS
from hourpost.rules.mail.sections import find_part, find_span
from hourpost.rules.mail.storing import pack_parts, unpack_parts
from tests.rules.mail.letters import DIGEST, NESTED, PLAIN, crlf


def fetch(content: bytes, section: str, what: str = "") -> bytes | None:
    part = find_part(scan(content).parts, section)
    span = None if part is None else find_span(part, what)
    return None if span is None else content[span.at : span.at + span.size]


@pytest.mark.parametrize(
    ("section", "what", "expected"),
    [
        ("1", "", b"caf=C3=A9 =\r\nau lait"),
        ("1", "MIME", b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),  # noqa: E501
        ("1", "HEADER", None),
        ("1", "TEXT", None),
        ("2", "MIME", b"Content-Type: message/rfc822\r\n\r\n"),
        ("2", "HEADER", crlf("From: inner@example.org\nSubject: Inside\nContent-Type: multipart/alternative; boundary=in\n\n")),  # noqa: E501
        ("2", "TEXT", crlf("--in\n\none\n--in\nContent-Type: text/html\n\n<p>two</p>\n--in--\n")),
        ("2.1", "", b"one"),
        ("2.1", "MIME", b"\r\n"),
        ("2.2", "", b"<p>two</p>"),
        ("2.2", "MIME", b"Content-Type: text/html\r\n\r\n"),
        ("3", "", b"Subject: Alone\r\n\r\njust text"),
        ("3", "TEXT", b"just text"),
        ("3.1", "", b"just text"),
        ("3.1", "MIME", b"Subject: Alone\r\n\r\n"),
        ("4", "", b"JVBERi0="),
        ("5", "", None),
        ("2.3", "", None),
    ],
)  # fmt: skip
def test_each_section_is_a_slice_of_the_content(section: str, what: str, expected: bytes | None) -> None:
    assert fetch(NESTED, section, what) == expected


def test_a_message_without_parts_is_its_part_one() -> None:
    assert fetch(PLAIN, "1") == b"See you there.\r\n"
    assert fetch(PLAIN, "1", "MIME") == PLAIN[: scan(PLAIN).header_size]


def test_a_part_is_decoded_by_its_encoding_and_charset() -> None:
    first, *_, last = scan(NESTED).parts
    assert decode_text(NESTED, first) == "café au lait"
    assert decode_part(NESTED, last) == b"%PDF-"
    assert (last.filename, last.disposition) == ("über.pdf", "attachment")


def test_parts_come_back_as_they_were_stored() -> None:
    parts = scan(NESTED).parts
    assert unpack_parts(pack_parts(parts)) == parts


def test_the_structure_of_a_message_without_parts() -> None:
    assert scan(PLAIN).body == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 16 1)'
    assert scan(PLAIN).bodystructure == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 16 1 NIL NIL NIL NIL)'


def test_the_structure_of_nested_messages_has_their_envelopes() -> None:
    inner = b'(NIL "Inside" ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) '
    inner += b'((NIL NIL "inner" "example.org")) NIL NIL NIL NIL NIL)'
    body = scan(NESTED).body
    assert body.startswith(
        b'(("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 20 1)("message" "rfc822" NIL'
    )
    assert b'"7bit" 155 12 ' not in body
    assert inner + b' (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0)("text" "html"' in body
    assert body.endswith(b'("application" "pdf" ("name*" "utf-8\'\'%C3%BCber.pdf") NIL NIL "base64" 8) "mixed")')


def test_the_parts_of_a_digest_are_messages() -> None:
    assert [(part.section, part.media_type) for part in scan(DIGEST).parts] == [
        ("1", "message"), ("1.1", "text"), ("2", "message"), ("2.1", "text"),
    ]  # fmt: skip
    assert fetch(DIGEST, "2", "HEADER") == b"Subject: second\r\n\r\n"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Type: multipart/mixed", b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")'),
        ("Content-Type: multipart/mixed; boundary=x", b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")'),  # noqa: E501
        ("Content-Type: image", b'("application" "octet-stream" NIL NIL NIL "7bit" 6)'),
        ("Content-Type: Image/PNG (a picture); Name=\"a \\\"b\"", b'("Image" "PNG" ("name" "a \\"b") NIL NIL "7bit" 6)'),  # noqa: E501
        ("Content-Type: text/html; charset=\"utf-8\"; charset=x", b'("text" "html" ("charset" "utf-8") NIL NIL "7bit" 6 1)'),  # noqa: E501
        ("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", b'("application" "octet-stream" NIL NIL NIL "base64" 6)'),  # noqa: E501
        ("Content-ID: <a@b>\nContent-Description: ünï", b'("text" "plain" ("charset" "us-ascii") "<a@b>" {5}\r\n\xc3\xbcn\xc3\xaf "7bit" 6 1)'),  # noqa: E501
        ("Content-Type: application/x; a*1=b; a*0=\"c\"; d=", b'("application" "x" ("d" "" "a" "cb") NIL NIL "7bit" 6)'),  # noqa: E501
    ],
)  # fmt: skip
def test_odd_types_have_a_structure_still(header: str, body: bytes) -> None:
    assert scan(crlf(f"{header}\n\nwords\n".replace("words\n", "word\n"))).body == body


def test_a_multipart_of_a_message_that_ends_early_keeps_its_last_part() -> None:
    content = crlf("Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n")
    assert fetch(content, "1") == b"one"
    assert fetch(content, "2") == b"two\r\n"


def test_an_outer_boundary_ends_an_inner_multipart() -> None:
    content = crlf(
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\none\n--x\n\ntwo\n--x--\n"  # noqa: E501
    )
    assert [part.section for part in scan(content).parts] == ["1", "1.1", "2"]
    assert fetch(content, "1.1") == b"one"


def test_a_line_that_only_begins_like_a_boundary_is_text() -> None:
    content = crlf("Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--xy\n --x\n--x \t\n\ntwo\n--x--\n")
    assert fetch(content, "1") == b"--xy\r\n --x"
    assert fetch(content, "2") == b"two"


def test_beyond_the_limit_the_last_part_is_all_the_rest() -> None:
    content = crlf("Content-Type: multipart/mixed; boundary=x\n\n" + "--x\n\na\n" * 3000 + "--x--\n")
    parts = scan(content).parts
    assert len(parts) == MAX_PARTS - 1
    assert parts[-1].body_at + parts[-1].body_size == len(content)


def test_beyond_fifty_levels_a_part_is_opaque() -> None:
    levels = "".join(f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n" for level in range(200))
    assert scan(crlf(levels)).parts[-1].media_type == "application"
    messages = "Content-Type: message/rfc822\n\n" * 200
    assert scan(crlf(messages)).parts[-1].media_subtype == "octet-stream"
    assert len(scan(crlf(messages)).parts) == 51


def test_bare_line_ends_part_a_message_too() -> None:
    content = NESTED.replace(b"\r\n", b"\n")
    assert fetch(content, "2.2") == b"<p>two</p>"
    assert [part.section for part in scan(content).parts] == [part.section for part in scan(NESTED).parts]
