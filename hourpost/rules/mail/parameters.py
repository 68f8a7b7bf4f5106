"""Content types and dispositions with their parameters (RFC 2045 §5.1, RFC 2231), however they are written."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hourpost.rules.header_text import decode_charset, decode_raw, decode_words, make_safe
from hourpost.rules.mail.fields import strip_comments, unescape
from hourpost.rules.mail.scanned import MAX_PARAMETERS

_PARAMETER = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;\s]*+))', re.DOTALL)
# The same, but a value without quotes goes on to the semicolon, whatever stands in it
_LENIENT = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"(?:[^"\\]|\\.)*+"?|([^;]*+))', re.DOTALL)
_COMMENT_BEHIND = re.compile(rb"\s\([^()]*+\)\s*+\Z")
_CONTINUED = re.compile(rb"([^*]++)\*(?:([0-9]{1,3})(\*?))?")

Parameters = dict[bytes, bytes]


class Parameterised(NamedTuple):
    """A value such as ``text/plain; charset=utf-8``; names are in lower case, values as they were written.

    What RFC 2231 splits is put together again; a value that it encodes stays so, under a name that ends in ``*``.
    """

    value: bytes
    parameters: Parameters


def parse_parameterised(text: bytes) -> Parameterised:
    """Split the value from at most 100 parameters; of a parameter that comes twice the first counts."""
    text = strip_comments(text)
    value, semicolon, _ = text.partition(b";")
    if not semicolon:
        return Parameterised(value.strip(), {})
    parameters: Parameters = {}
    continued = False
    for match in islice(_PARAMETER.finditer(text, len(value)), MAX_PARAMETERS):
        name, quoted, bare = match.groups()
        found = bare if quoted is None else unescape(quoted)
        parameters.setdefault(name.lower(), found)
        continued = continued or b"*" in name
    return Parameterised(value.strip(), _join_continued(parameters) if continued else parameters)


def read_text(parameters: Parameters, name: bytes) -> str | None:
    """A parameter's value for people, decoded by RFC 2231 or, because so many write it so, by RFC 2047."""
    encoded = parameters.get(name + b"*")
    if encoded is not None:
        charset, _, rest = encoded.partition(b"'")
        data = unquote_to_bytes(rest.partition(b"'")[2] if b"'" in rest else encoded)
        return make_safe(decode_charset(data, charset.decode("ascii", "replace")))
    plain = parameters.get(name)
    return None if plain is None else make_safe(decode_words(decode_raw(plain)))


def read_name(text: bytes, parameters: Parameters, name: bytes) -> str | None:
    """What the file is called, for people: ``parameters`` are those of ``text``.

    A name with blanks needs quotes, which many programs leave out; others read it to the semicolon, and so does this.
    """
    plain = parameters.get(name)
    if plain is None or name + b"*" in parameters:
        return read_text(parameters, name)
    for match in islice(_LENIENT.finditer(text), MAX_PARAMETERS):
        if match[1].lower() == name:
            whole = match[2] and _COMMENT_BEHIND.sub(b"", match[2]).strip()
            return read_text({name: whole or plain}, name)
    return read_text(parameters, name)


def _join_continued(parameters: Parameters) -> Parameters:
    joined: Parameters = {}
    pieces: dict[bytes, list[tuple[int, bool, bytes]]] = {}
    for name, value in parameters.items():
        match = _CONTINUED.fullmatch(name)
        if match is None or match[2] is None:
            joined[name] = value
        else:
            pieces.setdefault(match[1], []).append((int(match[2]), bool(match[3]), value))
    for name, found in pieces.items():
        found.sort(key=lambda piece: piece[0])
        if any(encoded for _, encoded, _ in found):
            value = b"".join(text if encoded else quote_from_bytes(text).encode() for _, encoded, text in found)
            joined.setdefault(name + b"*", value)
        else:
            joined.setdefault(name, b"".join(text for *_, text in found))
    return joined
