"""Messages too large to be held: they come whole, in slices, and their header costs no more than a header."""

from __future__ import annotations

import pytest

from tests.api.imap.client import Client

HEAD = (
    b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)
LINE = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n"
MESSAGE = HEAD + b"".join(b"%06d" % n + LINE[6:] for n in range(40_000)) + b"--b--\r\n"
PART = MESSAGE[len(HEAD) : -len(b"\r\n--b--\r\n")]


@pytest.fixture
def large(client: Client) -> Client:
    client.append(MESSAGE)
    client.ask(b"SELECT INBOX")
    return client


def fetch(client: Client, item: bytes) -> bytes:
    answers = client.ask(b"FETCH 1 (UID %b)" % item)
    assert answers[-1] == b"OK FETCH completed"
    return next(answer for answer in answers if b" FETCH (" in answer and b"{" in answer)


@pytest.mark.parametrize(
    ("item", "content"),
    [
        (b"BODY.PEEK[]", MESSAGE),
        (b"BODY.PEEK[2]", PART),
        (b"BODY.PEEK[]<1000000.70000>", MESSAGE[1_000_000:1_070_000]),
        (b"BODY.PEEK[2]<2000000.1500000>", PART[2_000_000:3_500_000]),
        (b"BODY.PEEK[2]<99999999.5>", b""),
        (b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]", b"Subject: large\r\n\r\n"),
        (b"BODY.PEEK[1]", b"hello"),
    ],
)
def test_a_section_of_a_large_message_is_what_was_asked_for(large: Client, item: bytes, content: bytes) -> None:
    answer = fetch(large, item)
    assert answer.endswith(b"{%d}\r\n%b)" % (len(content), content))


def test_several_sections_stand_in_one_answer(large: Client) -> None:
    answer = fetch(large, b"BODY[1] BODY[9] BODY[]")
    assert answer.startswith(b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) BODY[1] {5}\r\nhello BODY[9] NIL BODY[] {")
    assert answer.endswith(MESSAGE + b")")
