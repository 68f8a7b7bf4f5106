"""Header fields: which ones a customer may set, how they are written, and how a written block is read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hourpost.rules.addresses import Address
from hourpost.rules.header_text import decode_words, encode_words, find_unsafe

LINE_CHARACTERS = 76
LINE_BYTES = 998
MAX_VALUE = 8000
MAX_CUSTOM_HEADERS = 100
MOST_FAULTS = 100
"""So many faults of the headers of one email are named, or a few more: of the others nobody reads."""
# What one header may hold without a space where it cannot be cut: a line, less room for the name
MAX_WORD = 900

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,75}")
_WORDS = re.compile(r" *[^ ]+")
# Anchored, or a long line without a colon would take time by the square
_FIELD = re.compile(rb"(?m)^([!-9;-~]++):([^\r\n\0]*+(?:\r\n[ \t][^\r\n\0]*+)*+)\r\n")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANK_LINE = re.compile(rb"\r\n[ \t]+\r\n")

# They speak to Hourpost alone (control.py), and never travel
CONTROL_HEADERS = frozenset({"x-tag", "x-tags", "x-metadata", "x-scheduled-at", "x-expires-at", "x-on-limit"})
_SET_BY_US = {
    "from": "the field `from` sets it",
    "to": "the field `to` sets it",
    "cc": "the field `cc` sets it",
    "bcc": "the field `bcc` names hidden recipients",
    "reply-to": "the field `reply_to` sets it",
    "subject": "the field `subject` sets it",
    "date": "it is set when the email is accepted",
    "message-id": "it is set when the email is accepted",
    "mime-version": "the content decides it",
    "dkim-signature": "the mail of a verified domain is signed here",
    "received": "only servers add it",
    "return-path": "only the receiving server adds it",
    "sender": "the field `from` says who sends",
    "idempotency-key": "it is a header of the request",
    "resend-idempotency-key": "it is a header of the request, `Idempotency-Key`",
    **dict.fromkeys(CONTROL_HEADERS, "it speaks to us alone"),
}
_STRUCTURED = frozenset(
    {
        "archived-at",
        "autocrypt",
        "bimi-selector",
        "cfbl-address",
        "cfbl-feedback-id",
        "expires",
        "feedback-id",
        "in-reply-to",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "original-message-id",
        "references",
    }
)
_ALLOWED = _STRUCTURED | {
    "accept-language",
    "auto-submitted",
    "comments",
    "content-language",
    "disposition-notification-to",
    "importance",
    "keywords",
    "organization",
    "precedence",
    "priority",
    "sensitivity",
    "thread-index",
    "thread-topic",
    "user-agent",
}
_SHOWN = ", ".join(sorted(name.title() for name in _ALLOWED))
_OF_OTHERS = {"content-": ", the content decides it", "resent-": ", only who sends a message on adds it"}
_UNKNOWN = "it cannot be set"
_INSTEAD = f"; a header of your own begins with X- or List-, or is one of {_SHOWN}"
_ALLOWED_PREFIXES = ("x-", "list-")
# These are ours: the capture relay writes the envelope so, and would be misread
_RESERVED_PREFIXES = ("x-envelope-", "x-hourpost-")


class HeaderError(ValueError):
    """A header block, name or value is not one that can be sent."""


class HeaderInjectionError(HeaderError):
    """The finished header block does not hold exactly the headers that were meant."""


@dataclass(frozen=True, slots=True)
class HeaderFault:
    """One thing wrong with one custom header; ``detail`` names the header."""

    name: str
    detail: str


def check_headers(headers: Sequence[tuple[str, str]]) -> list[HeaderFault]:
    """Everything that is wrong with the headers a customer asks for; empty when they may be sent.

    After ``MOST_FAULTS`` the others are counted and not looked at.
    """
    faults: list[HeaderFault] = []
    seen: set[str] = set()
    is_told = False
    for index, (name, value) in enumerate(headers):
        if len(faults) >= MOST_FAULTS:
            faults.append(HeaderFault("", f"has {len(headers) - index} more, which were not looked at"))
            break
        lower = name.lower()
        reasons = [_fault_of_name(name, lower), *_faults_of_value(lower, value)]
        if lower in seen:
            reasons.append("it is given twice")
        seen.add(lower)
        if reasons[0] == _UNKNOWN:
            reasons[0] = _UNKNOWN if is_told else _UNKNOWN + _INSTEAD
            is_told = True
        faults += [HeaderFault(name, f"header {show_name(name)}: {reason}") for reason in reasons if reason]
    if len(headers) > MAX_CUSTOM_HEADERS:
        faults.append(HeaderFault("", f"more than {MAX_CUSTOM_HEADERS} headers"))
    return faults


def _fault_of_name(name: str, lower: str) -> str | None:
    if _NAME.fullmatch(name) is None:
        return "a name is a letter and up to 75 more letters, digits, - or _"
    if lower in _SET_BY_US:
        return f"it cannot be set, {_SET_BY_US[lower]}"
    if lower.startswith(_RESERVED_PREFIXES):
        return "it cannot be set, names that begin so are ours"
    if lower in _ALLOWED or lower.startswith(_ALLOWED_PREFIXES):
        return None
    whose = next((words for start, words in _OF_OTHERS.items() if lower.startswith(start)), None)
    return f"{_UNKNOWN}{whose or ''}"


def _faults_of_value(lower: str, value: str) -> list[str]:
    faults = []
    if len(value) > MAX_VALUE:
        return [f"its value is longer than {MAX_VALUE} characters"]
    unsafe = find_unsafe(value)
    if unsafe is not None:
        faults.append(f"its value holds the character {unsafe}, which is not allowed in a header")
    if lower in _STRUCTURED or lower.startswith("list-"):
        if not value.isascii():
            faults.append("its value may hold ASCII characters only")
        if any(len(word) > MAX_WORD for word in value.split(" ")):
            faults.append(f"its value has more than {MAX_WORD} characters without a space")
    return faults


def encode_header(name: str, value: str) -> bytes:
    """``Name: value`` as bytes ending in CRLF, folded to 76 characters where a space allows it.

    What is not ASCII becomes encoded words; encoded words in an ASCII value are left as they are.

    Raises:
        HeaderError: The name or the value, also decoded, holds what could end the line.
    """
    if not value.isprintable() or "=?" in value:
        unsafe = find_unsafe(value)
        if unsafe is not None:
            raise HeaderError(f"header {show_name(name)}: its value holds the character {unsafe}")
    value = value.strip(" ")
    if len(name) + len(value) <= LINE_CHARACTERS - 2 and value.isascii():
        if _NAME.fullmatch(name) is None:
            raise HeaderError(f"{show_name(name)} is not the name of a header")
        return f"{name}: {value}\r\n".encode("ascii")
    if not value.isascii() or any(len(word) > MAX_WORD for word in value.split(" ")):
        value = " ".join(encode_words(decode_words(value)))
    return fold(name, value)


def encode_addresses(name: str, addresses: Sequence[Address]) -> bytes:
    """An address header, ending in CRLF and folded; UTF-8 only where a local part needs SMTPUTF8.

    Raises:
        HeaderError: The name is not one of a header.
        AddressError: An address holds what could end the line.
    """
    return fold(name, ", ".join([address.header for address in addresses]))


def fold(name: str, value: str) -> bytes:
    """``name: value`` with CRLF in front of spaces, so that lines stay within 76 characters where they can.

    Raises:
        HeaderError: A line would pass 998 bytes, or the name is not one of a header.
    """
    if _NAME.fullmatch(name) is None:
        raise HeaderError(f"{show_name(name)} is not the name of a header")
    line = f"{name}: {value}"
    if len(line) > LINE_CHARACTERS:
        line = _fold_at_spaces(name, value)
    data = line.encode("utf-8")
    if len(data) > LINE_BYTES and max(map(len, data.split(b"\r\n"))) > LINE_BYTES:
        raise HeaderError(f"header {show_name(name)}: it has more than {LINE_BYTES} bytes without a space")
    return data + b"\r\n"


def _fold_at_spaces(name: str, value: str) -> str:
    lines = []
    line = f"{name}:"
    for word in _WORDS.findall(" " + value):
        if len(line) + len(word) > LINE_CHARACTERS and len(line) > len(name) + 1:
            lines.append(line)
            line = word
        else:
            line += word
    lines.append(line)
    return "\r\n".join(lines)


def read_header_list(raw: bytes) -> list[tuple[str, bytes]]:
    """Read a header block back, strictly: names as written, values raw with their folds, without outer blanks.

    ``raw`` is the block alone or a whole message, which is read up to its first empty line.

    Raises:
        HeaderError: Something in the block is not a header field of RFC 5322 §2.2.
    """
    end = raw.find(b"\r\n\r\n")
    fields = read_fields(raw if end < 0 else raw[: end + 2])
    return [(name.decode("ascii"), value.strip(b" \t")) for name, value in fields]


def read_fields(block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a header block: what stands before each colon, and what stands between it and the CRLF.

    Raises:
        HeaderError: Something in the block is not a header field of RFC 5322 §2.2.
    """
    fields: list[tuple[bytes, bytes]] = _FIELD.findall(block)
    length = 3 * len(fields)
    for name, value in fields:
        length += len(name) + len(value)
    if length != len(block) or _BLANK_LINE.search(block) is not None:
        raise HeaderError("the header block has a line that is not a header field")
    return fields


def require_headers(block: bytes, intended: list[bytes]) -> None:
    """Read a finished header block again and compare it with the fields, CRLF included, that were to make it up.

    Raises:
        HeaderInjectionError: It holds a header more, less or other than intended.
    """
    found = [b"%b:%b\r\n" % field for field in _FIELD.findall(block)]
    if found != intended or len(block) != sum(map(len, intended)):
        names = b", ".join(line.partition(b":")[0] for line in found).decode("ascii")
        raise HeaderInjectionError(f"the headers are not as intended; read back they are {names[:200]}")


def unfold(value: bytes) -> bytes:
    """The value on one line (RFC 5322 §2.2.3): the line ends of its folds are taken out."""
    return _FOLD.sub(b"", value) if b"\r\n" in value else value


def show_name(name: str) -> str:
    """A header's name as an error may have it."""
    short = name if len(name) <= 80 else name[:77] + "..."
    return short if short.isprintable() else ascii(short)
