"""Messages assembled by hand, with the standard library as the oracle for what they say."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from email.utils import getaddresses, parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.addresses import Address, AddressError
from hourpost.rules.headers import HeaderError, read_header_list
from hourpost.rules.line_ends import canonicalise
from hourpost.rules.mail.written import read_written
from hourpost.rules.mime import (
    Attachment,
    Content,
    build_message,
    check_attachment,
    format_date,
    guess_content_type,
    write_content_type,
)
from tests.rules.hostile import ATTACKS

DATE = datetime(2026, 12, 1, 9, 0, 5, tzinfo=UTC)
ACME = Address("Acme", "hello", "acme.test")
ANNA = Address("", "anna", "example.test")
PLAIN = Content(ACME, (ANNA,), subject="Hi", text="Hello")


def build(content: Content) -> bytes:
    return build_message(content, message_id="<em_1@acme.test>", date=DATE)


def parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_a_plain_email_is_these_bytes() -> None:
    assert build(PLAIN) == (
        b"From: Acme <hello@acme.test>\r\nTo: anna@example.test\r\nSubject: Hi\r\nMessage-ID: <em_1@acme.test>\r\n"
        b"Date: Tue, 01 Dec 2026 09:00:05 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n"
    )


def test_the_same_email_is_the_same_bytes_each_time() -> None:
    content = PLAIN._replace(html="<p>Hello", attachments=(Attachment("a.pdf", b"%PDF", ""),))
    assert build(content) == build(content)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Zs"]), max_size=30)
safe = names.map(lambda name: name.replace("=?", ""))
lines = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=40)
    | st.sampled_from(
        [".", "..", ". ", "From x", "--", "a" * 999, "ü" * 600, "a " * 600, "\0", "=20", "t \t ", "\x0b\x0c"]
    ),
    max_size=6,
)
texts = st.tuples(lines, st.sampled_from(["\n", "\r\n", "\r"])).map(lambda pair: pair[1].join(pair[0]))
attachments = st.builds(
    Attachment,
    safe.filter(bool),
    st.binary(max_size=300),
    st.sampled_from(["", "text/plain", "image/png", "application/x-foo; a=b", 'text/csv; charset="utf-8"']),
    st.sampled_from([None, None, "logo", "a.b@c"]),
)
addresses = st.builds(Address, safe, st.sampled_from(["a", "b.c", "d+e"]), st.sampled_from(["example.test", "b.test"]))
contents = st.builds(
    Content,
    addresses,
    st.lists(addresses, max_size=5).map(tuple),
    st.lists(addresses, max_size=2).map(tuple),
    st.lists(addresses, max_size=2).map(tuple),
    safe,
    st.none() | texts,
    st.none() | texts,
    st.dictionaries(st.sampled_from(["X-A", "X-B", "X-Long-Name-Of-A-Header"]), safe).map(lambda d: tuple(d.items())),
    st.lists(attachments, max_size=3).map(tuple),
)


def normal(text: str | None) -> str | None:
    return None if text is None else text.replace("\r\n", "\n").replace("\r", "\n")


def said(part: MIMEPart | None) -> str | None:
    return None if part is None else normal(part.get_content())


def named(raw: bytes, name: str) -> list[tuple[str, str]]:
    """By the older parser: the newer one of 3.11 leaves a blank between the encoded words of a name (RFC 2047 §6.2)."""
    found = getaddresses([str(email.message_from_bytes(raw)[name])])
    return [(str(make_header(decode_header(display))), spec) for display, spec in found]


def meant(addresses: Iterable[Address]) -> list[tuple[str, str]]:
    return [(address.display_name, address.spec) for address in addresses]


@settings(max_examples=150, deadline=None)
@given(contents)
def test_the_standard_library_reads_the_headers_that_were_meant(content: Content) -> None:
    raw = build(content)
    message = parse(raw)
    assert message["Subject"] == content.subject.strip()
    assert named(raw, "From") == meant([content.from_])
    for name, wanted in (("To", content.to), ("Cc", content.cc), ("Reply-To", content.reply_to)):
        if wanted:
            assert named(raw, name) == meant(wanted)
    for name, value in content.headers:
        assert message[name] == value.strip()


@settings(max_examples=150, deadline=None)
@given(contents)
def test_the_standard_library_reads_the_bodies_that_were_meant(content: Content) -> None:
    message = parse(build(content))
    plain = content.text if content.html is not None else content.text or ""
    for subtype, wanted in (("plain", normal(plain)), ("html", normal(content.html))):
        found = said(message.get_body((subtype,)))
        # A message has to end with a line end, even if its text does not
        assert found == wanted or (found == f"{wanted}\n" and not message.is_multipart())


@settings(max_examples=150, deadline=None)
@given(contents)
def test_the_standard_library_reads_the_files_that_were_meant(content: Content) -> None:
    files = [part for part in parse(build(content)).walk() if part.get_content_disposition() is not None]
    found = [(part.get_filename(), part.get_payload(decode=True), part["Content-ID"] or "") for part in files]
    assert sorted(found) == sorted(
        (item.filename, item.content, f"<{item.content_id}>" if item.content_id else "") for item in content.attachments
    )


@settings(max_examples=200, deadline=None)
@given(contents)
def test_what_is_built_is_canonical_and_seven_bit(content: Content) -> None:
    raw = build(content)
    assert canonicalise(raw) == raw
    assert raw.isascii()
    assert "Bcc" not in [name for name, _ in read_header_list(raw)]


def seen(text: str | None) -> str:
    """A text as it reads: without NUL, and none where nothing is to be seen."""
    told = (text or "").replace("\0", "").rstrip("\n")
    return told if told.strip() else ""


@settings(max_examples=100, deadline=None)
@given(contents)
def test_our_own_reading_agrees(content: Content) -> None:
    read = read_written(build(content))
    assert seen(read.text) == seen(normal(content.text))
    assert seen(read.html) == seen(normal(content.html))
    assert sorted(part.filename or "" for part in read.files) == sorted(item.filename for item in content.attachments)
    assert dict(read.headers)["Subject"] == content.subject.strip()
    assert read.is_complete


def test_pictures_of_the_html_are_related_and_files_are_mixed() -> None:
    pictures = (Attachment("logo.png", b"p", "image/png", "logo"), Attachment("a.pdf", b"%PDF", ""))
    message = parse(build(PLAIN._replace(html='<img src="cid:logo">', attachments=pictures)))
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]


def test_a_message_as_attachment_is_a_file_because_base64_is_forbidden_on_messages() -> None:
    message = parse(build(PLAIN._replace(attachments=(Attachment("old.eml", b"From: a@b\r\n\r\n", "message/rfc822"),))))
    (part,) = message.iter_attachments()
    assert part.get_content_type() == "application/octet-stream"


def test_a_text_that_holds_the_boundary_gets_another_one() -> None:
    first = build(PLAIN._replace(html="x"))
    boundary = first.partition(b'boundary="')[2].partition(b'"')[0].decode()
    text = f"a\n--{boundary}\nb\n--{boundary}--\n"
    message = parse(build(PLAIN._replace(text=text, html="x")))
    assert said(message.get_body(("plain",))) == text


def test_hidden_recipients_alone_are_told_as_undisclosed() -> None:
    assert parse(build(PLAIN._replace(to=())))["To"].groups[0].display_name == "undisclosed-recipients"


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_field_can_add_a_header(attack: str) -> None:
    attacked = [
        PLAIN._replace(subject=attack),
        PLAIN._replace(headers=(("X-A", attack),)),
        PLAIN._replace(headers=((attack, "x"),)),
        PLAIN._replace(to=(Address("", attack, "b.test"),)),
        PLAIN._replace(attachments=(Attachment(attack, b"", ""),)),
        PLAIN._replace(attachments=(Attachment("a", b"", f"text/plain; {attack}"),)),
        PLAIN._replace(attachments=(Attachment("a", b"", "text/plain", f"{attack} ."),)),
    ]
    for content in attacked:
        try:
            raw = build(content)
        except ValueError:
            continue
        assert read_header_list(raw) == read_header_list(build(PLAIN)), content


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("field", ["from_", "to", "cc", "reply_to"])
def test_no_display_name_can_add_a_header(attack: str, field: str) -> None:
    address = Address(attack, "a", "b.test")
    content = {
        "from_": PLAIN._replace(from_=address),
        "to": PLAIN._replace(to=(address,)),
        "cc": PLAIN._replace(cc=(address,)),
        "reply_to": PLAIN._replace(reply_to=(address,)),
    }[field]
    try:
        raw = build(content)
    except AddressError:
        return
    assert "Bcc" not in dict(read_header_list(raw))
    assert parse(raw)["Bcc"] is None


@pytest.mark.parametrize(
    ("kind", "parameters", "written"),
    [
        ("text/plain", [("charset", "utf-8"), ("x", "a; b")], 'text/plain; charset="utf-8"; x="a; b"'),
        ("text/plain", [("a", 'b"; c="d'), ("e*", "f"), ("", "g"), ("h", "i\r\nj"), ("k", "\u00fc")], "text/plain"),
        ("text/plain", [("a", "b" * 200), ("c", "d")], 'text/plain; c="d"'),
        ("text", [], "application/octet-stream"),
    ],
)
def test_a_type_is_written_with_what_can_go_into_a_header(
    kind: str, parameters: list[tuple[str, str]], written: str
) -> None:
    found = write_content_type(kind, parameters)
    assert found == written
    assert not check_attachment(Attachment("a", b"", found))
    content = PLAIN._replace(attachments=(Attachment("a", b"", found),))
    assert f"Content-Type: {written}\r\n".replace("; ", ";\r\n ", written.count('="')).encode() in build(content)


@pytest.mark.parametrize("name", ["Bcc", "From", "Content-Type", "Received", "X-A:", "Unheard-Of"])
def test_a_header_that_is_not_the_customers_is_never_written(name: str) -> None:
    with pytest.raises(HeaderError):
        build(PLAIN._replace(headers=((name, "x"),)))


@pytest.mark.parametrize("message_id", ["", "a", "<a>", "<a@b", "<a b@c>", "<a@b>\r\nBcc: x", "<a@b><c@d>", "<ü@b>"])
def test_what_is_no_message_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        build_message(PLAIN, message_id=message_id, date=DATE)


@pytest.mark.parametrize(
    ("attachment", "reason"),
    [
        (Attachment("", b"", ""), "empty"),
        (Attachment("a\nb", b"", ""), r"U\+000A"),
        (Attachment("ü" * 128, b"", ""), "longer"),
        (Attachment("a", b"", "pdf"), "content_type"),
        (Attachment("a", b"", "text/plain;\r\n x=y"), "content_type"),
        (Attachment("a", b"", f'text/plain; x="{"y" * 200}"'), "content_type"),
        (Attachment("a", b"", "", ""), "content_id"),
        (Attachment("a", b"", "", "<logo>"), "content_id"),
    ],
)
def test_a_broken_attachment_is_told(attachment: Attachment, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build(PLAIN._replace(html="x", attachments=(attachment,)))
    assert check_attachment(attachment)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))])
def test_a_date_is_written_in_utc(zone: timezone) -> None:
    date = DATE.astimezone(zone)
    assert format_date(date) == "Tue, 01 Dec 2026 09:00:05 +0000"
    assert parsedate_to_datetime(format_date(date)) == DATE


def test_a_date_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_date(DATE.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("filename", "kind"),
    [("a.PDF", "application/pdf"), ("a.tar.gz", "application/gzip"), ("a", "application/octet-stream")],
)
def test_a_type_is_guessed_from_the_name(filename: str, kind: str) -> None:
    assert guess_content_type(filename) == kind
