"""The tree of a message's parts: one pass per level over the bytes, a list in place of recursion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from hourpost.rules.mail.fields import find_header_end, first_values, list_fields, strip_comments
from hourpost.rules.mail.parameters import Parameterised, Parameters, parse_parameterised
from hourpost.rules.mail.scanned import MAX_DEPTH, MAX_PARTS

MAX_BOUNDARY = 200
# A message in here is a message still when one of these encodes it; else it is a file that holds one
_IDENTITIES = frozenset((b"", b"7bit", b"8bit", b"binary"))
_TYPE = re.compile(rb"([^\s/;\"]++)\s*+/\s*+([^\s/;\"]++)")
_TOKEN = re.compile(rb"[^\s;\"]++")
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\Z)")
_TEXT = (b"text", b"plain")
_MESSAGE = (b"message", b"rfc822")
_OPAQUE = (b"application", b"octet-stream")


@dataclass(slots=True)
class Node:
    """A part in the tree: its place in the content, its type, and the nodes below it.

    ``section`` is its number; empty for a multipart that is all of a message, because nothing names that one but the
    message. Below it the numbers begin with ``prefix``. ``kind`` is the type as written.
    """

    section: str
    prefix: str
    depth: int
    header_at: int
    body_at: int
    end: int
    fields: list[tuple[bytes, bytes]]
    values: dict[bytes, bytes]
    kind: tuple[bytes, bytes]
    parameters: Parameters
    encoding: bytes
    children: list[Node] = field(default_factory=list)
    inner: Node | None = None

    @property
    def media(self) -> tuple[bytes, bytes]:
        """The type in lower case."""
        return self.kind[0].lower(), self.kind[1].lower()


class _Place(NamedTuple):
    """A part that has not been looked into: where it is, who holds it, what it is when it does not say."""

    holder: Node | None
    start: int
    end: int
    section: str
    is_message: bool
    depth: int
    default: tuple[bytes, bytes]
    is_opaque: bool


def read_structure(content: bytes) -> list[Node]:
    """All nodes, a holder before what it holds and in the order of the content; the first is the message."""
    nodes: list[Node] = []
    places = [_Place(None, 0, len(content), "", True, 0, _TEXT, False)]
    known = 1
    while places:
        place = places.pop()
        node = _open(content, place)
        nodes.append(node)
        if place.holder is not None:
            if place.is_message:
                place.holder.inner = node
            else:
                place.holder.children.append(node)
        if place.is_opaque:
            continue
        below = _look_into(content, node, MAX_PARTS - known)
        known += len(below)
        places.extend(reversed(below))
    return nodes


def _open(content: bytes, place: _Place) -> Node:
    body_at = find_header_end(content, place.start, place.end)
    fields = list_fields(content, place.start, body_at)
    values = first_values(fields)
    kind, parameters = _read_type(values.get(b"content-type"), place.default)
    encoding = _read_token(values.get(b"content-transfer-encoding"))
    is_holder = kind[0].lower() == b"multipart"
    if place.is_opaque and (is_holder or kind[0].lower() == b"message"):
        kind, is_holder = _OPAQUE, False
    elif _is_message(kind) and encoding.lower() not in _IDENTITIES:
        kind = _OPAQUE
    section = place.section
    if place.is_message:
        section = "" if is_holder else place.section + "1"
    prefix = place.section if place.is_message and is_holder else section + "."
    return Node(
        section, prefix, place.depth, place.start, body_at, place.end, fields, values, kind, parameters, encoding
    )


def _look_into(content: bytes, node: Node, room: int) -> list[_Place]:
    """The parts right below a node, at most ``room``; a node without room or too deep becomes opaque."""
    main = node.kind[0].lower()
    if main != b"multipart" and not _is_message(node.kind):
        return []
    depth = node.depth + 1
    if depth > MAX_DEPTH or room < 1:
        _make_opaque(node)
        return []
    if main != b"multipart":
        return [_Place(node, node.body_at, node.end, node.section + ".", True, depth, _TEXT, False)]
    default = _MESSAGE if node.kind[1].lower() == b"digest" else _TEXT
    spans = _split(content, node, room)
    last = len(spans)
    return [
        _Place(node, start, end, f"{node.prefix}{number}", False, depth, default, is_opaque=number == last == room)
        for number, (start, end) in enumerate(spans, 1)
    ]


def _make_opaque(node: Node) -> None:
    node.kind = _OPAQUE
    if not node.section:
        node.section = node.prefix + "1"


def _split(content: bytes, node: Node, room: int) -> list[tuple[int, int]]:
    """The spans between a multipart's boundaries; the line end before a boundary belongs to it (RFC 2046 §5.1.1).

    A multipart without one part has an empty one, because BODYSTRUCTURE cannot say none.
    """
    boundary = node.parameters.get(b"boundary", b"").rstrip()
    if not 0 < len(boundary) <= MAX_BOUNDARY:
        return [(node.end, node.end)]
    delimiter, end = b"--" + boundary, node.end
    spans: list[tuple[int, int]] = []
    start = -1
    at = content.find(delimiter, node.body_at, end)
    while at >= 0:
        tail = _DELIMITER_TAIL.match(content, at + len(delimiter), end)
        if tail is not None and (at == node.body_at or content[at - 1] == 10):
            if start >= 0:
                spans.append((start, max(start, at - (2 if content[at - 2 : at] == b"\r\n" else 1))))
            start = -1 if tail[1] else tail.end()
            if tail[1]:
                break
            if len(spans) == room - 1:
                spans.append((start, end))
                return spans
        at = content.find(delimiter, at + len(delimiter), end)
    if start >= 0:
        spans.append((start, end))
    return spans or [(end, end)]


def _is_message(kind: tuple[bytes, bytes]) -> bool:
    return kind[0].lower() == b"message" and kind[1].lower() in (b"rfc822", b"global")


def _read_type(value: bytes | None, default: tuple[bytes, bytes]) -> tuple[tuple[bytes, bytes], Parameters]:
    if not value:
        return default, {}
    parsed: Parameterised = parse_parameterised(value)
    match = _TYPE.match(parsed.value)
    if match is None:
        return (_TEXT if parsed.value.lower() == b"text" else _OPAQUE), parsed.parameters
    return (match[1], match[2]), parsed.parameters


def _read_token(value: bytes | None) -> bytes:
    match = None if value is None else _TOKEN.search(strip_comments(value))
    return b"" if match is None else match[0]
