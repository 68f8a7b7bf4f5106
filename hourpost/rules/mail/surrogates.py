"""What stands for UTF-8 in the headers of a message, for a client that has not asked for it (RFC 6856 §5, RFC 6858).

Names and subjects become encoded words, domains A-labels, parameters those of RFC 2231; an address with a local part
beyond ASCII becomes one that nobody has, and what is left beyond ASCII goes. Everything else keeps its bytes, and so
does a field that is not UTF-8: such mail is no younger than these rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote

from hourpost.rules.addresses import AddressError, normalise_domain
from hourpost.rules.header_text import encode_words
from hourpost.rules.mail.address_lists import HeaderAddress, parse_addresses
from hourpost.rules.mail.fields import unfold
from hourpost.rules.mail.parameters import parse_parameterised, read_text
from hourpost.rules.mail.scanned import MAX_FIELDS, MAX_HEADER_BYTES, Scanned

NOBODY = "invalid@internationalized-address.invalid"
_FIELD = re.compile(rb"(?m)^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_PLAIN = re.compile(r"[ !#-'*+\x2d-9=?A-Z^-~]*")  # of a parameter, in quotes
_OF_ADDRESSES = re.compile(rb"(?:resent-)?(?:from|sender|reply-to|to|cc|bcc)|disposition-notification-to|mail-reply-to")
_OF_PARAMETERS = frozenset((b"content-type", b"content-disposition"))
_OF_TEXT = re.compile(rb"subject|comments|keywords|organization|thread-topic|content-description|x-.+")
_MOST_TEXT = 4000


class Patch(NamedTuple):
    """``text`` stands for the ``size`` bytes at ``at``."""

    at: int
    size: int
    text: bytes


def find_patches(content: bytes, scanned: Scanned) -> tuple[Patch, ...]:
    """What a message is given in place of its UTF-8, in order; empty for nearly every message."""
    if content.isascii():
        return ()
    found: list[Patch] = []
    for start, end in _headers(scanned):
        header = content[start : min(end, start + MAX_HEADER_BYTES)]
        if not header.isascii():
            found += (patch._replace(at=patch.at + start) for patch in _patch_fields(header))
    return tuple(found)


class Patching:
    """Puts patches into a message that comes in pieces of any size."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._patches = list(reversed(list(patches)))
        self._at = 0
        self._left_out_to = 0

    def feed(self, piece: bytes) -> bytes:
        """The next piece as it is given."""
        start, end = self._at, self._at + len(piece)
        self._at = end
        at = min(max(start, self._left_out_to), end)
        if not self._patches and at == start:
            return piece
        out = bytearray()
        while self._patches and self._patches[-1].at < end:
            patch = self._patches.pop()
            out += piece[at - start : patch.at - start] + patch.text
            self._left_out_to = patch.at + patch.size
            at = min(self._left_out_to, end)
        return bytes(out + piece[at - start :])


def _headers(scanned: Scanned) -> list[tuple[int, int]]:
    """Where headers are: the message's, those of its parts, and those of the messages in it."""
    found = {0: scanned.header_size}
    for part in scanned.parts:
        found.setdefault(part.header_at, part.header_at + part.header_size)
        if part.inner_header_size is not None:
            found.setdefault(part.body_at, part.body_at + part.inner_header_size)
    return sorted(found.items())


def _patch_fields(header: bytes) -> Iterator[Patch]:
    for match in islice(_FIELD.finditer(header), MAX_FIELDS):
        name, value = match.groups()
        if match[0].isascii() or not _is_utf8(match[0]):
            continue
        text = _rewrite(name.lower(), unfold(value))
        if not match[0].endswith(b"\n"):  # the last line of all: who writes it gives it an end, as ever
            yield Patch(match.start(), len(match[0]), b"%b: %b" % (name, text))
        else:
            yield Patch(match.start(), len(match[0]), b"%b: %b\r\n" % (name, text) if text else b"")


def _rewrite(name: bytes, value: bytes) -> bytes:
    """The value in ASCII; empty for a field that goes."""
    if _OF_ADDRESSES.fullmatch(name):
        return _write_addresses(parse_addresses(value))
    if name in _OF_PARAMETERS:
        return _write_parameters(value)
    if _OF_TEXT.fullmatch(name):
        return "\r\n ".join(encode_words(value.decode()[:_MOST_TEXT])).encode()
    return b""


def _write_addresses(addresses: list[HeaderAddress]) -> bytes:
    """One to a line; a group gives its members only."""
    written = (_write_address(one) for one in addresses if one.host is not None)
    return ",\r\n ".join(written).encode() or b"undisclosed-recipients:;"


def _write_address(address: HeaderAddress) -> str:
    mailbox, spec, name = _to_text(address.mailbox), _write_spec(address), _to_text(address.name)
    if spec is None:  # which it was is told in the name
        whole = f"{mailbox}@{_to_text(address.host)}"
        name = f"{name} ({whole})" if name else whole
    if not name:
        return spec or NOBODY
    if _ATOMS.fullmatch(name.replace(" ", "")) is None or "=?" in name:
        name = "\r\n ".join(encode_words(name[:_MOST_TEXT]))
    return f"{name} <{spec or NOBODY}>"


def _write_spec(address: HeaderAddress) -> str | None:
    """``local@domain`` in ASCII; None where there is none."""
    local, domain = _to_text(address.mailbox), _to_text(address.host)
    if not (local.isascii() and local.isprintable()):
        return None
    if not (domain.isascii() and domain.isprintable()):
        try:
            domain = normalise_domain(domain)
        except AddressError:
            return None
    if _ATOMS.fullmatch(local) is None:
        escaped = local.replace("\\", "\\\\").replace('"', '\\"')
        local = f'"{escaped}"'
    return f"{local}@{domain}"


def _write_parameters(value: bytes) -> bytes:
    """``type/subtype``, and each parameter on a line of its own."""
    found = parse_parameterised(value)
    if not found.value.isascii():
        return b""
    lines = [found.value.decode()]
    for key, raw in found.parameters.items():
        name = key.decode("ascii", "ignore")
        text = raw.decode("utf-8", "replace")
        if _PLAIN.fullmatch(text) and not name.endswith("*"):
            lines.append(f'{name}="{text}"')
        else:
            whole = read_text(found.parameters, key.removesuffix(b"*")) or ""
            lines += _write_encoded(name.removesuffix("*"), whole)
    return ";\r\n ".join(lines).encode("ascii", "ignore")


def _write_encoded(name: str, text: str) -> list[str]:
    """A parameter as RFC 2231 has it, in pieces that fit on a line (§4.1)."""
    pieces = [text[at : at + 8] for at in range(0, len(text[:_MOST_TEXT]), 8)]
    if len(pieces) == 1:
        return [f"{name}*=utf-8''{quote(text, safe='')}"]
    return [
        f"{name}*{number}*=" + ("" if number else "utf-8''") + quote(piece, safe="")
        for number, piece in enumerate(pieces)
    ]


def _to_text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
