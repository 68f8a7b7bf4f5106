"""A part's bytes without their transfer encoding, a piece at a time, so that a large file is never held whole."""

from __future__ import annotations

from hourpost.rules.transfer_encoding import UUENCODED, decode

_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


class PartDecoder:
    """Feed it the pieces in order; what it gives is together what ``decode`` gives of all."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """What is decoded for certain by now."""
        if self._encoding == "base64":
            data = self._rest + piece.translate(None, _NOT_BASE64)
            whole = len(data) // 4 * 4
        elif self._encoding == "quoted-printable" or self._encoding in UUENCODED:
            data = self._rest + piece
            whole = data.rfind(b"\n") + 1
        else:
            return piece
        self._rest = data[whole:]
        return decode(self._encoding, data[:whole])

    def finish(self) -> bytes:
        """What was left."""
        return decode(self._encoding, self._rest) if self._rest else b""
