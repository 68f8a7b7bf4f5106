"""A message scanned once, when it comes in: everything that is ever asked of it without its content."""

from __future__ import annotations

from hourpost.rules.addresses import write_person
from hourpost.rules.header_text import decode_raw, decode_words, make_safe
from hourpost.rules.mail.address_lists import HeaderAddress
from hourpost.rules.mail.bodystructure import render_structure
from hourpost.rules.mail.dates import parse_date
from hourpost.rules.mail.envelope import Allowance, read_lists, render_envelope
from hourpost.rules.mail.folding import case_map, drop_accents, storable
from hourpost.rules.mail.message_ids import find_message_id, list_message_ids
from hourpost.rules.mail.parameters import parse_parameterised, read_name
from hourpost.rules.mail.scanned import PARSER_VERSION, Part, Scanned
from hourpost.rules.mail.structure import Node, read_structure
from hourpost.rules.mail.subjects import find_base_subject
from hourpost.rules.mail.texts import is_attachment, read_search_header, read_texts

MAX_SUBJECT_CHARACTERS = 10_000
MAX_KEY_CHARACTERS = 500
MAX_SHOWN_ADDRESSES = 20
MAX_SHOWN_CHARACTERS = 2000


def scan(content: bytes) -> Scanned:
    """Everything about a message; never raises, and takes time in proportion to the content's size."""
    nodes = read_structure(content)
    root = nodes[0]
    allowance = Allowance()
    lists = read_lists(root.fields, allowance)
    structure = render_structure(content, nodes, allowance)
    found = [(node, _to_part(node)) for node in nodes if node.section]
    texts = read_texts(content, found, is_alternative=root.media == (b"multipart", b"alternative"))
    header = read_search_header(content, root.body_at)
    subject = _to_subject(root.values.get(b"subject", b""))
    base = find_base_subject(subject)
    sent = parse_date(root.values.get(b"date", b"").decode("ascii", "replace"))
    senders, recipients = lists.get(b"from", []), lists.get(b"to", [])
    return Scanned(
        parser_version=PARSER_VERSION,
        header_size=root.body_at,
        envelope=render_envelope(root.values, lists),
        body=structure.body,
        bodystructure=structure.bodystructure,
        parts=tuple(part for _, part in found),
        subject=subject,
        base_subject=base.key,
        is_reply=base.is_reply,
        from_key=_to_key(senders),
        to_key=_to_key(recipients),
        cc_key=_to_key(lists.get(b"cc", [])),
        display_from_key=_to_display_key(senders),
        display_to_key=_to_display_key(recipients),
        from_text=_to_shown(senders),
        to_text=_to_shown(recipients),
        sent_at=None if sent is None else sent.at,
        sent_on=None if sent is None else sent.on,
        message_id=find_message_id(root.values.get(b"message-id")),
        in_reply_to=find_message_id(root.values.get(b"in-reply-to")),
        references=list_message_ids(root.values.get(b"references")),
        search_header=header,
        search_text=texts.search_text,
        plain_header=_to_plain(header),
        plain_text=_to_plain(texts.search_text),
        preview=texts.preview,
        has_attachments=any(is_attachment(part) for _, part in found),
    )


def _to_part(node: Node) -> Part:
    media_type, media_subtype = node.media
    parameters = node.parameters
    written = node.values.get(b"content-disposition", b"")
    disposition = parse_parameterised(written)
    filename = read_name(written, disposition.parameters, b"filename") if disposition.parameters else None
    if filename is None and parameters:
        filename = read_name(node.values.get(b"content-type", b""), parameters, b"name")
    charset = parameters.get(b"charset")
    content_id = node.values.get(b"content-id")
    return Part(
        section=node.section,
        header_at=node.header_at,
        header_size=node.body_at - node.header_at,
        body_at=node.body_at,
        body_size=node.end - node.body_at,
        encoding=_to_name(node.encoding) or "7bit",
        media_type=_to_name(media_type),
        media_subtype=_to_name(media_subtype),
        charset=None if charset is None else _to_name(charset),
        filename=filename or None,
        disposition=_to_name(disposition.value) or None,
        content_id=None if content_id is None else storable(content_id.decode("utf-8", "replace")).strip("<> ") or None,
        inner_header_size=None if node.inner is None else node.inner.body_at - node.body_at,
    )


def _to_plain(folded: str) -> str | None:
    plain = drop_accents(folded)
    return None if plain == folded else plain


def _to_name(value: bytes) -> str:
    return storable(value.decode("utf-8", "replace")).lower()


def _to_subject(value: bytes) -> str:
    return make_safe(decode_words(decode_raw(value)))[:MAX_SUBJECT_CHARACTERS]


def _to_key(addresses: list[HeaderAddress]) -> str:
    """The first address's mailbox, or its group's name (RFC 5256 §3)."""
    mailbox = addresses[0].mailbox if addresses else None
    return case_map(make_safe(decode_raw(mailbox or b""))[:MAX_KEY_CHARACTERS])


def _to_display_key(addresses: list[HeaderAddress]) -> str:
    """The first address as a list shows it: by its name, else written out (RFC 5957 §3)."""
    return case_map(_to_display(addresses[0])[:MAX_KEY_CHARACTERS]) if addresses else ""


def _to_display(address: HeaderAddress) -> str:
    if address.host is None:
        return make_safe(decode_words(decode_raw(address.mailbox or b"")))
    return address.display_name or address.spec


def _to_shown(addresses: list[HeaderAddress]) -> str:
    """The first 20 addresses for people: ``"Lee, Ann" <ann@example.org>, bob@example.org``."""
    shown = [
        write_person(name, address.spec) if (name := address.display_name) else address.spec
        for address in addresses[:MAX_SHOWN_ADDRESSES]
        if address.host is not None
    ]
    return ", ".join(shown)[:MAX_SHOWN_CHARACTERS]
