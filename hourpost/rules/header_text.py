"""Text on its way into a header: which characters are unsafe in it, and encoded words (RFC 2047)."""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp, b2a_base64
from encodings.aliases import aliases

# C0 and C1 controls, NEL, the line and paragraph separators that str.splitlines honours, lone surrogates
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_BYTE = re.compile(rb"[\x00-\x1f\x7f]")
_CONTROL_BYTE = re.compile(rb"[\x80-\x9f]")
# Wider than RFC 2047 allows, because the readers that can be fooled are lenient too
_ENCODED_WORD = re.compile(r"=\?([^?\s]*)\?([bBqQ])\?([^?]*)\?=")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_NOT_NAME = re.compile(r"[^a-z0-9]+")
# Python looks for a module for each name that it does not know, and remembers the name for ever. Its names punycode
# and idna are no charsets of mail, and decoding them takes time by the square.
_NO_CHARSETS = frozenset(("punycode", "idna"))
# The narrower sets, whose names stand for the wider ones wherever text is read (WHATWG Encoding, names and labels)
_WIDER = {"latin_1": "cp1252", "iso8859_9": "cp1254", "iso8859_11": "cp874", "tis_620": "cp874"}
_CHARSETS = {
    name: codec for alias, codec in aliases.items() if codec not in _NO_CHARSETS for name in (alias, codec)
} | {
    # What Python knows without an alias or under another name, and the wider sets that writers mean
    "unicode_escape": "unicode_escape",
    "koi8_u": "koi8_u",
    "cp874": "cp874",
    "windows_874": "cp874",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "windows_31j": "cp932",
    "x_sjis": "cp932",
    "gb2312": "gb18030",
    "ks_c_5601_1987": "cp949",
}
_NARROW = frozenset(name for name, codec in _CHARSETS.items() if codec in _WIDER)
CUT = "unexpected end of data"
"""Why a piece of UTF-8 that ends within a character is refused."""
# 39 bytes become a word of 64 characters, which fits on the first line after any usual name
_BYTES_PER_WORD = 39


def find_unsafe(text: str) -> str | None:
    """Name the first character that must not get into a header (``U+000A``), also inside encoded words.

    Some readers decode ``=?utf-8?q?=0A?=`` and write the newline out again (CVE-2024-6923).
    """
    encoded = "=?" in text
    if not encoded and text.isprintable():
        return None
    found = _UNSAFE.search(text)
    if found is None and encoded:
        found = _UNSAFE.search(decode_words(text)) or _find_unsafe_byte(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def encode_words(text: str) -> list[str]:
    """Encode all of ``text`` as encoded words of at most 64 characters, none of which splits a character."""
    data = text.encode()
    words = []
    start = 0
    while start < len(data):
        end = min(start + _BYTES_PER_WORD, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(data[start:end], newline=False).decode()}?=")
        start = end
    return words


def decode_words(text: str) -> str:
    """Decode every encoded word in ``text``; what cannot be decoded stays as it is."""
    if "=?" not in text:
        return text
    parts: list[str] = []
    charset, end = "", 0
    pending = bytearray()
    for match in _ENCODED_WORD.finditer(text):
        between = text[end : match.start()]
        here = match[1].partition("*")[0].lower()
        # Words side by side are one text, and some writers cut a character in two at their border
        if not pending or between.strip(" \t") or here != charset:
            parts.append(decode_charset(pending, charset))
            if not pending or between.strip(" \t"):
                parts.append(between)
            charset, pending = here, bytearray()
        pending += _bytes_of(match)
        end = match.end()
    parts.append(decode_charset(pending, charset))
    parts.append(text[end:])
    return "".join(parts)


def make_safe(text: str) -> str:
    """The text with U+FFFD for each unsafe character, for a database column or a page.

    A tab is a space: lines of headers are often folded with one.
    """
    return text if text.isprintable() else _UNSAFE.sub("\ufffd", text.replace("\t", " "))


def decode_charset(data: bytes | bytearray, charset: str) -> str:
    """Text from bytes in a named charset, never refused; as UTF-8 when the name means nothing.

    ISO-8859-1 is read as windows-1252, as browsers do: what else it has are controls, which nobody means.
    """
    codec = _CHARSETS.get(_normal(charset))
    if codec == "ascii":
        return decode_raw(data)
    if codec is None or codec == "utf_8":
        return data.decode("utf-8", "replace")
    codec = _WIDER.get(codec, codec)
    try:
        text = data.decode(codec, "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
    # UTF-7 can yield half of a surrogate pair, which nothing downstream can write
    return text.encode("utf-8", "replace").decode("utf-8", "replace")


def names_charset(name: str) -> bool:
    """Whether a charset is known by this name, and is none of Unicode's."""
    return not name.lower().startswith("utf") and _normal(name) in _CHARSETS


def decode_raw(data: bytes | bytearray) -> str:
    """Text whose charset nobody named: UTF-8, or what old programs of the West wrote where it cannot be that."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return data.decode("utf-8" if error.reason == CUT else "cp1252", "replace")


def _find_unsafe_byte(text: str) -> re.Match[str] | None:
    """A control byte in an encoded word, whatever its charset makes of it, and one that some readers make of it."""
    for match in _ENCODED_WORD.finditer(text):
        data = _bytes_of(match)
        found = _UNSAFE_BYTE.search(data)
        if found is None and _normal(match[1].partition("*")[0]) in _NARROW:
            found = _CONTROL_BYTE.search(data)
        if found is not None:
            return _UNSAFE.search(found[0].decode("latin-1"))
    return None


def _normal(charset: str) -> str:
    return _NOT_NAME.sub("_", charset.lower())


def _bytes_of(match: re.Match[str]) -> bytes:
    payload = match[3]
    if match[2] in "qQ":
        return a2b_qp(payload.encode("utf-8", "replace"), header=True)
    letters = _NOT_BASE64.sub("", payload)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return a2b_base64(letters + "===")
