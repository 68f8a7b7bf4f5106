"""Reading a message for people, in bounded time whatever it holds: beyond the limits it is opaque."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from hourpost.rules.header_text import decode_charset, decode_words, make_safe
from hourpost.rules.transfer_encoding import decode

MAX_PARTS = 500
MAX_DEPTH = 20
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADERS = 1000
MAX_BOUNDARY = 200

# Anchored, or a long line without a colon would take time by the square
_FIELD = re.compile(rb"(?m)^([!-9;-~]++)[ \t]*+:([^\r\n]*+(?:\n[ \t][^\r\n]*+|\r\n[ \t][^\r\n]*+)*+)")
_LINE_END = re.compile(rb"\r?\n")
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


class _Span(NamedTuple):
    """A stretch of the raw message: parts are never copied, because each may be nearly all of it."""

    start: int
    end: int


@dataclass(slots=True)
class _Reading:
    """The raw message, and what was found in it so far."""

    raw: bytes
    text: str | None = None
    html: str | None = None
    attachments: list[AttachmentSummary] = field(default_factory=list)
    parts: int = 0
    is_complete: bool = True


def read_message(raw: bytes) -> ReadMessage:
    """Text, HTML, headers and attachments of a message; never raises.

    At most 500 parts, 20 levels, 1,000 headers and 256 KiB of headers are looked at.
    """
    reading = _Reading(raw)
    headers, body = _split(reading, _Span(0, len(raw)))
    _read_part(reading, headers, body, 0)
    decoded = tuple((name, make_safe(decode_words(value))) for name, value in headers)
    return ReadMessage(reading.text, reading.html, decoded, tuple(reading.attachments), reading.is_complete)


def _split(reading: _Reading, part: _Span) -> tuple[list[tuple[str, str]], _Span]:
    raw, limit = reading.raw, min(part.end, part.start + MAX_HEADER_BYTES)
    no_headers = _LINE_END.match(raw, part.start, part.end)
    if no_headers is not None:
        return [], _Span(no_headers.end(), part.end)
    end = _BLOCK_END.search(raw, part.start, limit)
    if end is None and limit < part.end:
        reading.is_complete = False
    headers: list[tuple[str, str]] = []
    for match in _FIELD.finditer(raw, part.start, limit if end is None else end.start()):
        if len(headers) == MAX_HEADERS:
            reading.is_complete = False
            break
        value = _FOLD.sub("", match[2].decode("utf-8", "replace")).strip()
        headers.append((match[1].decode("ascii"), value))
    return headers, _Span(part.end if end is None else end.end(), part.end)


def _read_part(reading: _Reading, headers: list[tuple[str, str]], body: _Span, depth: int) -> None:
    reading.parts += 1
    if reading.parts > MAX_PARTS or depth > MAX_DEPTH:
        reading.is_complete = False
        return
    fields = {name.lower(): value for name, value in reversed(headers)}
    kind, parameters = _parse_parameters(fields.get("content-type", "text/plain"))
    boundary = parameters.get("boundary", "")
    if kind.startswith("multipart/") and 0 < len(boundary) <= MAX_BOUNDARY:
        for part in _split_parts(reading.raw, body, boundary.encode("utf-8", "replace")):
            if reading.parts > MAX_PARTS:
                return
            _read_part(reading, *_split(reading, part), depth + 1)
        return
    content = decode(fields.get("content-transfer-encoding", ""), reading.raw[body.start : body.end])
    _read_leaf(reading, fields, (kind, parameters), content)


def _read_leaf(
    reading: _Reading, fields: dict[str, str], content_type: tuple[str, dict[str, str]], content: bytes
) -> None:
    kind, parameters = content_type
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


def _split_parts(raw: bytes, body: _Span, boundary: bytes) -> Iterator[_Span]:
    """The bodies between the boundary's lines; the last may lack its end."""
    delimiter = b"--" + boundary
    start: int | None = None
    at = raw.find(delimiter, *body)
    while at >= 0:
        tail = _DELIMITER_TAIL.match(raw, at + len(delimiter), body.end)
        if tail is not None and (at == body.start or raw[at - 1] == ord("\n")):
            if start is not None:
                yield _Span(start, max(start, at - (2 if raw[at - 2 : at] == b"\r\n" else 1)))
            if tail[1]:
                return
            start = tail.end()
        at = raw.find(delimiter, at + 1, body.end)
    if start is not None:
        yield _Span(start, body.end)


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
