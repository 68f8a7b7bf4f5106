"""The words of SCRAM-SHA-256 (RFC 5802 §5 to §7, RFC 7677), read and written; who is who, somebody else finds out."""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass

from hourpost.rules.scram import ITERATIONS

MAX_MESSAGE = 2048
_FIRST = re.compile(r"(([nyp])(?:=[^,]*)?,(?:a=([^,]*))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]{8,256}))")
_FINAL = re.compile(r"(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)),p=([A-Za-z0-9+/=]+)")


class ScramError(ValueError):
    """What the client wrote is not SCRAM, or of another exchange."""


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """How a client begins: who it says it is, and what it will be held to."""

    username: str
    nonce: str
    header: str  # about channel binding, to come again
    bare: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client is asked, after which only its proof is missing."""

    first: ClientFirst
    nonce: str
    text: str


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof, and the words that it is of."""

    auth_message: bytes
    proof: bytes


def read_first(message: bytes) -> ClientFirst:
    """The client's first message. Raises: ScramError."""
    found = _FIRST.fullmatch(_to_text(message))
    if found is None:
        raise ScramError("a first message of SCRAM is n,,n=name,r=nonce")
    header, binding, acting, bare, name, nonce = found.groups()
    if binding == "p":
        raise ScramError("channel binding is not offered")
    username = _to_name(name)
    if acting and _to_name(acting) != username:
        raise ScramError("nobody acts for somebody else here")
    return ClientFirst(username, nonce, header, bare)


def challenge(first: ClientFirst, nonce: str, salt: bytes) -> Challenge:
    """What the client is to prove, with a nonce of ours behind its own."""
    whole = first.nonce + nonce
    return Challenge(first, whole, f"r={whole},s={b64encode(salt).decode()},i={ITERATIONS}")


def read_final(asked: Challenge, message: bytes) -> Proven:
    """The client's last message. Raises: ScramError."""
    found = _FINAL.fullmatch(_to_text(message))
    if found is None:
        raise ScramError("a last message of SCRAM is c=binding,r=nonce,p=proof")
    without_proof, binding, nonce, proof = found.groups()
    if nonce != asked.nonce or binding != b64encode(asked.first.header.encode()).decode():
        raise ScramError("this is not the exchange that was begun")
    try:
        raw = binascii.a2b_base64(proof, strict_mode=True)
    except (ValueError, binascii.Error):
        raise ScramError("the proof is not base64") from None
    return Proven(f"{asked.first.bare},{asked.text},{without_proof}".encode(), raw)


def write_final(signature: bytes) -> bytes:
    """By this the client sees that we know its password too."""
    return b"v=" + b64encode(signature)


def _to_text(message: bytes) -> str:
    if len(message) > MAX_MESSAGE:
        raise ScramError("too long")
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError:
        raise ScramError("SCRAM is written in UTF-8") from None


def _to_name(name: str) -> str:
    if re.search(r"=(?!2C|3D)", name):
        raise ScramError("an = in a name is written =3D")
    return name.replace("=2C", ",").replace("=3D", "=")
