"""What is shown of a message, what an answer quotes of it, and which of its parts are files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api.web.dashboard.mail.quoting import text_of
from hourpost.mailboxes.reading import ReadableMessage, make_readable
from hourpost.rules.mail.scan import scan

ROW: Any = SimpleNamespace(uid=1)
PLAIN = "Content-Type: text/plain\n\n"
PAGE = "Content-Type: text/html\n\n"
AMP = "Content-Type: text/x-amp-html\n\n<html amp4email><p>dialect</p>"
NOTES = "Content-Type: text/plain; name=notes.txt\nContent-Disposition: inline; filename=notes.txt\n\nnotes"
TABLE = "Content-Type: text/csv\nContent-Disposition: inline; filename=r.csv\n\n1,2"
PDF = "Content-Type: application/pdf\nContent-Disposition: inline; filename=a.pdf\n\n%PDF"


def multipart(kind: str, *parts: str) -> str:
    boundary = f"b{len(''.join(parts))}"
    head = f"Content-Type: multipart/{kind}; boundary={boundary}\n\n"
    return head + "".join(f"--{boundary}\n{part}\n" for part in parts) + f"--{boundary}--\n"


def mixed(*parts: str) -> str:
    return multipart("mixed", *parts)


def alternative(*parts: str) -> str:
    return multipart("alternative", *parts)


def read(source: str | bytes) -> ReadableMessage:
    content = source if isinstance(source, bytes) else source.replace("\n", "\r\n").encode()
    return make_readable(ROW, content, scan(content).parts, lambda section: f"/{section}", with_images=False)


LINK = '<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>'


def block(text: str) -> str:
    return f'<div dir="auto" style="white-space:pre-wrap">{text}</div>'


@pytest.mark.parametrize(
    ("source", "html", "text", "quoted", "files"),
    [
        (mixed(PLAIN + "body", PAGE + "<p>never</p>tell"), block("body") + "<hr><p>never</p>tell",
         "body\n\nnever\n\ntell", "body\n\nnever\n\ntell", []),
        (mixed(PAGE + "<p>body</p>", PLAIN + "____\nlist"), "<p>body</p><hr>" + block("____\nlist"),
         "body\n\n____\nlist", "body\n\n____\nlist", []),
        (mixed(alternative(PLAIN + "body", PAGE + "<p>body</p>"), PLAIN + "list"), "<p>body</p><hr>" + block("list"),
         "body\nlist", "body\nlist", []),
        (alternative(PLAIN + "body", PAGE + "<p>body</p>").replace("alternative", "alternative (two)", 1),
         "<p>body</p>", "body", "body", []),
        (mixed(PLAIN + "one", PDF, PLAIN + "two"), None, "one\ntwo", "one\ntwo", ["a.pdf"]),
        (mixed(PAGE + "<p>see</p>", NOTES, TABLE, PAGE + "<p>bye</p>"), "<p>see</p><hr><p>bye</p>",
         None, "see\n\nbye", ["notes.txt", "r.csv"]),
        (mixed(PLAIN + "see", NOTES), None, "see", "see", ["notes.txt"]),
        (alternative(PLAIN + "plain", mixed(PAGE + "one", PDF, PAGE + "two")), "one<hr>two", "plain", "plain",
         ["a.pdf"]),
        (alternative(PLAIN + "plain", AMP, PAGE + "<p>page</p>"), "<p>page</p>", "plain", "plain", []),
        (alternative(PAGE + "<p>page</p>", PLAIN + "plain"), "<p>page</p>", "plain", "plain", []),
        (alternative(PLAIN + " ", PAGE + "<p>page</p>"), "<p>page</p>", None, "page", []),
        (alternative(PLAIN + "plain", PAGE), None, "plain", "plain", []),
        (alternative(PLAIN + "plain", PAGE + "<script>x</script>"), None, "plain", "plain", []),
        (alternative(PLAIN + "plain", "Content-Type: text/enriched\n\n<bold>b"), None, "plain", "plain", []),
        (alternative(PLAIN + "plain", multipart("related", PAGE + "page", PDF)), "page", "plain", "plain", ["a.pdf"]),
        (mixed(PAGE + "<p>page</p>", AMP), "<p>page</p>", None, "page", [None]),
        (alternative(PLAIN + "plain", AMP.replace("html\n", "html; name=a\n")), None, "plain", "plain", ["a"]),
        (NOTES, None, "notes", "notes", ["notes.txt"]),
        (mixed(PDF, NOTES), None, "notes", "notes", ["a.pdf", "notes.txt"]),
        (NOTES.replace("inline", "attachment"), None, None, "", ["notes.txt"]),
        ("Content-Type: text/markdown\n\n*a*", None, "*a*", "*a*", []),
        (mixed(PAGE + "a<!-- b", PLAIN + "1 < 2 & <b>3</b> &lt;", PAGE + "<b>c"),
         "a<hr>" + block("1 &lt; 2 &amp; &lt;b&gt;3&lt;/b&gt; &amp;lt;") + "<hr><b>c</b>",
         "a\n\n1 < 2 & <b>3</b> &lt;\n\nc", "a\n\n1 < 2 & <b>3</b> &lt;\n\nc", []),
        (mixed(PAGE + "<p>body</p>", PLAIN + "leave: <https://x.test/?a=1&copy=2>.\nHttps://y.test/z."),
         "<p>body</p><hr>" + block(f"leave: &lt;{LINK.format('https://x.test/?a=1&amp;copy=2')}&gt;.\n"
                                   f"{LINK.format('Https://y.test/z')}."),
         "body\n\nleave: <https://x.test/?a=1&copy=2>.\nHttps://y.test/z.",
         "body\n\nleave: <https://x.test/?a=1&copy=2>.\nHttps://y.test/z.", []),
    ],
)  # fmt: skip
def test_all_that_a_message_says_is_shown_and_quoted_once(
    source: str, html: str | None, text: str | None, quoted: str, files: list[str | None]
) -> None:
    message = read(source)
    shown = None if message.html is None else message.html.replace("\n<hr>", "<hr>").strip()
    assert (shown, message.text, text_of(message).strip()) == (html, text, quoted)
    assert [file.filename for file in message.files] == files


@pytest.mark.parametrize(
    ("source", "preview", "is_attached"),
    [
        (mixed(PAGE + "<p>body</p>", PLAIN + "list"), "body", False),
        (mixed(PLAIN + "body", PAGE + "<p>never tell</p>"), "body", False),
        (alternative(PAGE + "<p>page</p>", PLAIN + "plain"), "plain", False),
        (alternative(PLAIN + " ", AMP, PAGE + "<p>page</p>"), "page", False),
        (mixed(PAGE + "<p>see</p>", NOTES), "see", True),
        (mixed("Content-Type: message/rfc822\n\nSubject: x\n\ninside"), "inside", True),
    ],
)
def test_the_preview_is_of_what_is_quoted_first(source: str, preview: str, is_attached: bool) -> None:
    scanned = scan(source.replace("\n", "\r\n").encode())
    assert (scanned.preview, scanned.has_attachments) == (preview, is_attached)


def test_a_search_finds_no_tags_of_a_dialect() -> None:
    assert scan(alternative(PLAIN + "plain", AMP).encode()).search_text == "plain dialect"


META = b'<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251">'
SHORT = b"<meta charset='koi8-r'>"


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"\x93quoted\x94 \x80 5 \xfc", "“quoted” € 5 ü"),
        ("text/plain; charset=us-ascii", b"\x93quoted\x94", "“quoted”"),
        ("text/plain; charset=ansi_x3.4-1968", b"\x93quoted\x94", "“quoted”"),
        ("text/plain; charset=iso-8859-9", b"\x80 \xf0", "€ ğ"),
        ("text/html", META + b"<p>\xcf\xf0", "Пр"),
        ("text/html; charset=us-ascii", META + b"<p>\xcf\xf0", "Пр"),
        ("text/html", SHORT + b"<p>\xf0\xd2", "Пр"),
        ("text/html", SHORT + "<p>Пр".encode(), "Пр"),
        ("text/html; charset=iso-8859-1", META + b"<p>\xfc", "ü"),
        ("text/html", b" " * 1024 + SHORT + b"<p>\xfc", "ü"),
        ("text/html", SHORT.replace(b"koi8-r", b"utf-16") + b"<p>\xfc", "ü"),
        ("text/html", SHORT.replace(b"koi8-r", b"nonsense") + b"<p>\xfc", "ü"),
        ("text/plain", SHORT + b"\xfc", "<meta charset='koi8-r'>ü"),
    ],
)
def test_text_is_read_in_the_charset_that_its_writer_meant(kind: str, content: bytes, text: str) -> None:
    written = f"Content-Type: {kind}\r\n\r\n".encode() + content
    assert text_of(read(written)).strip() == text
    assert scan(written).preview == text


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_a_header_without_a_charset_is_read_alike_everywhere(charset: str) -> None:
    """What the list guesses, the page and an answer to it guess too."""
    written = "Grüße =?utf-8?q?aus_K=C3=B6ln?=".encode(charset)
    message = read(b"From: x@far.test\r\nSubject: " + written + b"\r\n\r\nHello\r\n")
    assert message.header("subject") == "Grüße aus Köln"
    assert ("subject", "Grüße aus Köln") in message.headers


def test_a_charset_is_told_to_programs_as_it_was_written() -> None:
    assert b'("charset" "iso-8859-1")' in scan(b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\x93").body


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("filename=a b.txt", "a b.txt"),
        ("FileName = my own file.pdf ; size=5", "my own file.pdf"),
        ("filename=a (1).txt", "a (1).txt"),
        ("filename=a b.txt (a comment)", "a b.txt"),
        ("filename==?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ('x="; filename=evil.exe"; filename=good one.txt', "good one.txt"),
        ('filename="a b"; filename=c d', "a b"),
        ("filename=a b; filename*=utf-8''c.txt", "c.txt"),
        ("filename=; x=y z", None),
    ],
)
def test_the_name_of_a_file_goes_on_to_the_semicolon(written: str, name: str | None) -> None:
    kind = written.replace("FileName", "Name").replace("filename", "name")
    for head in (f"Content-Disposition: attachment; {written}", f"Content-Type: application/x; {kind}"):
        (file,) = read(f"{head}\n\nx").files
        assert file.filename == name


def test_programs_are_told_the_name_of_a_file_as_the_standard_reads_it() -> None:
    scanned = scan(b"Content-Disposition: attachment; filename=a b.txt\r\n\r\nx")
    assert b'("attachment" ("filename" "a"))' in scanned.bodystructure


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Content-Type: multipart/mixed; boundary=x\n\nall of it", "all of it"),
        ("Content-Type: multipart/alternative\n\n--y\n\nall of it\n--y--\n", "--y\n\nall of it\n--y--"),
        ("Content-Type: multipart/digest\n\nall of it", "all of it"),
        (mixed(PLAIN + "first", "Content-Type: multipart/mixed; boundary=none\n\nsecond"), "first\nsecond"),
        ("Content-Type: multipart/mixed\nContent-Transfer-Encoding: base64\n\nYWxs", "all"),
        (f"Content-Type: multipart/mixed; boundary={'x' * 300}\n\nall of it", "all of it"),
        ("Content-Type: multipart/mixed; boundary=x\n\nfor old programs\n--x--\n", ""),
        (mixed(PLAIN + "first", ""), "first"),
    ],
)
def test_a_message_whose_boundary_never_comes_is_text(source: str, text: str) -> None:
    message = read(source)
    assert (text_of(message).strip(), message.html, message.files) == (text, None, ())
    scanned = scan(source.encode())
    assert scanned.search_text == " ".join(text.split())
    assert scanned.search_text.startswith(scanned.preview)
    assert bool(scanned.preview) == bool(text)
