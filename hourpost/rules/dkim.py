"""DKIM signatures (RFC 6376), relaxed/relaxed, by RSA-SHA256 and Ed25519-SHA256 (RFC 8463)."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from hourpost.rules.headers import HeaderError, read_fields

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
PublicKey = RSAPublicKey | Ed25519PublicKey

RSA_BITS = 2048
# A header given more often than this is an attack on the length of h=, not mail
MAX_INSTANCES = 5

# Signed once more than they occur, so that nobody can add one: a reader would show the added one
_ALWAYS_OVERSIGNED = (b"from", b"reply-to", b"subject", b"date", b"to", b"cc")
# Oversigned where they occur: a mailing list or a gateway may rightly add them to mail without
_OVERSIGNED_IF_PRESENT = (
    b"sender",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"in-reply-to",
    b"references",
)
_SIGNED_IF_PRESENT = (
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-id",
    b"list-help",
    b"list-owner",
    b"list-subscribe",
    b"list-post",
    b"list-archive",
    b"feedback-id",
    b"auto-submitted",
)
_SELECTED = frozenset({*_ALWAYS_OVERSIGNED, *_OVERSIGNED_IF_PRESENT, *_SIGNED_IF_PRESENT})

_BLANKS = re.compile(rb"[ \t]+")
_SPACES = re.compile(rb"  +")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*([^;]*)")
_FOLD = b"\r\n "
_LINE = 70
_SHA256 = hashes.SHA256()
_PKCS1 = PKCS1v15()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key ready for use, and where its public half is found: ``selector._domainkey.domain``."""

    selector: str
    domain: str
    algorithm: Algorithm
    private: RSAPrivateKey | Ed25519PrivateKey

    def sign(self, data: bytes) -> bytes:
        """The signature of SHA-256(data); RFC 8463 §3 has Ed25519 sign the digest itself."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(sha256(data).digest())
        return self.private.sign(data, _PKCS1, _SHA256)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key: the private half as PKCS #8 PEM without encryption, the public one as the text of its TXT record."""

    algorithm: Algorithm
    private_pem: bytes
    record: str


def generate_keys() -> tuple[KeyPair, KeyPair]:
    """A new RSA-2048 pair and a new Ed25519 pair; the first takes about 0.1 s."""
    return _pair("rsa-sha256", generate_private_key(65537, RSA_BITS)), _pair(
        "ed25519-sha256", Ed25519PrivateKey.generate()
    )


def load_signing_key(selector: str, domain: str, algorithm: Algorithm, private_pem: bytes | str) -> SigningKey:
    """Parse a private key of our own making, which is therefore not proved again: that would take 0.1 s and more.

    Raises:
        ValueError: The PEM is no key of that algorithm, or selector or domain are no DNS names.
    """
    for name in (selector, domain):
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name[:100]!a} is not a DNS name")
    pem = private_pem.encode() if isinstance(private_pem, str) else private_pem
    try:
        private = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the private key of {selector}._domainkey.{domain} cannot be read") from error
    if isinstance(private, RSAPrivateKey) and algorithm == "rsa-sha256":
        return SigningKey(selector, domain, algorithm, private)
    if isinstance(private, Ed25519PrivateKey) and algorithm == "ed25519-sha256":
        return SigningKey(selector, domain, algorithm, private)
    raise ValueError(f"the private key of {selector}._domainkey.{domain} is not one for {algorithm}")


def dns_record(public: PublicKey) -> str:
    """The TXT record of a public key (RFC 6376 §3.6.1, RFC 8463 §4), in one piece of over 255 characters for RSA."""
    if isinstance(public, Ed25519PublicKey):
        return f"v=DKIM1; k=ed25519; p={b64encode(public.public_bytes_raw()).decode()}"
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={b64encode(der).decode()}"


def is_same_record(found: str, expected: str) -> bool:
    """Whether a TXT record that DNS gave publishes the key of ``expected``, however it is spaced and ordered."""
    published, wanted = _read_tags(found), _read_tags(expected)
    if published.get("v", "DKIM1") != "DKIM1" or not wanted.get("p"):
        return False
    return published.get("k", "rsa") == wanted.get("k", "rsa") and published.get("p") == wanted["p"]


