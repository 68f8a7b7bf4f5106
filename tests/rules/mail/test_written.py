"""Reading any message for programs: in bounded time, without ever raising."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.mail.attachments import describe_attachment, find_attachment, list_attachments
from hourpost.rules.mail.written import Written, read_written

SECONDS = 2.0


def read_in_time(raw: bytes) -> Written:
    started = time.thread_time()
    message = read_written(raw)
    assert time.thread_time() - started < SECONDS
    return message


def nested(depth: int) -> bytes:
    head = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth))
    return head + b"\r\ninnermost\r\n" + b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))


def test_deep_nesting_takes_no_memory_by_the_level() -> None:
    raw = nested(20).replace(b"innermost", b"innermost" * 200_000)
    tracemalloc.start()
    try:
        read_written(raw)
        assert tracemalloc.get_traced_memory()[1] < 5 * len(raw)
    finally:
        tracemalloc.stop()


def parts(count: int, boundary: bytes = b"b") -> bytes:
    head = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
    return head + (b"--" + boundary + b"\r\n\r\npart\r\n") * count + b"--" + boundary + b"--\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        nested(500),
        parts(10_000),
        parts(10_000, b'""'),
        b"Subject: " + b"a" * 1_000_000 + b"\r\n\r\nbody",
        b"Subject: " + b"=?utf-8?q?=0A?= " * 60_000 + b"\r\n\r\nbody",
        b"Subject: =?punycode?q?" + b"a9" * 100_000 + b"?=\r\n\r\nbody",
        b"A: 1\r\n" * 200_000 + b"\r\nbody",
        b"A" * 2_000_000,
        b"\r\n" * 500_000,
        b'Content-Type: text/plain; a="' + b"\\" * 200_000 + b"\r\n\r\n",
        b"Content-Type: text/plain" + b"; a=b" * 50_000 + b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b" * 500_000,
        b"Content-Type: text/plain; charset=idna\r\n\r\n" + b"xn--" * 200_000,
        b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a9" * 300_000,
    ],
    ids=range(14),
)
def test_a_hostile_message_takes_bounded_time(raw: bytes) -> None:
    read_in_time(raw)


@pytest.mark.parametrize("raw", [b"A: 1\r\n" * 2000 + b"\r\n", b"A: " + b"a" * 400_000])
def test_a_message_beyond_the_limits_says_so(raw: bytes) -> None:
    assert not read_written(raw).is_complete


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b\r\n",
                b"Content-Type: text/html; charset=",
                b"Content-Transfer-Encoding: base64\r\n",
                b"Content-Transfer-Encoding: quoted-printable\r\n",
                b"Content-Disposition: attachment; filename*=utf-8''%ff\r\n",
                b"utf-16",
                b"hex",
                b"\r\n",
                b"\n",
                b"--b\r\n",
                b"--b--\r\n",
                b"=?utf-8?q?=00?=",
                b"AAA",
                b"=\r\n",
                b"\0",
                b"\xff",
                b" ",
            ]
        ),
        max_size=20,
    ).map(b"".join)
)
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    message = read_written(raw)
    for text in (message.text, message.html, *(value for _, value in message.headers)):
        (text or "").encode()


def test_text_html_and_attachments_are_found_at_any_depth() -> None:
    raw = (
        b'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed;\r\n boundary="a b"\r\n\r\npreamble\r\n'
        b"--a b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
        b"--c\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n"
        b"--c\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<p>\xfc\r\n--c--\r\n"
        b"--a b\r\nContent-Type: image/png; name=x.png\r\nContent-ID: <logo>\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\ncG5n\r\n--a b--\r\nepilogue\r\n"
    )
    message = read_written(raw)
    assert (message.text, message.html) == ("a=bc", "<p>ü")
    assert message.headers[0] == ("Subject", "Grüße")
    (file,) = message.files
    attachment = describe_attachment(raw, file)
    assert (attachment["filename"], attachment["content_type"]) == ("x.png", "image/png")
    assert (attachment["content_id"], attachment["size"]) == ("logo", 3)


PICTURE = ("image/png", "picture")
PLAIN, PAGE = ("text/plain", "words"), ("text/html", "<p>page")
FOOTER = ("text/plain", "footer")


def holding(kind: str, *held: tuple[str, str]) -> bytes:
    told = "".join(f"--b\r\nContent-Type: {type_}\r\n\r\n{body}\r\n" for type_, body in held)
    return f"Content-Type: multipart/{kind}; boundary=b\r\n\r\n{told}--b--\r\n".encode()


@pytest.mark.parametrize(
    ("raw", "text", "html", "files"),
    [
        (holding("mixed", PLAIN, PICTURE, FOOTER), "words\nfooter", None, ["image/png"]),
        (holding("mixed", PAGE, FOOTER), "page\n\nfooter", "<p>page<hr>{footer}", []),
        (holding("mixed", PAGE, PICTURE, ("text/html", "<b>more")), None, "<p>page<hr><b>more", ["image/png"]),
        (holding("alternative", PLAIN, PAGE), "words", "<p>page", []),
        (holding("alternative", PLAIN, PAGE, ("text/calendar", "x")), "words", "<p>page", ["text/calendar"]),
        (holding("alternative", PLAIN, ("text/x-amp-html", "x"), PAGE), "words", "<p>page", ["text/x-amp-html"]),
        (holding("mixed", PLAIN, ("message/rfc822", "Subject: x\r\n\r\nold")), "words", None, ["message/rfc822"]),
        (b"Content-Type: text/csv\r\n\r\na;b", "a;b", None, []),
        (b"Content-Type:\r\n\r\nwords", "words", None, []),
        (b"Content-Type: text\r\n\r\nwords", "words", None, []),
        (b"Content-Type: text/plain; format=flowed\r\n\r\none \r\nline\r\n", "one line\n", None, []),
        (b"Content-Type: application/pdf\r\n\r\nx", None, None, ["application/pdf"]),
        (b"Content-Type: text/html\r\n\r\n<script>x", None, "<script>x", []),
        (holding("alternative", ("text/plain", " "), PAGE), None, "<p>page", []),
    ],
)
def test_each_part_is_in_a_text_or_among_the_attachments(
    raw: bytes, text: str | None, html: str | None, files: list[str]
) -> None:
    message = read_written(raw)
    footer = '<div dir="auto" style="white-space: pre-wrap">footer</div>'
    assert (message.text, message.html) == (text, html and html.replace("{footer}", footer))
    assert [f"{part.media_type}/{part.media_subtype}" for part in message.files] == files
    assert list(message.files) == list_attachments(raw)
    assert message.is_complete


def test_parts_beyond_the_limit_are_left_together() -> None:
    assert (read_written(parts(1500)).text or "").count("part") == 1500


def test_what_lies_in_an_attached_message_is_found_by_its_number() -> None:
    inner = holding("mixed", PLAIN, PICTURE).decode()
    raw = holding("mixed", PLAIN, ("message/rfc822", inner.replace("boundary=b", "boundary=c").replace("--b", "--c")))
    assert [part.section for part in list_attachments(raw)] == ["2"]
    found = find_attachment(raw, "2.2")
    assert found is not None
    assert found.media_type == "image"
    assert find_attachment(raw, "3") is None


def test_a_page_too_long_to_be_told_as_text_says_so() -> None:
    assert not read_written(holding("mixed", ("text/html", "<p>long" * 400_000), FOOTER)).is_complete


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\r\nbody", b"no header at all", b"Subject: x", b"Subject: x\n\nbody\n"]
)
def test_a_fragment_is_read_as_far_as_it_goes(raw: bytes) -> None:
    message = read_written(raw)
    assert message.html is None
    assert (message.text or "").strip() in ("", "body")


def test_a_header_that_is_folded_with_a_tab_reads_as_with_a_space() -> None:
    read = read_written(b"Subject: one\r\n\ttwo\r\n\r\n")
    assert read.headers == (("Subject", "one two"),)
