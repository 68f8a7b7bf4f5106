"""Links by which a file is fetched without a key: for an hour, for one file of one account, sealed by us."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hourpost.errors import Forbidden
from hourpost.gateways.encryption import CannotDecrypt, Cipher

LIFETIME = timedelta(hours=1)
RAW = "raw"
"""The place of the whole message, where attachments have their id."""

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class DownloadLinks:
    """Makes and reads the links of one installation; those of before a change of its secret key still open."""

    cipher: Cipher
    public_url: str

    def to(self, account_id: UUID, email_id: str, place: str, now: datetime) -> dict[str, Any]:
        """The address of a file of an email, ``em_…`` or ``in_…``, and when it ends."""
        expires_at = (now + LIFETIME).replace(microsecond=0)
        sealed = self.cipher.seal(account_id.bytes + int(expires_at.timestamp()).to_bytes(8), _row(email_id, place))
        token = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        return {
            "download_url": f"{self.public_url}/v1/downloads/{email_id}/{place}?token={token}",
            "expires_at": expires_at,
        }

    def open(self, token: str, email_id: str, place: str, now: datetime) -> UUID:
        """The account whose file this is. Raises: Forbidden where the token is for another file, or has ended."""
        try:
            plain = self.cipher.open(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), _row(email_id, place))
        except (CannotDecrypt, binascii.Error, ValueError):
            raise Forbidden("invalid_access", "This link is not whole, or is for another file.") from None
        if datetime.fromtimestamp(int.from_bytes(plain[_ID_BYTES:]), UTC) <= now:
            raise Forbidden("invalid_access", "This link has ended: ask for the attachment again to get another.")
        return UUID(bytes=plain[:_ID_BYTES])


def _row(email_id: str, place: str) -> str:
    return f"downloads/{email_id}/{place}"
