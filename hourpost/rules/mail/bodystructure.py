"""BODY and BODYSTRUCTURE (RFC 9051 §7.5.2): the tree of parts as IMAP's lists, written from the leaves up."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from hourpost.rules.mail.envelope import Allowance, read_lists, render_envelope
from hourpost.rules.mail.fields import strip_comments
from hourpost.rules.mail.imap_text import to_list, to_nstring, to_string
from hourpost.rules.mail.parameters import Parameters, parse_parameterised
from hourpost.rules.mail.structure import Node

_WORD = re.compile(rb"[^\s,]++")
MAX_LANGUAGES = 100


class Rendered(NamedTuple):
    """The answer to BODY, and the one to BODYSTRUCTURE, which says more of each part."""

    body: bytes
    bodystructure: bytes


def render_structure(content: bytes, nodes: list[Node], allowance: Allowance) -> Rendered:
    """Both answers for nodes in which a holder comes before what it holds."""
    envelopes = {
        id(node): render_envelope(node.inner.values, read_lists(node.inner.fields, allowance))
        for node in nodes
        if node.inner is not None
    }
    # A holder takes what was written of its parts, so that no more than one level is kept twice
    done: dict[int, Rendered] = {}
    for node in reversed(nodes):
        if node.children:
            done[id(node)] = _render_multipart(node, [done.pop(id(child)) for child in node.children])
        elif node.inner is not None:
            done[id(node)] = _render_message(content, node, envelopes.pop(id(node)), done.pop(id(node.inner)))
        else:
            done[id(node)] = _render_leaf(content, node)
    return done[id(nodes[0])]


def _render_multipart(node: Node, below: list[Rendered]) -> Rendered:
    subtype = to_string(node.kind[1])
    body = b"(%b %b)" % (b"".join(child.body for child in below), subtype)
    extension = b"%b %b" % (_render_parameters(node.parameters), _render_rest(node.values))
    parts = b"".join(child.bodystructure for child in below)
    return Rendered(body, b"(%b %b %b)" % (parts, subtype, extension))


def _render_message(content: bytes, node: Node, envelope: bytes, inner: Rendered) -> Rendered:
    basic, extension = _render_basic(node, node.parameters), _render_single_rest(node.values)
    lines = _count_lines(content, node)
    return Rendered(
        b"(%b %b %b %d)" % (basic, envelope, inner.body, lines),
        b"(%b %b %b %d %b)" % (basic, envelope, inner.bodystructure, lines, extension),
    )


def _render_leaf(content: bytes, node: Node) -> Rendered:
    parameters = node.parameters
    if node.media[0] == b"text":
        if b"charset" not in parameters:
            parameters = {**parameters, b"charset": b"us-ascii"}
        basic = b"%b %d" % (_render_basic(node, parameters), _count_lines(content, node))
    else:
        basic = _render_basic(node, parameters)
    return Rendered(b"(%b)" % basic, b"(%b %b)" % (basic, _render_single_rest(node.values)))


def _render_basic(node: Node, parameters: Parameters) -> bytes:
    values = node.values
    return b"%b %b %b %b %b %b %d" % (
        to_string(node.kind[0]),
        to_string(node.kind[1]),
        _render_parameters(parameters),
        to_nstring(values.get(b"content-id")),
        to_nstring(values.get(b"content-description")),
        to_string(node.encoding or b"7bit"),
        node.end - node.body_at,
    )


def _render_single_rest(values: dict[bytes, bytes]) -> bytes:
    return b"%b %b" % (to_nstring(values.get(b"content-md5")), _render_rest(values))


def _render_rest(values: dict[bytes, bytes]) -> bytes:
    """Disposition, language and location, with which both kinds of part end."""
    location = to_nstring(values.get(b"content-location"))
    return b"%b %b %b" % (_render_disposition(values), _render_languages(values), location)


def _render_disposition(values: dict[bytes, bytes]) -> bytes:
    value = values.get(b"content-disposition")
    if not value:
        return b"NIL"
    parsed = parse_parameterised(value)
    return b"(%b %b)" % (to_string(parsed.value), _render_parameters(parsed.parameters))


def _render_languages(values: dict[bytes, bytes]) -> bytes:
    value = values.get(b"content-language")
    if not value:
        return b"NIL"
    return to_list(match[0] for match in islice(_WORD.finditer(strip_comments(value)), MAX_LANGUAGES))


def _render_parameters(parameters: Parameters) -> bytes:
    return to_list(text for pair in parameters.items() for text in pair)


def _count_lines(content: bytes, node: Node) -> int:
    return content.count(b"\n", node.body_at, node.end)
