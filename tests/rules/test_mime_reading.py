"""Reading any message for people: in bounded time, without ever raising."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.mime import ReadMessage, read_message

SECONDS = 2.0


def read_in_time(raw: bytes) -> ReadMessage:
    started = time.thread_time()
    message = read_message(raw)
    assert time.thread_time() - started < SECONDS
    return message


def nested(depth: int) -> bytes:
    head = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth))
    return head + b"\r\ninnermost\r\n" + b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))


def test_deep_nesting_takes_no_memory_by_the_level() -> None:
    raw = nested(20).replace(b"innermost", b"innermost" * 200_000)
    tracemalloc.start()
    try:
        read_message(raw)
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


@pytest.mark.parametrize("raw", [nested(500), parts(10_000), b"A: 1\r\n" * 2000 + b"\r\n", b"A: " + b"a" * 400_000])
def test_a_message_beyond_the_limits_says_so(raw: bytes) -> None:
    assert not read_message(raw).is_complete


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
    message = read_message(raw)
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
    message = read_message(raw)
    assert (message.text, message.html) == ("a=bc", "<p>ü")
    assert message.headers[0] == ("Subject", "Grüße")
    (attachment,) = message.attachments
    assert (attachment.filename, attachment.content_type, attachment.content_id) == ("x.png", "image/png", "logo")
    assert attachment.size_bytes == 3


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\r\nbody", b"no header at all", b"Subject: x", b"Subject: x\n\nbody\n"]
)
def test_a_fragment_is_read_as_far_as_it_goes(raw: bytes) -> None:
    message = read_message(raw)
    assert message.html is None
    assert (message.text or "").strip() in ("", "body")


def test_a_header_that_is_folded_with_a_tab_reads_as_with_a_space() -> None:
    read = read_message(b"Subject: one\r\n\ttwo\r\n\r\n")
    assert read.headers == (("Subject", "one two"),)
