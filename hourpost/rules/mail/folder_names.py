"""Modified UTF-7, in which IMAP4rev1 writes the names of folders (RFC 3501 §5.1.3)."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_PLAIN = re.compile(rb"[\x20-\x7e]*")
_ENCODED = re.compile(r"&|[^\x20-\x7e]+")


class FolderNameError(ValueError):
    """The bytes are no name in modified UTF-7; the message says why."""


def encode_folder_name(name: str) -> bytes:
    """The name for a client that has not agreed on UTF-8; half a surrogate pair becomes U+FFFD."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    return _ENCODED.sub(_encode_run, name).encode("ascii")


def decode_folder_name(name: bytes) -> str:
    """The name that a client wrote.

    Raises:
        FolderNameError: A byte outside US-ASCII, a shift that does not end or was not needed, or broken UTF-16.
    """
    if _PLAIN.fullmatch(name) is None:
        raise FolderNameError("the name of a folder is written in modified UTF-7")
    if b"&" not in name:
        return name.decode("ascii")
    pieces: list[str] = []
    end = 0
    for match in _SHIFTED.finditer(name):
        pieces += (_decode_plain(name[end : match.start()]), _decode_run(match[1]))
        end = match.end()
    pieces.append(_decode_plain(name[end:]))
    text = "".join(pieces)
    # One name has one spelling, or two clients would see two folders
    if encode_folder_name(text) != name:
        raise FolderNameError("the name of a folder is not in the one form that modified UTF-7 has for it")
    return text


def _encode_run(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    encoded = b2a_base64(match[0].encode("utf-16-be", "replace"), newline=False).rstrip(b"=")
    return f"&{encoded.decode('ascii').replace('/', ',')}-"


def _decode_plain(text: bytes) -> str:
    if b"&" in text:
        raise FolderNameError("a & in the name of a folder begins modified UTF-7 that does not end")
    return text.decode("ascii")


def _decode_run(encoded: bytes) -> str:
    if not encoded:
        return "&"
    try:
        units = a2b_base64(encoded.replace(b",", b"/") + b"=" * (-len(encoded) % 4))
        return units.decode("utf-16-be")
    except ValueError as error:
        raise FolderNameError("broken modified UTF-7 in the name of a folder") from error
