"""ENVELOPE: a message's header as IMAP's ten strings and lists (RFC 9051 §7.5.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hourpost.rules.mail.address_lists import MISSING_MAILBOX, HeaderAddress, parse_addresses
from hourpost.rules.mail.fields import unfold
from hourpost.rules.mail.imap_text import to_nstring
from hourpost.rules.mail.scanned import MAX_ADDRESSES

_LISTS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
Lists = dict[bytes, list[HeaderAddress]]


@dataclass(slots=True)
class Allowance:
    """How many more addresses are read in this message, with the messages inside it."""

    addresses: int = field(default=MAX_ADDRESSES)


def read_lists(fields: list[tuple[bytes, bytes]], allowance: Allowance) -> Lists:
    """The addresses of each address field, in order; a field that comes twice goes on where it ended."""
    lists: Lists = {}
    for name, value in fields:
        if name in _LISTS:
            found = parse_addresses(unfold(value), allowance.addresses)
            allowance.addresses -= len(found)
            lists.setdefault(name, []).extend(found)
    return lists


def render_envelope(values: dict[bytes, bytes], lists: Lists) -> bytes:
    """The envelope with its parentheses; Sender and Reply-To are From where they are missing or broken."""
    written = {name: _render_list(lists.get(name, [])) for name in _LISTS}
    if not any(address.host and address.mailbox != MISSING_MAILBOX for address in lists.get(b"sender", [])):
        written[b"sender"] = written[b"from"]
    if not lists.get(b"reply-to"):
        written[b"reply-to"] = written[b"from"]
    return b"(%b %b %b %b %b)" % (
        to_nstring(values.get(b"date")),
        to_nstring(_to_line(values.get(b"subject"))),
        b" ".join(written[name] for name in _LISTS),
        to_nstring(values.get(b"in-reply-to")),
        to_nstring(values.get(b"message-id")),
    )


def _to_line(subject: bytes | None) -> bytes | None:
    """The subject with single blanks: where a header is folded, its writer meant one."""
    return subject if subject is None else b" ".join(subject.split())


def _render_list(addresses: list[HeaderAddress]) -> bytes:
    if not addresses:
        return b"NIL"
    return b"(%b)" % b"".join(
        b"(%b %b %b %b)" % (to_nstring(name), to_nstring(route), to_nstring(mailbox), to_nstring(host))
        for name, route, mailbox, host in addresses
    )
