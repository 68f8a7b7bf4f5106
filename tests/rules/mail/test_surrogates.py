"""What stands for UTF-8 in headers where it may not be said (RFC 6858)."""

from __future__ import annotations

import email
import email.policy
import random
import time
import tracemalloc
from collections.abc import Sequence

import pytest

from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.surrogates import NOBODY, Patch, Patching, find_patches
from tests.rules.mail.letters import list_mutations
from tests.rules.mail.test_hostile import ATTACKS, BOUND_SECONDS


def patched(content: bytes, *cuts: int) -> bytes:
    """The message as it is given, put in by pieces that end at ``cuts``."""
    patching = Patching(find_patches(content, scan(content)))
    ends = [0, *sorted(cuts), len(content)]
    return b"".join(patching.feed(content[start:end]) for start, end in zip(ends, ends[1:], strict=False))


def fields_of(text: str) -> list[tuple[str, str]]:
    """Of a header with this field in it: every field as Python's reader has it."""
    content = patched(f"To: b@x.test\r\n{text}\r\nMIME-Version: 1.0\r\n\r\nGrüße\r\n".encode())
    header, _, body = content.partition(b"\r\n\r\n")
    assert header.isascii()
    assert max(map(len, header.split(b"\r\n"))) <= 998
    assert body.decode() == "Grüße\r\n"
    read = email.message_from_bytes(content, policy=email.policy.default)
    found = [(name, str(value)) for name, value in read.items()]
    assert (found[0], found[-1]) == (("To", "b@x.test"), ("MIME-Version", "1.0"))
    return found[1:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Subject: Grüße", [("Subject", "Grüße")]),
        ("subject: " + "Größe " * 60, [("subject", ("Größe " * 60).strip())]),
        ("Subject: Grüße\r\n aus Köln", [("Subject", "Grüße aus Köln")]),
        ("From: Jürgen <j@x.test>", [("From", "Jürgen <j@x.test>")]),
        ('From: "Müller, Jürgen" <j@x.test>, b@x.test', [("From", '"Müller, Jürgen" <j@x.test>, b@x.test')]),
        ("From: Jan <jan@bücher.test>", [("From", "Jan <jan@xn--bcher-kva.test>")]),
        ("From: Jürgen <jürgen@x.test>", [("From", f'"Jürgen (jürgen@x.test)" <{NOBODY}>')]),
        ("From: jürgen@x.test", [("From", f'"jürgen@x.test" <{NOBODY}>')]),
        ('To: "a b"@bücher.test', [("To", '"a b"@xn--bcher-kva.test')]),
        ("Cc: Gäste: a@x.test, b@x.test;", []),
        ("Message-ID: <ü@x.test>", []),
        ("X-Note: ganz schön", [("X-Note", "ganz schön")]),
        ("Subject: plain", [("Subject", "plain")]),
    ],
)
def test_a_field_is_written_in_ascii(text: str, expected: list[tuple[str, str]]) -> None:
    found = fields_of(text)
    if text.startswith("Cc"):  # a group whose name is beyond ASCII gives who is in it
        assert found == [("Cc", "a@x.test, b@x.test")]
    else:
        assert found == expected


def test_parts_and_the_messages_in_them_are_written_in_ascii_too() -> None:
    content = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        'Content-Type: application/pdf; name="Übersicht über den sehr langen Namen.pdf"\r\n'
        'Content-Disposition: attachment; filename="ü.pdf"; size=3\r\n\r\nabc\r\n--b\r\n'
        "Content-Type: message/rfc822\r\n\r\nSubject: wäre\r\nFrom: ä@x.test\r\n\r\nDrin: ü\r\n--b--\r\n"
    ).encode()
    given = patched(content)
    assert given.decode().replace("Drin: ü", "").isascii()
    file, inner = email.message_from_bytes(given, policy=email.policy.default).iter_parts()
    assert file.get_filename() == "ü.pdf"
    assert file["Content-Type"].params["name"] == "Übersicht über den sehr langen Namen.pdf"
    assert file["Content-Disposition"].params["size"] == "3"
    assert inner.get_content()["Subject"] == "wäre"
    assert "Drin: ü" in given.decode()


@pytest.mark.parametrize(
    "content", [b"Subject: a\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n", b"Subject: Gr\xfc\xdfe\r\n\r\nx\r\n", b"", b"\xc3\xbc"]
)
def test_what_is_not_utf_8_in_a_header_keeps_its_bytes(content: bytes) -> None:
    assert patched(content) == content


@pytest.mark.parametrize("name", ["Subject", "Message-ID", "From", "X-Note"])
def test_a_last_line_without_an_end_is_given_none(name: str) -> None:
    content = f"To: b@x.test\r\n{name}: ü".encode()
    given = patched(content)
    assert given.isascii()
    assert given.startswith(f"To: b@x.test\r\n{name}: ".encode())
    assert not given.endswith(b"\n")


def test_it_does_not_matter_how_the_message_is_cut() -> None:
    content = "Subject: ä\r\nX-A: b\r\nFrom: ü <a@x.test>\r\nReferences: <ä@x>\r\n\r\nGrüße\r\n".encode()
    whole, chance = patched(content), random.Random(1)
    assert len(whole) - len(content) == sum(len(one.text) - one.size for one in find_patches(content, scan(content)))
    for _ in range(200):
        assert patched(content, *chance.sample(range(len(content)), 8)) == whole
    assert patched(content, *range(1, len(content))) == whole


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_given_a_surrogate_in_time(name: str) -> None:
    content = ATTACKS[name].replace(b"a", "ä".encode(), 1000) + "\r\nSubject: ä\r\n\r\n".encode()
    scanned = scan(content)
    started = time.thread_time()
    tracemalloc.start()
    try:
        patches = find_patches(content, scanned)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.thread_time() - started < BOUND_SECONDS
    assert peak < 20 * max(len(content), 256 * 1024)
    require_order(patches, len(content))


def test_mutated_messages_are_given_surrogates() -> None:
    chance = random.Random(6858)
    for content in list_mutations(2000, seed=6858):
        mutated = bytearray(content)
        for _ in range(6):
            at = chance.randrange(len(mutated) + 1)
            mutated[at:at] = chance.choice(("ü", "日本", "é@ü.test", "=?utf-8?q?=FC?= ü")).encode()
        scanned = scan(bytes(mutated))
        patches = find_patches(bytes(mutated), scanned)
        require_order(patches, len(mutated))
        given = patched(bytes(mutated), *(chance.randrange(len(mutated)) for _ in range(3)))
        assert len(given) == len(mutated) + sum(len(one.text) - one.size for one in patches)
        assert all(one.text.isascii() for one in patches)
        assert all(one.text == b"" or b"\r\n\r\n" not in one.text for one in patches)


def require_order(patches: Sequence[Patch], size: int) -> None:
    """Pass patches that come one after the other, within the message."""
    at = 0
    for one in patches:
        assert at <= one.at < one.at + one.size <= size
        at = one.at + one.size
