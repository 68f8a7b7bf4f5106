"""Secrets at rest: AES-256-GCM, with the key's id in front and the row it belongs to as associated data."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hourpost.settings import Settings

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES
MIN_SECRET = 16


class CannotDecrypt(Exception):
    """The bytes were sealed with a key we do not have, for another row, or were changed since."""


class Cipher:
    """Seals with the present key; opens what this or one of the previous keys sealed."""

    def __init__(self, secret_key: str, previous: Sequence[str] = ()) -> None:
        if len(secret_key) < MIN_SECRET:
            raise ValueError(f"HOURPOST_SECRET_KEY must have at least {MIN_SECRET} characters")
        self._key_id, present = _derive(secret_key)
        self._keys = dict(map(_derive, previous)) | {self._key_id: present}

    @classmethod
    def from_settings(cls, settings: Settings) -> Cipher:
        """The cipher of this installation. Raises: ValueError without a secret key, or with one too short."""
        if settings.secret_key is None:
            raise ValueError("HOURPOST_SECRET_KEY is not set")
        return cls(settings.secret_key.get_secret_value(), settings.previous_secret_keys.get_secret_value().split())

    def seal(self, plain: bytes, row: str) -> bytes:
        """Version, key id, nonce and ciphertext with its tag; ``row`` names the table, the id and the column."""
        head = _VERSION + self._key_id
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._keys[self._key_id].encrypt(nonce, plain, head + row.encode())

    def has_key_of(self, sealed: bytes) -> bool:
        """Whether one of the keys sealed this, whatever row it is of."""
        return sealed[: len(_VERSION)] == _VERSION and sealed[len(_VERSION) : _HEAD_BYTES] in self._keys

    def open(self, sealed: bytes, row: str) -> bytes:
        """What was sealed for this row. Raises: CannotDecrypt."""
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
        key = self._keys.get(head[len(_VERSION) :])
        if head[: len(_VERSION)] != _VERSION or key is None or len(nonce) != _NONCE_BYTES:
            raise CannotDecrypt(f"no key for {row}; is the old one in HOURPOST_PREVIOUS_SECRET_KEYS?")
        try:
            return key.decrypt(nonce, sealed[_HEAD_BYTES + _NONCE_BYTES :], head + row.encode())
        except InvalidTag:
            raise CannotDecrypt(f"{row} was changed, or belongs to another row") from None


def _derive(secret: str) -> tuple[bytes, AESGCM]:
    """Key id and key of one secret (HKDF-SHA256, RFC 5869)."""
    stretched = HKDF(hashes.SHA256(), _KEY_ID_BYTES + 32, salt=None, info=b"hourpost encryption 1").derive(
        secret.encode()
    )
    return stretched[:_KEY_ID_BYTES], AESGCM(stretched[_KEY_ID_BYTES:])
