"""Signatures of webhooks (Standard Webhooks 1.0), under the header names of the standard and of Svix."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Sequence

PREFIX = "whsec_"
_SECRET_BYTES = 32
_NAMES = ("webhook", "svix")  # the same values under both: clients look for one or the other


def new_secret() -> bytes:
    """A key of 256 random bits."""
    return os.urandom(_SECRET_BYTES)


def to_text(secret: bytes) -> str:
    """The key as customers see it."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(secrets: Sequence[bytes], call_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
    """The headers of one call, with a signature by each of ``secrets``."""
    content = f"{call_id}.{unix_seconds}.".encode() + body
    digests = [hmac.digest(secret, content, "sha256") for secret in secrets]
    values = {
        "id": call_id,
        "timestamp": str(unix_seconds),
        "signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
    return {f"{name}-{part}": value for name in _NAMES for part, value in values.items()}
