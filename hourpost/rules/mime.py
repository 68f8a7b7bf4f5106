"""The bytes of an email from its parts (RFC 5322, RFC 2045-2047, RFC 2231), assembled by hand because it is hot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

from hourpost.rules.addresses import Address
from hourpost.rules.file_types import OCTET_STREAM, guess_content_type
from hourpost.rules.header_text import find_unsafe
from hourpost.rules.headers import HeaderError, check_headers, encode_addresses, encode_header, require_headers
from hourpost.rules.transfer_encoding import encode_base64, encode_text

__all__ = [
    "Attachment",
    "Content",
    "build_message",
    "check_attachment",
    "format_date",
    "guess_content_type",
    "write_content_type",
]

MAX_FILENAME_BYTES = 255
MAX_CONTENT_TYPE = 200

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MESSAGE_ID = re.compile(r"<[^\s<>@\x00-\x20\x7f-\U0010ffff]{1,250}@[^\s<>@\x00-\x20\x7f-\U0010ffff]{1,250}>")
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,250}")
_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_PARAMETER = rf'{_WORD}=(?:{_WORD}|"[A-Za-z0-9 !#-\[\]-~]*")'
_ONE_PARAMETER = re.compile(_PARAMETER)
_CONTENT_TYPE = re.compile(rf"({_WORD}/{_WORD})((?: *; *{_PARAMETER})*) *;? *")
_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]{1,60}")
_UNDISCLOSED = b"To: undisclosed-recipients:;\r\n"
_TEXT_FIELDS = {
    (subtype, encoding): (
        f"Content-Type: text/{subtype}; charset={charset}\r\n".encode(),
        f"Content-Transfer-Encoding: {encoding}\r\n".encode(),
    )
    for subtype in ("plain", "html")
    for encoding, charset in (("7bit", "us-ascii"), ("quoted-printable", "utf-8"), ("base64", "utf-8"))
}
_VERSION = b"MIME-Version: 1.0\r\n"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in an email; with a ``content_id`` (without angle brackets) the HTML may show it as ``cid:…``."""

    filename: str
    content: bytes
    content_type: str
    content_id: str | None = None


class Content(NamedTuple):
    """What an email says and to whom it says so; hidden recipients are part of the envelope, not of this."""

    from_: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


class _Part(NamedTuple):
    """Header lines of a MIME entity, each ended by CRLF, and its body."""

    fields: tuple[bytes, ...]
    body: bytes


def build_message(content: Content, *, message_id: str, date: datetime) -> bytes:
    """The message as canonical bytes: CRLF, 7-bit, lines of at most 998 bytes; the same input gives the same bytes.

    ``message_id`` may stand with or without its angle brackets, ``date`` needs a time zone. Only a local part that
    is not ASCII (SMTPUTF8) puts other than 7-bit bytes into the headers.

    Raises:
        HeaderError: A header, name or value is not allowed or would break out of its line.
        ValueError: The message id or an attachment's type, name or content id is not well-formed.
    """
    message_id = message_id if message_id.startswith("<") else f"<{message_id}>"
    if _MESSAGE_ID.fullmatch(message_id) is None:
        raise ValueError(f"{message_id[:100]!a} is not a message id")
    body = _body(content, _boundary_seed(content, message_id))
    fields = [
        *_address_fields(content),
        encode_header("Subject", content.subject),
        f"Message-ID: {message_id}\r\n".encode(),
        f"Date: {format_date(date)}\r\n".encode(),
        *_custom_fields(content.headers),
        _VERSION,
        *body.fields,
    ]
    block = b"".join(fields)
    require_headers(block, fields)
    end = b"" if body.body.endswith(b"\r\n") else b"\r\n"
    return b"".join((block, b"\r\n", body.body, end))


@lru_cache(maxsize=16)  # the emails of a batch have one date
def format_date(date: datetime) -> str:
    """The moment as RFC 5322 §3.3 writes it, in UTC.

    Raises:
        ValueError: The moment has no time zone.
    """
    if date.tzinfo is None:
        raise ValueError("a date without a time zone names no moment")
    utc = date if date.tzinfo is UTC else date.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _MONTHS[utc.month - 1]
    return f"{day}, {utc.day:02d} {month} {utc.year:04d} {utc.hour:02d}:{utc.minute:02d}:{utc.second:02d} +0000"


def check_attachment(attachment: Attachment) -> list[tuple[str, str]]:
    """All that is wrong with an attachment's name, type and content id, each with its field; empty when it can go."""
    faults = []
    name = attachment.filename
    unsafe = find_unsafe(name)
    if unsafe is not None:
        faults.append(("filename", f"the filename holds the character {unsafe}, which is not allowed"))
    elif not name.strip():
        faults.append(("filename", "the filename is empty"))
    elif len(name.encode()) > MAX_FILENAME_BYTES:
        faults.append(("filename", f"the filename is longer than {MAX_FILENAME_BYTES} bytes"))
    kind = attachment.content_type
    if kind and (len(kind) > MAX_CONTENT_TYPE or _CONTENT_TYPE.fullmatch(kind) is None):
        faults.append(("content_type", "the content_type is not of the form type/subtype"))
    if attachment.content_id is not None and _CONTENT_ID.fullmatch(attachment.content_id) is None:
        faults.append(
            ("content_id", "the content_id may hold letters, digits and . - _ @ only, and not be empty"),
        )
    return faults


