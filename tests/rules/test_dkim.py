"""DKIM signatures, with dkimpy as the oracle for both algorithms and the example of RFC 8463 for the body."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.dkim import (
    SigningKey,
    dns_record,
    generate_keys,
    hash_body,
    is_same_record,
    load_signing_key,
    relax_body,
    sign,
)
from hourpost.rules.headers import HeaderError

DATE = datetime(2024, 12, 1, 9, 0, tzinfo=UTC)
RSA, ED25519 = generate_keys()
KEYS = (
    load_signing_key("rsa1", "acme.test", "rsa-sha256", RSA.private_pem),
    load_signing_key("ed1", "acme.test", "ed25519-sha256", ED25519.private_pem),
)
MAIL = b"From: a@acme.test\r\nTo: b@b.test\r\nSubject: Hi\r\nDate: x\r\nMessage-ID: <1@acme.test>\r\n\r\nHello\r\n"


class VerifyKey:
    """What dkimpy takes from PyNaCl, on the library that we have."""

    def __init__(self, key: bytes, encoder: object = None) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> None:
        self._key.verify(signature, message)


dkim.nacl = SimpleNamespace(
    signing=SimpleNamespace(VerifyKey=VerifyKey),
    encoding=SimpleNamespace(Base64Encoder=None),
    exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=ValueError),
)


def published(name: bytes, timeout: int = 5) -> bytes:
    records = {b"rsa1._domainkey.acme.test.": RSA.record, b"ed1._domainkey.acme.test.": ED25519.record}
    return records[name].encode()


def verifies(raw: bytes, index: int = 0) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=published))
    except dkim.ValidationError:
        return False


def test_both_signatures_verify() -> None:
    raw = sign(MAIL, KEYS, DATE) + MAIL
    assert verifies(raw, 0)
    assert verifies(raw, 1)


def test_signing_twice_gives_the_same_bytes() -> None:
    assert sign(MAIL, KEYS, DATE) == sign(MAIL, KEYS, DATE) == sign(MAIL, KEYS, DATE, body_hash=hash_body(MAIL))


def test_a_signature_is_short_lines_of_the_agreed_tags() -> None:
    lines = sign(MAIL, KEYS[:1], DATE).split(b"\r\n")
    assert lines[0] == b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=acme.test;"
    assert lines[1] == b" s=rsa1; t=1733043600;"
    assert max(map(len, lines)) <= 76


def test_the_body_of_rfc_8463_has_its_hash() -> None:
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    assert b64encode(hash_body(b"From: a@b.test\r\n\r\n" + body)) == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b" \r\n\t\r\n", b""),
        (b"a", b"a\r\n"),
        (b"a \t\r\n", b"a\r\n"),
        (b" a\t b  \r\n\r\n \r\n", b" a b\r\n"),
        (b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"   \r\na\r\n", b"\r\na\r\n"),
    ],
)
def test_a_body_is_relaxed_as_rfc_6376_says(body: bytes, relaxed: bytes) -> None:
    assert relax_body(body) == relaxed


blanks = st.sampled_from([b"", b" ", b"\t", b"  \t "])
words = st.sampled_from([b"a", b"b:c", b"=3D", b";", "ü".encode(), b"x" * 80, b"b=", b"."])
folded = st.lists(st.tuples(st.sampled_from([b"", b"\r\n ", b"\r\n\t"]), blanks, words).map(b"".join), max_size=4)
names = st.sampled_from(
    [b"To", b"SUBJECT", b"X-Other", b"cc", b"List-Unsubscribe", b"Date", b"Content-Type", b"Sender"]
)
fields = st.tuples(names, folded.map(b"".join), blanks).map(lambda field: b"%b:%b%b\r\n" % field)
pieces = st.sampled_from([b"a", b" ", b"\t", b"\r\n", b".", b"  \r\n", b"b" * 90, b"\xff"])
bodies = st.just(b"") | st.lists(pieces, max_size=20).map(lambda parts: b"".join(parts) + b"\r\n")


@settings(max_examples=60, deadline=None)
@given(st.lists(fields, max_size=8), bodies)
def test_odd_mail_is_signed_so_that_dkimpy_agrees(head: list[bytes], body: bytes) -> None:
    raw = b"From: Acme <a@acme.test>\r\n" + b"".join(head) + b"\r\n" + body
    signed = sign(raw, KEYS, DATE) + raw
    assert verifies(signed, 0)
    assert verifies(signed, 1)


@settings(max_examples=300, deadline=None)
@given(bodies)
def test_bodies_are_relaxed_as_dkimpy_does(body: bytes) -> None:
    assert relax_body(body) == Relaxed.canonicalize_body(body)


@pytest.mark.parametrize(
    "added",
    [b"From: evil@b.test", b"Subject: other", b"To: c@d.test", b"Cc: c@d.test", b"Reply-To: evil@b.test", b"Date: y"],
)
def test_no_header_that_people_see_can_be_added(added: bytes) -> None:
    signature = sign(MAIL, KEYS, DATE)
    assert not verifies(signature + added + b"\r\n" + MAIL)
    assert not verifies(signature + MAIL.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n\r\n", 1))


@pytest.mark.parametrize(("before", "after"), [(b"Hello", b"hello"), (b"Hi", b"Ho"), (b"b@b.test", b"c@b.test")])
def test_changed_mail_does_not_verify(before: bytes, after: bytes) -> None:
    assert not verifies(sign(MAIL, KEYS, DATE) + MAIL.replace(before, after))


def test_many_headers_of_one_name_do_not_make_the_signature_long() -> None:
    raw = b"To: a@b.test\r\n" * 2000 + MAIL
    signature = sign(raw, KEYS[:1], DATE)
    assert len(signature) < 1500
    assert verifies(signature + raw)


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"Subject: x\r\n\r\n", b"no header\r\n\r\n"])
def test_mail_without_from_is_not_signed(raw: bytes) -> None:
    with pytest.raises(HeaderError):
        sign(raw, KEYS, DATE)


def test_a_record_is_what_is_published() -> None:
    assert RSA.record.startswith("v=DKIM1; k=rsa; p=MIIB")
    assert ED25519.record.startswith("v=DKIM1; k=ed25519; p=")
    assert dns_record(KEYS[0].private.public_key()) == RSA.record


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (RSA.record, True),
        (RSA.record.replace("; ", ";"), True),
        (RSA.record.replace("v=DKIM1; k=rsa; ", ""), True),
        (f" {RSA.record[:90]} {RSA.record[90:]} ; t=s ; n=note", True),
        pytest.param(ED25519.record, False, id="a new key each time"),
        (RSA.record.replace("k=rsa", "k=ed25519"), False),
        (RSA.record.replace("DKIM1", "DKIM2"), False),
        ("v=DKIM1; k=rsa; p=", False),
        ("", False),
        ("v=spf1 -all", False),
    ],
)
def test_a_found_record_is_compared_by_its_key(found: str, same: bool) -> None:
    assert is_same_record(found, RSA.record) is same


@pytest.mark.parametrize(
    ("selector", "domain", "algorithm", "pem"),
    [
        ("s", "acme.test", "ed25519-sha256", RSA.private_pem),
        ("s", "acme.test", "rsa-sha256", ED25519.private_pem),
        ("s", "acme.test", "rsa-sha256", b"no key"),
        ("s;", "acme.test", "rsa-sha256", RSA.private_pem),
        ("s", "acme.test\r\nX: y", "rsa-sha256", RSA.private_pem),
    ],
)
def test_a_key_that_does_not_fit_is_refused(selector: str, domain: str, algorithm: str, pem: bytes) -> None:
    with pytest.raises(ValueError, match=r"key|DNS name|PEM"):
        load_signing_key(selector, domain, algorithm, pem)  # type: ignore[arg-type]


def test_a_key_signs_the_digest_with_ed25519() -> None:
    key = SigningKey("s", "acme.test", "ed25519-sha256", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    assert len(key.sign(b"x")) == 64
