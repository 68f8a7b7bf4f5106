"""The scanner against messages that were made to break it."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from hourpost.rules.mail.decoding import decode_part, decode_text
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.storing import pack_parts, unpack_parts
from tests.rules.mail.letters import list_mutations

KIB = 1024
# No measurement: what takes time by the square takes minutes at these sizes
BOUND_SECONDS = 10

ATTACKS = {
    "a line without an end": b"a" * 2_000_000,
    "a header without an end": b"Subject: x\r\n" + b" y\r\n" * 400_000,
    "fields without an end": b"a:\r\n" * 400_000,
    "addresses": b"To: " + b"a," * 500_000 + b"\r\n\r\n",
    "addresses in angles": b"To: " + b"<" * 250_000 + b"\r\n\r\n",
    "comments": b"To: " + b"(" * 250_000 + b"\r\n\r\n",
    "quotes": b"To: " + b'"\\' * 120_000 + b"\r\n\r\n",
    "phrases": b"To: " + b"a " * 120_000 + b"\r\n\r\n",
    "groups": b"To: " + b"a:;" * 80_000 + b"\r\n\r\n",
    "parameters": b"Content-Type: text/plain" + b";a=b" * 60_000 + b"\r\n\r\n",
    "continued parameters": b"Content-Type: text/plain" + b"".join(b";a*%d=b" % number for number in range(999)) + b"\r\n\r\n",  # noqa: E501
    "blobs": b"Subject: " + b"[a]" * 80_000 + b"\r\n\r\n",
    "forwards": b"Subject: " + b"[fwd:" * 50_000 + b"]" * 50_000 + b"\r\n\r\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 18_000 + b"\r\n\r\n",
    "charsets": b"Subject: " + b"".join(b"=?x%d?q?a?= " % number for number in range(18_000)) + b"\r\n\r\n",
    "references": b"References: " + b"<a@b>" * 50_000 + b"\r\n\r\n",
    "blanks": b"Date: " + b" " * 250_000 + b"x\r\n\r\n",
    "boundaries": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"\r\n--x" * 400_000,
    "almost boundaries": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"\r\n--xy" * 300_000,
    "nested multiparts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 40_000,
    "multiparts, each with its own": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number) for number in range(20_000)
    ),
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 60_000,
    "messages with many addresses": b"Content-Type: message/rfc822\r\nFrom: " + b"a," * 50 + b"\r\n\r\n",
    "tags": b"Content-Type: text/html\r\n\r\n" + b"<" * 1_000_000,
    "open comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 250_000,
    "open styles": b"Content-Type: text/html\r\n\r\n" + b"<style>" * 150_000,
    "open tags": b"Content-Type: text/html\r\n\r\n" + b"<a" * 500_000,
    "entities": b"Content-Type: text/html\r\n\r\n" + b"&#" + b"9" * 500_000 + b"&" * 500_000,
    "broken base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"YQ=" * 400_000,
    "blanks in quoted-printable": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b" " * 900_000 + b"a \r\n" * 20_000,  # noqa: E501
    "utf-7": b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+2AA-" * 200_000,
    "idna": b"Content-Type: text/plain; charset=idna\r\n\r\n" + b"xn--a." * 100_000,
    "file names": b"Content-Disposition: a; filename=a" + b" " * 200_000 + b"(x)" + b" " * 50_000 + b"y\r\n\r\n",
    "metas": b"Content-Type: text/html\r\n\r\n" + b"<meta charset " * 20_000 + b"\xfc",
    "not text": b"Content-Type: text/plain; charset=base64_codec\r\n\r\n" + b"a" * 1000,
    "nul": b"\0" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_a_message_like_any_other(name: str) -> None:
    content = ATTACKS[name]
    started = time.thread_time()
    tracemalloc.start()
    try:
        scanned = scan(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.thread_time() - started < BOUND_SECONDS
    assert peak < 20 * max(len(content), 256 * KIB)
    assert unpack_parts(pack_parts(scanned.parts)) == scanned.parts


def test_thousands_of_mutated_messages_are_scanned() -> None:
    for content in list_mutations(4_000, seed=3501):
        _scan_one(content)


def _scan_one(content: bytes) -> None:
    tracemalloc.start()  # for the scan alone: under it all takes many times as long
    try:
        started = time.thread_time()
        scanned = scan(content)
        assert tracemalloc.get_traced_memory()[1] < 20 * (len(content) + 16 * KIB)
        assert time.thread_time() - started < 1
    finally:
        tracemalloc.stop()
    assert scanned.parts
    for part in scanned.parts:
        assert 0 <= part.header_at <= part.body_at <= part.body_at + part.body_size <= len(content)
    text = (scanned.search_text, scanned.search_header, scanned.subject, scanned.from_text, scanned.preview)
    assert "\0" not in "".join(text).encode().decode()
    _require_balanced(scanned.bodystructure)
    _require_balanced(scanned.envelope)


def test_mutated_messages_take_little_memory() -> None:
    for content in list_mutations(500, seed=3501):
        tracemalloc.start()
        try:
            scan(content * 20)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # A charset or a cache met for the first time takes its own
        assert peak < 20 * (len(content * 20) + 16 * KIB)


def test_parts_of_mutated_messages_are_decoded() -> None:
    for content in list_mutations(500, seed=5322):
        for part in scan(content).parts:
            decode_part(content, part)
            assert "\0" not in decode_text(content, part)


def _require_balanced(written: bytes) -> None:
    """Pass a list as IMAP writes it: parentheses that match, strings that end."""
    at, depth = 0, 0
    while at < len(written):
        byte = written[at : at + 1]
        if byte == b'"':
            at += 1
            while written[at : at + 1] != b'"':
                assert written[at] not in b"\r\n\0"
                assert written[at] < 128
                at += 2 if written[at : at + 1] == b"\\" else 1
        elif byte == b"{":
            end = written.index(b"}\r\n", at)
            at = end + 2 + int(written[at + 1 : end])
        else:
            depth += {b"(": 1, b")": -1}.get(byte, 0)
            assert depth > 0 or at == len(written) - 1
        at += 1
    assert depth == 0
    assert at == len(written)
