"""What an answer takes from the message it answers: who gets it, under which subject, and where it belongs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.reading import ReadableMessage
from hourpost.rules.addresses import Address, AddressError, parse_address
from hourpost.rules.header_text import make_safe
from hourpost.rules.mail.address_lists import HeaderAddress, parse_addresses
from hourpost.rules.mail.message_ids import list_message_ids

_RE = re.compile(r"\s*(?:re|aw|sv|antw)(?:\[\d+\])?\s*:", re.IGNORECASE)
_MAX_REFERENCES = 20  # the first and the last of a long thread: the header stays within what everybody takes
_MAX_REFERENCES_LENGTH = 1500
_MAX_ID = 250
_MAX_ADDRESSES = 200
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class AnswerDefaults:
    """What an answer says where its writer says nothing else; addresses as text."""

    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]


def answer_defaults(message: ReadableMessage, mailbox: Mailbox, *, to_all: bool = False) -> AnswerDefaults:
    """An answer to who wrote ``message``, or ``to_all`` it concerned; to one's own, the answer goes where it went."""
    own = {address.lower() for address in mailbox.addresses}
    writers = addresses_of(message, b"reply-to") or addresses_of(message, b"from")
    to, cc = addresses_of(message, b"to"), addresses_of(message, b"cc")
    if writers and all(one.spec.lower() in own for one in writers) and to:
        writers = to
        to = []
    others = _without([*to, *cc], own | {one.spec.lower() for one in writers}) if to_all else []
    return AnswerDefaults(
        to=tuple(one.text for one in writers),
        cc=tuple(one.text for one in others),
        subject=answer_subject(message.header("subject") or ""),
        headers=answer_headers(message),
    )


def sender_of(mailbox: Mailbox, address: str | None = None) -> str:
    """The mailbox as a sender, by one of its addresses, with its name where that can be written."""
    address = address or mailbox.address
    named = replace(parse_address(address), display_name=mailbox.name).text
    try:
        return parse_address(named).text
    except AddressError:
        return address


def answer_subject(subject: str) -> str:
    """``Re:`` in front, once."""
    plain = " ".join(subject.split())
    return plain if _RE.match(plain) else f"Re: {plain}".rstrip()


def answer_headers(message: ReadableMessage) -> tuple[tuple[str, str], ...]:
    """In-Reply-To and References (RFC 5322 §3.6.4); nothing where the message has no Message-ID."""
    own = ids_of(message, b"message-id")[:1]
    if not own:
        return ()
    before = ids_of(message, b"references") or ids_of(message, b"in-reply-to")[:1]
    thread = list(dict.fromkeys([*(one for one in before if one != own[0]), own[0]]))
    while len(thread) > 2 and (len(thread) > _MAX_REFERENCES or sum(map(len, thread)) > _MAX_REFERENCES_LENGTH):
        del thread[1]
    return (("In-Reply-To", own[0]), ("References", " ".join(thread)))


def ids_of(message: ReadableMessage, name: bytes) -> list[str]:
    """The message ids in a header that can be written into another one."""
    found = list_message_ids(message.fields.get(name))
    return [one for one in found if len(one) <= _MAX_ID and one.isascii() and one.isprintable() and "@" in one]


def addresses_of(message: ReadableMessage, name: bytes) -> list[Address]:
    """Those of a header that can be written to; what is no address is left out."""
    found: dict[str, Address] = {}
    for entry in parse_addresses(message.fields.get(name, b""), _MAX_ADDRESSES):
        address = _address(entry)
        if address is not None:
            found.setdefault(address.spec.lower(), address)
    return list(found.values())


def can_write_to_all(message: ReadableMessage, name: bytes) -> bool:
    """Whether ``addresses_of`` a header leaves nobody out."""
    found = [one for one in parse_addresses(message.fields.get(name, b""), _MAX_ADDRESSES + 1) if one.host is not None]
    return len(found) <= _MAX_ADDRESSES and all(_address(one) is not None for one in found)


def _address(entry: HeaderAddress) -> Address | None:
    if entry.host is None:
        return None
    try:
        bare = _bare(entry)
        return parse_address(replace(bare, display_name=make_safe(entry.display_name or "")[:_MAX_NAME]).text)
    except AddressError:
        return None


def _bare(entry: HeaderAddress) -> Address:
    """The address alone; its local part has lost the quotes that it may need (RFC 5321 §4.1.2)."""
    try:
        return parse_address(entry.spec)
    except AddressError:
        local, _, host = entry.spec.rpartition("@")
        escaped = local.replace("\\", "\\\\").replace('"', '\\"')
        return parse_address(f'"{escaped}"@{host}')


def _without(addresses: Sequence[Address], known: set[str]) -> list[Address]:
    return [one for one in {one.spec.lower(): one for one in addresses}.values() if one.spec.lower() not in known]
