"""Keys of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): what is stored of a password, and whether a proof fits."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

ITERATIONS = 60_000
"""Many, because people choose passwords; Cyrus' SASL takes no more than 65,536. One number for all: a client is told it
before it says which password it has."""


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What a server keeps: it can check a proof, but not make one."""

    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def derive_keys(password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramKeys:
    """The keys of a password as SASLprep leaves it; takes tens of milliseconds."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return ScramKeys(hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256"))


def is_proof(keys: ScramKeys, auth_message: bytes, proof: bytes) -> bool:
    """Whether a client that sent ``proof`` knows the password."""
    signature = hmac.digest(keys.stored_key, auth_message, "sha256")
    if len(proof) != len(signature):
        return False
    client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)


def sign(keys: ScramKeys, auth_message: bytes) -> bytes:
    """The server's signature: by it the client sees that we knew its password too."""
    return hmac.digest(keys.server_key, auth_message, "sha256")