def write_content_type(kind: str, parameters: Iterable[tuple[str, str]]) -> str:
    """A type with those of its parameters that an attachment can have; ``kind`` has none.

    What is no type is ``application/octet-stream``.
    """
    written = kind if len(kind) <= MAX_CONTENT_TYPE and _CONTENT_TYPE.fullmatch(kind) else OCTET_STREAM
    for name, value in parameters:
        one = f'{name}="{value}"'
        if _ONE_PARAMETER.fullmatch(one) and len(written) + len(one) + 2 <= MAX_CONTENT_TYPE:
            written += f"; {one}"
    return written


def _boundary_seed(content: Content, message_id: str) -> str:
    """What every boundary of the message begins with; it stands in no text of it.

    Encoded bodies cannot hold a boundary, because they cannot hold ``=_``.
    """
    seed = sha256(message_id.encode()).hexdigest()[:24]
    while seed in (content.text or "") or seed in (content.html or ""):
        seed = sha256(seed.encode()).hexdigest()[:24]
    return seed


def _address_fields(content: Content) -> list[bytes]:
    fields = [
        encode_addresses("From", (content.from_,)),
        encode_addresses("To", content.to) if content.to else _UNDISCLOSED,
    ]
    if content.cc:
        fields.append(encode_addresses("Cc", content.cc))
    if content.reply_to:
        fields.append(encode_addresses("Reply-To", content.reply_to))
    return fields


def _custom_fields(headers: tuple[tuple[str, str], ...]) -> list[bytes]:
    faults = check_headers(headers) if headers else []
    if faults:
        raise HeaderError("; ".join(fault.detail for fault in faults))
    return [encode_header(name, value) for name, value in headers]


def _body(content: Content, seed: str) -> _Part:
    inline: list[Attachment] = []
    attached: list[Attachment] = []
    for item in content.attachments:
        (attached if item.content_id is None or content.html is None else inline).append(item)
    parts = []
    if content.text is not None or content.html is None:
        parts.append(_text_part("plain", content.text or ""))
    if content.html is not None:
        html = _text_part("html", content.html)
        if inline:
            html = _multipart("related", f"{seed}.r", [html, *(_file_part(item, "inline") for item in inline)])
        parts.append(html)
    body = parts[0] if len(parts) == 1 else _multipart("alternative", f"{seed}.a", parts)
    if attached:
        body = _multipart("mixed", f"{seed}.m", [body, *(_file_part(item, "attachment") for item in attached)])
    return body


def _text_part(subtype: str, text: str) -> _Part:
    encoding, body = encode_text(text)
    return _Part(_TEXT_FIELDS[subtype, encoding], body)


def _multipart(kind: str, seed: str, parts: list[_Part]) -> _Part:
    delimiter = f"--=_{seed}\r\n".encode()
    pieces: list[bytes] = []
    for part in parts:
        pieces += (delimiter, *part.fields, b"\r\n", part.body, b"\r\n")
    pieces.append(f"--=_{seed}--\r\n".encode())
    field = f'Content-Type: multipart/{kind};\r\n boundary="=_{seed}"\r\n'.encode()
    return _Part((field,), b"".join(pieces))


def _file_part(attachment: Attachment, disposition: str) -> _Part:
    faults = check_attachment(attachment)
    if faults:
        raise ValueError(f"attachment {attachment.filename[:80]!a}: {'; '.join(detail for _, detail in faults)}")
    fields = [
        f"Content-Type: {_file_type(attachment)}\r\n".encode(),
        b"Content-Transfer-Encoding: base64\r\n",
        f"Content-Disposition: {disposition};{_filename_parameter(attachment.filename)}\r\n".encode(),
    ]
    if attachment.content_id is not None:
        fields.append(f"Content-ID: <{attachment.content_id}>\r\n".encode())
    return _Part(tuple(fields), encode_base64(attachment.content))


def _file_type(attachment: Attachment) -> str:
    written = attachment.content_type or guess_content_type(attachment.filename)
    # RFC 2046 §5.2.1 forbids base64 on messages and multiparts, and their bytes may not survive as they are
    if written.lower().startswith(("message/", "multipart/")):
        return OCTET_STREAM
    match = _CONTENT_TYPE.fullmatch(written)
    assert match is not None
    return ";\r\n ".join([match[1], *_ONE_PARAMETER.findall(match[2])])


def _filename_parameter(name: str) -> str:
    if _PLAIN_FILENAME.fullmatch(name):
        return f' filename="{name}"'
    return f"\r\n filename*=utf-8''{quote(name, safe='')}"