def hash_body(raw: bytes) -> bytes:
    """SHA-256 of a canonical message's body, relaxed (RFC 6376 §3.4.4): the same for every key and attempt."""
    end = raw.find(b"\r\n\r\n")
    return sha256(b"" if end < 0 else relax_body(raw[end + 4 :])).digest()


def sign(raw: bytes, keys: Sequence[SigningKey], signed_at: datetime, *, body_hash: bytes | None = None) -> bytes:
    """The DKIM-Signature fields for the top of a canonical message: one for each key, in order, each ended by CRLF.

    The same input gives the same bytes. ``body_hash`` is what ``hash_body`` gave for this message.

    Raises:
        HeaderError: The message has no header block, or no From in it.
    """
    end = raw.find(b"\r\n\r\n")
    names, signed = _select(raw if end < 0 else raw[: end + 2])
    digest = b64encode(body_hash if body_hash is not None else hash_body(raw))
    h = _fold_names(names)
    moment = int(signed_at.timestamp())
    return b"".join([_signature(key, h, signed, digest, moment) for key in keys])


def relax_body(body: bytes) -> bytes:
    """The relaxed form of a body that is canonical and ends with CRLF, or is empty (RFC 6376 §3.4.4).

    One space for each run of blanks, none at the end of a line, no empty lines at the end.
    """
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    body = _SPACES.sub(b" ", body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return body + b"\r\n" if body else b""


def relax_header(name: bytes, value: bytes) -> bytes:
    """The relaxed form of a field, CRLF included (RFC 6376 §3.4.2)."""
    if b"\r\n" in value:
        value = value.replace(b"\r\n", b"")
    if b"\t" in value or b"  " in value:
        value = _BLANKS.sub(b" ", value)
    return b"%b:%b\r\n" % (name, value.strip(b" \t"))


def _select(block: bytes) -> tuple[list[bytes], bytes]:
    """The names for h=, and the relaxed fields they stand for, instances from the bottom up (RFC 6376 §5.4.2)."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in read_fields(block):
        lower = name.lower()
        if lower in _SELECTED:
            found.setdefault(lower, []).append(value)
    if b"from" not in found:
        raise HeaderError("a message without From cannot be signed")
    names: list[bytes] = []
    signed: list[bytes] = []
    for name in (*_ALWAYS_OVERSIGNED, *_OVERSIGNED_IF_PRESENT, *_SIGNED_IF_PRESENT):
        values = found.get(name, ())
        for value in values[: -MAX_INSTANCES - 1 : -1]:
            names.append(name)
            signed.append(relax_header(name, value))
        oversigned = name in _ALWAYS_OVERSIGNED or (values and name in _OVERSIGNED_IF_PRESENT)
        if oversigned and len(values) <= MAX_INSTANCES:
            names.append(name)
    return names, b"".join(signed)


def _signature(key: SigningKey, h: bytes, signed: bytes, digest: bytes, moment: int) -> bytes:
    a, d, s = key.algorithm.encode(), key.domain.encode(), key.selector.encode()
    value = b" v=1; a=%b; c=relaxed/relaxed; d=%b;\r\n s=%b; t=%d;\r\n h=%b;\r\n bh=%b;\r\n b=" % (
        a,
        d,
        s,
        moment,
        h,
        digest,
    )
    # The field itself is signed last, with b= empty and without its CRLF (RFC 6376 §3.7)
    itself = relax_header(b"dkim-signature", value)[:-2]
    encoded = b2a_base64(key.sign(signed + itself), newline=False)
    pieces = [encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)]
    return b"DKIM-Signature:%b%b\r\n" % (value, _FOLD.join(pieces))


def _fold_names(names: list[bytes]) -> bytes:
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return _FOLD.join(lines).removesuffix(b":")


def _pair(algorithm: Algorithm, private: RSAPrivateKey | Ed25519PrivateKey) -> KeyPair:
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(algorithm, pem, dns_record(private.public_key()))


def _read_tags(record: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for part in record.split(";"):
        match = _TAG.fullmatch(part)
        if match is not None:
            tags.setdefault(match[1], "".join(match[2].split()))
    return tags
