"""The transfer encodings of MIME (RFC 2045 §6): which one a body needs, and the body in it."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp, a2b_uu, b2a_base64, b2a_qp

MAX_LINE_BYTES = 998
_PLAIN = bytes(range(32, 127)) + b"\t\r\n"
_BASE64_LINE = 76
_PIECE = _BASE64_LINE * 3 // 4 * 8192  # whole lines; between pieces of a large file other threads have their turn
# RFC 2045 §6.7 (3): a transport has added them. Looking behind keeps a long run from being tried at each of its blanks
_BLANKS_AT_END = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")
# Older than MIME, and named variously where a program still writes it (POSIX uuencode)
UUENCODED = frozenset(("x-uuencode", "uuencode", "x-uue", "uue"))
_UU_LINE = re.compile(rb"(?m)^(?!begin |end\r?$)([ -`]{1,90}+)\r?$")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def encode_text(text: str) -> tuple[str, bytes]:
    """The encoding's name and the text in it, with CRLF line ends: 7bit where possible, never 8bit.

    Raises:
        UnicodeEncodeError: The text holds a lone surrogate.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    data = text.replace("\n", "\r\n").encode()
    odd = len(data.translate(None, _PLAIN))
    if odd == 0 and not has_long_line(data):
        return "7bit", data
    # Quoted-printable adds two bytes for each odd one, base64 a third of everything
    if odd * 6 > len(data):
        return "base64", encode_base64(data)
    # With a line end behind it the encoder takes CRLF for the line end, and guards a blank at the very end
    return "quoted-printable", b2a_qp(data + b"\r\n", istext=True)[:-2]


def encode_base64(data: bytes) -> bytes:
    """Base64 in lines of 76 characters, each ended by CRLF but the last."""
    pieces = [_encode_piece(data[start : start + _PIECE]) for start in range(0, len(data), _PIECE)]
    return pieces[0] if len(pieces) == 1 else b"\r\n".join(pieces)


def _encode_piece(data: bytes) -> bytes:
    encoded = b2a_base64(data, newline=False)
    lines = [encoded[start : start + _BASE64_LINE] for start in range(0, len(encoded), _BASE64_LINE)]
    return b"\r\n".join(lines)


def decode(encoding: str, data: bytes) -> bytes:
    """The bytes behind a transfer encoding; what is broken is decoded as far as it goes, never refused."""
    name = encoding.strip().lower()
    if name == "quoted-printable":
        return a2b_qp(_BLANKS_AT_END.sub(b"", data) if b" \r\n" in data or b"\t\r\n" in data else data)
    if name == "base64":
        return _decode_base64(data)
    if name in UUENCODED:
        return b"".join(map(_decode_uu, _UU_LINE.findall(data)))
    return data


def _decode_uu(line: bytes) -> bytes:
    """The bytes of one line; nothing where it has more letters than its first one says, and so is some other text."""
    letters = (line[0] - 32 & 63) // -3 * -4
    if len(line) > letters + 2:  # some writers add a check
        return b""
    try:
        return a2b_uu(line[: letters + 1])
    except Error:
        return b""


def _decode_base64(data: bytes) -> bytes:
    try:
        return a2b_base64(data)
    except ValueError:
        letters = data.translate(None, _NOT_BASE64)
        return a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + b"===")


def has_long_line(data: bytes) -> bool:
    """Whether a line has more than 998 bytes before its CRLF (RFC 5321 §4.5.3.1.6)."""
    start, size = 0, len(data)
    while size - start > MAX_LINE_BYTES:
        # The last line end within reach: the lines before it are short enough and never looked at
        end = data.rfind(b"\n", start, start + MAX_LINE_BYTES + 2)
        if end < 0:
            return True
        start = end + 1
    return False
