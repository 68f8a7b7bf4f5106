"""Credential tokens in GitHub's style: a prefix, random base62, and a CRC32 that tells typos and fakes offline."""

from __future__ import annotations

import hashlib
import zlib

LIVE = "hp_live_"
TEST = "hp_test_"
SMTP = "hp_smtp_"
MAILBOX = "hp_mbox_"
PREFIXES = (LIVE, TEST, SMTP, MAILBOX)
ENTROPY_BYTES = 22

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY = 30  # base62 digits of 22 bytes
_CHECK = 6  # base62 digits of a CRC32


def mint(prefix: str, entropy: bytes) -> str:
    """A token of ``prefix`` from ``ENTROPY_BYTES`` random bytes. Raises: ValueError for another length or prefix."""
    if prefix not in PREFIXES or len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a token takes a known prefix and {ENTROPY_BYTES} random bytes")
    body = _base62(int.from_bytes(entropy, "big"), _BODY)
    return prefix + body + _checksum(prefix + body)


def looks_valid(token: str) -> bool:
    """Whether ``token`` has the form and the checksum of one of ours; says nothing about whether it is in use."""
    prefix = token[: len(LIVE)]
    if prefix not in PREFIXES or len(token) != len(LIVE) + _BODY + _CHECK or not token.isascii():
        return False
    return token[-_CHECK:] == _checksum(token[:-_CHECK])


def digest(token: str) -> bytes:
    """What is stored of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECK)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
