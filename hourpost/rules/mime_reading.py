"""Reading a message for people, in bounded time whatever it holds: beyond the limits it is opaque."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from hourpost.rules.header_text import decode_charset, decode_words, make_safe
from hourpost.rules.transfer_encoding import decode

MAX_PARTS = 500
MAX_DEPTH = 20
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADERS = 1000
MAX_BOUNDARY = 200

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*+)")
_BLOCK_END = re.compile(rb"\r?\n\r?\n")
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(?:\r?\n|$)")
_PARAMETER = re.compile(r';\s*([^\s=;"*]+)(\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^;\s]*))')
_FOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class AttachmentSummary:
    """What is known of an attachment without its content; ``size_bytes`` is its size decoded."""

    filename: str
    content_type: str
    content_id: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message for people; ``is_complete`` is False when it passes the limits and parts were left out."""

    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[AttachmentSummary, ...]
    is_complete: bool


@dataclass(slots=True)
class _Reading:
    """What was found so far."""

    text: str | None = None
    html: str | None = None
    attachments: list[AttachmentSummary] = field(default_factory=list)
    parts: int = 0
    is_complete: bool = True


def read_message(raw: bytes) -> ReadMessage:
    """Text, HTML, headers and attachments of a message; never raises.

    At most 500 parts, 20 levels, 1,000 headers and 256 KiB of headers are looked at.
    """
    reading = _Reading()
    headers, body = _split(raw, reading)
    _read_part(headers, body, 0, reading)
    decoded = tuple((name, make_safe(decode_words(value))) for name, value in headers)
    return ReadMessage(reading.text, reading.html, decoded, tuple(reading.attachments), reading.is_complete)


def _split(raw: bytes, reading: _Reading) -> tuple[list[tuple[str, str]], bytes]:
    if raw.startswith((b"\r\n", b"\n")):
        return [], raw[raw.index(b"\n") + 1 :]
    end = _BLOCK_END.search(raw, 0, MAX_HEADER_BYTES)
    if end is None and len(raw) > MAX_HEADER_BYTES:
        reading.is_complete = False
    block, body = (raw[:MAX_HEADER_BYTES], b"") if end is None else (raw[: end.start()], raw[end.end() :])
    headers: list[tuple[str, str]] = []
    for match in _FIELD.finditer(block):
        if len(headers) == MAX_HEADERS:
            reading.is_complete = False
            break
        value = _FOLD.sub("", match[2].decode("utf-8", "replace")).strip()
        headers.append((match[1].decode("ascii"), value))
    return headers, body


def _read_part(headers: list[tuple[str, str]], body: bytes, depth: int, reading: _Reading) -> None:
    reading.parts += 1
    if reading.parts > MAX_PARTS or depth > MAX_DEPTH:
        reading.is_complete = False
        return
    fields = {name.lower(): value for name, value in reversed(headers)}
    kind, parameters = _parse_parameters(fields.get("content-type", "text/plain"))
    boundary = parameters.get("boundary", "")
    if kind.startswith("multipart/") and 0 < len(boundary) <= MAX_BOUNDARY:
        for part in _split_parts(body, boundary.encode("utf-8", "replace")):
            if reading.parts > MAX_PARTS:
                return
            _read_part(*_split(part, reading), depth + 1, reading)
        return
    _read_leaf(fields, kind, parameters, decode(fields.get("content-transfer-encoding", ""), body), reading)


def _read_leaf(
    fields: dict[str, str], kind: str, parameters: dict[str, str], content: bytes, reading: _Reading
) -> None:
    disposition, places = _parse_parameters(fields.get("content-disposition", ""))
    filename = make_safe(decode_words(places.get("filename") or parameters.get("name", "")))
    if disposition != "attachment" and not filename:
        if kind == "text/html" and reading.html is None:
            reading.html = _to_text(content, parameters)
            return
        if kind == "text/plain" and reading.text is None:
            reading.text = _to_text(content, parameters)
            return
    content_id = fields.get("content-id", "").strip("<> ") or None
    reading.attachments.append(AttachmentSummary(filename, kind, content_id, len(content)))


def _split_parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The bodies between the boundary's lines; the last may lack its end."""
    delimiter = b"--" + boundary
    start: int | None = None
    at = body.find(delimiter)
    while at >= 0:
        tail = _DELIMITER_TAIL.match(body, at + len(delimiter))
        if tail is not None and (at == 0 or body[at - 1] == ord("\n")):
            if start is not None:
                yield body[start : max(start, at - (2 if body[at - 2 : at] == b"\r\n" else 1))]
            if tail[1]:
                return
            start = tail.end()
        at = body.find(delimiter, at + 1)
    if start is not None:
        yield body[start:]


def _parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    head, _, _ = value.partition(";")
    parameters = {}
    for match in _PARAMETER.finditer(value[:4000]):
        name, extended, quoted, bare = match.groups()
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
        parameters[name.lower()] = _decode_extended(text) if extended else text
    return head.strip().lower(), parameters


def _decode_extended(text: str) -> str:
    """A value of RFC 2231 §4: ``charset'language'percent-encoded``."""
    charset, _, rest = text.partition("'")
    return decode_charset(unquote_to_bytes(rest.partition("'")[2]), charset)


def _to_text(content: bytes, parameters: dict[str, str]) -> str:
    return decode_charset(content, parameters.get("charset", "utf-8")).replace("\r\n", "\n")
