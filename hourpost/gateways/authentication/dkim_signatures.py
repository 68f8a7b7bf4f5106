"""DKIM by dkimpy: every signature of a message, up to a few (RFC 6376, 8301, 8463)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Any

import dkim
import dkim.canonicalization
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dkim.util import InvalidTagValueList, parse_tag_value

from hourpost.gateways.authentication.lookups import LookupFailed, Lookups
from hourpost.rules.authentication import Signature
from hourpost.rules.dkim import relax_body
from hourpost.rules.incoming import header_end

# What somebody may make us compute: dkimpy takes time by the square over some of it, and holds everybody up meanwhile
_MAX_SIGNATURES = 5
_MAX_HEADERS = 1000
_MAX_SIGNATURE_BYTES = 4096
_MAX_KEY_BYTES = 2048

_SPACE = re.compile(rb"\s+")


class _Relaxed(dkim.canonicalization.Relaxed):  # type: ignore[misc]
    """dkimpy's relaxed form, in linear time."""

    @staticmethod
    def canonicalize_body(body: bytes) -> bytes:
        """The body as it is signed (RFC 6376 §3.4.4)."""
        return relax_body(body if not body or body.endswith(b"\r\n") else body + b"\r\n")


dkim.canonicalization.ALGORITHMS[_Relaxed.name] = _Relaxed


_FIELD = re.compile(rb"([!-9;-~]+[ \t]*):([^\r\n]*+\r\n(?>(?:[ \t][^\r\n]*+\r\n)*))")


class _Ed25519Key:
    """What dkimpy asks of a key of PyNaCl, by ``cryptography``."""

    def __init__(self, public: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(public)
        self.is_good = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        try:
            self._key.verify(signature, digest)
        except InvalidSignature:
            return
        self.is_good = True


class _Dkim(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's verification; Ed25519 without PyNaCl, and the message is not cut into its lines."""

    def set_message(self, message: bytes) -> None:
        """Take a message whose lines end in CRLF."""
        super().set_message(b"")
        end = header_end(message)
        self.headers = [[name, value] for name, value in _FIELD.findall(message[:end])]
        self.body = message[end + 2 :]

    def verify_sig(self, sig: Any, include_headers: Any, sig_header: Any, dnsfunc: Any) -> bool:
        """Whether one signature is good. Raises: DKIMException."""
        if sig[b"a"] != b"ed25519-sha256":
            return bool(super().verify_sig(sig, include_headers, sig_header, dnsfunc))
        record = dnsfunc(b"%b._domainkey.%b." % (sig[b"s"], sig[b"d"]))
        try:
            tags = parse_tag_value(record or b"")
            key = _Ed25519Key(b64decode(_SPACE.sub(b"", tags.get(b"p", b""))))
        except (InvalidTagValueList, ValueError, binascii.Error) as error:
            raise dkim.KeyFormatError(str(error)) from error
        if tags.get(b"k") != b"ed25519":
            raise dkim.KeyFormatError("the key is of another kind")
        self.pk, self.keysize, self.ktag, self.seqtlsrpt = key, 256, b"ed25519", False
        return bool(self.verify_sig_process(sig, include_headers, sig_header, dnsfunc)) and key.is_good


def check_signatures(lookups: Lookups, content: bytes) -> tuple[Signature, ...]:
    """The signatures of a message, in their order."""
    if b"dkim-signature" not in content[: content.find(b"\r\n\r\n")].lower():
        return ()
    message = _Dkim(content, minkey=1024)
    found = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    if len(message.headers) > _MAX_HEADERS or any(len(value) > _MAX_SIGNATURE_BYTES for value in found):
        return (Signature("permerror"),)
    return tuple(_check(lookups, message, index) for index in range(min(len(found), _MAX_SIGNATURES)))


def _check(lookups: Lookups, message: Any, index: int) -> Signature:
    missing: list[str] = []

    def find_key(name: bytes, timeout: float = 0.0) -> bytes | None:  # dkimpy hands it over
        try:
            found = lookups.find_txt(name.decode("ascii"))
        except LookupFailed:
            missing.append("temperror")
            return None
        if not found:
            missing.append("permerror")
        return next((text for text in found if b"p=" in text and len(text) <= _MAX_KEY_BYTES), None)

    message.signature_fields = {}
    try:
        is_good = message.verify(index, dnsfunc=find_key)
        result = "pass" if is_good else "fail"
    except dkim.DKIMException as error:
        result = "fail" if isinstance(error, dkim.ValidationError) else "permerror"
    except (ValueError, UnicodeError, TypeError, KeyError, IndexError, binascii.Error):
        result = "permerror"
    fields = message.signature_fields
    domain, selector = (fields.get(tag, b"").decode("ascii", "replace").lower() for tag in (b"d", b"s"))
    if result != "pass" and missing:
        result = missing[0]
    return Signature(result, domain, selector)
