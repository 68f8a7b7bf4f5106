"""Mail that came by SMTP: what must hold before it is taken, who it says it is from, and what it asks of us.

Its bytes stay as they came; only the headers that speak to Hourpost itself are taken out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from hourpost.rules.addresses import Address, AddressError, parse_address, parse_address_list, refuse_doubtful_names
from hourpost.rules.control import ControlError, Said, find_metadata, list_tags
from hourpost.rules.header_text import decode_raw, decode_words, make_safe
from hourpost.rules.headers import HeaderError, encode_header, read_fields, unfold
from hourpost.rules.line_ends import ContentError, canonicalise, prepend_headers, require_canonical
from hourpost.rules.mime import format_date

__all__ = [
    "ContentError",
    "SubmittedMessage",
    "canonicalise",
    "check_submitted",
    "complete_headers",
    "prepend_headers",
    "read_control",
    "require_canonical",
]

MAX_HEADER_BYTES = 256 * 1024
MAX_RECEIVED = 50
MAX_IDEMPOTENCY_KEY = 256

_HEADER_BYTES = bytes(range(32, 127)) + bytes(range(128, 256)) + b"\t\r\n"
_IDEMPOTENCY_KEYS = {"idempotency-key": "Idempotency-Key", "resend-idempotency-key": "Resend-Idempotency-Key"}
_LABELS = ("x-tag", "x-tags", "x-metadata")
_CONTROL = frozenset({*_IDEMPOTENCY_KEYS, *_LABELS})
# Empty ones are none: with ours at the top there would be two
_COMPLETED = ("message-id", "date")

_Values = dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class SubmittedMessage:
    """A message by SMTP that may be taken, once its senders are authorised.

    ``raw`` is canonical, ends with CRLF, and has no control header any more, nor an empty Message-ID or Date.
    ``tags`` and ``metadata`` are within the limits of every door.
    """

    raw: bytes
    header_from: tuple[Address, ...]
    sender: Address | None
    subject: str
    message_id: str | None
    has_date: bool
    idempotency_key: str | None
    tags: list[dict[str, str]]
    metadata: dict[str, object] | None

    @property
    def senders(self) -> tuple[Address, ...]:
        """Everybody the headers say it is from; each domain must belong to the account."""
        return self.header_from if self.sender is None else (*self.header_from, self.sender)


def check_submitted(raw: bytes) -> SubmittedMessage:
    """Read a message as it came after DATA or BDAT, dots unstuffed.

    Raises:
        ContentError: A bare CR or LF, a NUL, a line over 998 bytes, a header block that is none, not exactly one
            From, a sender that is no address, a broken idempotency key, tag or metadata (5.6.0), or a loop of over 50
            servers (5.4.6).
    """
    require_canonical(raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    fields = _read_fields(raw)
    values: _Values = {}
    for name, value in fields:
        values.setdefault(name.decode("ascii").lower(), []).append(value)
    if len(values.get("received", ())) > MAX_RECEIVED:
        raise ContentError(f"more than {MAX_RECEIVED} Received headers: the message runs in a loop", enhanced="5.4.6")
    header_from = _read_from(values)
    taken_out = _CONTROL.union(name for name in _COMPLETED if not any(map(bytes.strip, values.get(name, ()))))
    message_id = _find_text(values, "message-id")
    tags, metadata = _read_labels(values)
    return SubmittedMessage(
        raw=_without(taken_out, raw) if not taken_out.isdisjoint(values) else raw,
        header_from=header_from,
        sender=_find_sender(values),
        subject=_find_text(values, "subject") or "",
        message_id=message_id or None,
        has_date="date" in values and "date" not in taken_out,
        idempotency_key=_find_idempotency_key(values),
        tags=tags,
        metadata=metadata,
    )


def complete_headers(message: SubmittedMessage, *, message_id: str, date: datetime) -> SubmittedMessage:
    """The message with a Message-ID and a Date at its top where it came without (RFC 6409 §8.2, §8.3)."""
    fields = b""
    if message.message_id is None:
        fields += encode_header("Message-ID", message_id)
    if not message.has_date:
        fields += encode_header("Date", format_date(date))
    if not fields:
        return message
    return replace(
        message,
        raw=prepend_headers(message.raw, fields),
        message_id=message.message_id or message_id,
        has_date=True,
    )


def read_control(fields: Iterable[tuple[bytes, bytes]]) -> Said:
    """What these fields of a header block say to Hourpost, as ``rules.control`` reads it."""
    said: dict[str, list[str]] = {}
    for name, value in fields:
        said.setdefault(name.decode("ascii").lower(), []).append(decode_words(_to_text(value)))
    return said


def _read_fields(raw: bytes) -> list[tuple[bytes, bytes]]:
    end = raw.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES + 4)
    if end < 0 and len(raw) > MAX_HEADER_BYTES:
        raise ContentError(f"the headers are longer than {MAX_HEADER_BYTES} bytes", code=552, enhanced="5.3.4")
    block = raw if end < 0 else raw[: end + 2]
    if block.translate(None, _HEADER_BYTES):
        raise ContentError("control character in the headers")
    try:
        return [] if raw.startswith(b"\r\n") else read_fields(block)
    except HeaderError as error:
        raise ContentError(str(error)) from error


def _read_from(values: _Values) -> tuple[Address, ...]:
    found = values.get("from", [])
    if len(found) != 1:
        raise ContentError("the message has no From header" if not found else "the message has two From headers")
    text = _to_text(found[0])
    try:
        addresses = parse_address_list(text)
        refuse_doubtful_names(text)
    except AddressError as error:
        raise ContentError(f"From: {error}") from error
    return addresses


def _find_sender(values: _Values) -> Address | None:
    found = values.get("sender", [])
    if not found:
        return None
    if len(found) > 1:
        raise ContentError("the message has two Sender headers")
    text = _to_text(found[0])
    try:
        address = parse_address(text)
        refuse_doubtful_names(text)
    except AddressError as error:
        raise ContentError(f"Sender: {error}") from error
    return address


def _find_idempotency_key(values: _Values) -> str | None:
    """The key, in whichever of its headers; given twice it must be the same, or one of two emails would be lost."""
    found: str | None = None
    for lower, name in _IDEMPOTENCY_KEYS.items():
        for value in values.get(lower, ()):
            key = _to_text(value)
            if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY or not key.isascii() or not key.isprintable():
                raise ContentError(f"{name}: a key has 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")
            if found not in (None, key):
                raise ContentError(f"{name}: the message has two different keys")
            found = key
    return found


def _read_labels(values: _Values) -> tuple[list[dict[str, str]], dict[str, object] | None]:
    said = read_control((name.encode(), value) for name in _LABELS for value in values.get(name, ()))
    try:
        return list_tags(said), find_metadata(said)
    except ControlError as error:
        raise ContentError(str(error)) from error


def _find_text(values: _Values, name: str) -> str | None:
    found = values.get(name)
    return make_safe(decode_words(_to_text(found[0]))) if found else None


def _to_text(value: bytes) -> str:
    """A header's value on one line, with a space for each tab; what is not UTF-8 is read as Windows writes it."""
    return decode_raw(unfold(value)).replace("\t", " ").strip(" ")


def _without(names: frozenset[str], raw: bytes) -> bytes:
    end = raw.find(b"\r\n\r\n")
    at = len(raw) if end < 0 else end + 2
    fields = read_fields(raw[:at])
    kept = [b"%b:%b\r\n" % (name, value) for name, value in fields if name.decode("ascii").lower() not in names]
    return b"".join(kept) + raw[at:]
