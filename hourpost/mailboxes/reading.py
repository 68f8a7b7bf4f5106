"""One message made readable: its header, its text, its HTML made safe, and what is attached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from uuid import UUID

from hourpost.aside import away
from hourpost.errors import NotFound, ServiceUnavailable
from hourpost.mailboxes.contents import Slice, read_parts, read_slices
from hourpost.mailboxes.messages import MessageRow, Want, list_rows
from hourpost.mailboxes.readings import END_BYTES, WHOLE_BYTES, read_shown
from hourpost.mailboxes.store import MailStore
from hourpost.rules.header_text import decode_raw, decode_words, make_safe
from hourpost.rules.mail.body_parts import find_own_body, list_files
from hourpost.rules.mail.decoding import decode_text
from hourpost.rules.mail.fields import find_header_end, first_values, list_fields, unfold
from hourpost.rules.mail.invitation import Invitation, read_invitation
from hourpost.rules.mail.parameters import parse_parameterised
from hourpost.rules.mail.readable import beginning_of, make_page, make_text
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mime import write_content_type
from hourpost.rules.part_stream import PartDecoder

_WANT = Want.SIZE | Want.DATES | Want.IDS | Want.SUMMARY | Want.PREVIEW
_AT_ONCE_BYTES = 16 * 1024  # a page of so many takes up to 50 ms
_SLICE_BYTES = 1024 * 1024
_CALENDARS = frozenset(("text/calendar", "application/ics"))
_MOST_CALENDARS = 4

AddressOf = Callable[[str], str]
"""The address under which the part with this number is fetched."""


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A part that can be kept: it has a name, or is no text. ``section`` is its number.

    ``size_bytes`` is as it is kept, decoded. ``written_type`` is the type as the file may be sent on with: its
    parameters, such as the charset, say how its bytes are read.
    """

    section: str
    filename: str | None
    content_type: str
    content_id: str | None
    size_bytes: int
    is_inline: bool
    written_type: str


@dataclass(frozen=True, slots=True)
class ReadableMessage:
    """A message to show. ``html`` is a safe fragment or None; ``blocked_images`` were left out of it.

    What is too long to show ``is_cut``.

    ``fields`` has the first value of each header as it came, ``headers`` all of them decoded; names in lower case.
    """

    row: MessageRow
    fields: Mapping[bytes, bytes]
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    blocked_images: int
    files: tuple[AttachedFile, ...]
    invitation: Invitation | None
    is_cut: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, decoded."""
        value = self.fields.get(name.encode())
        return None if value is None else _shown(value)


async def find_row(store: MailStore, folder_id: UUID, uid: int) -> MessageRow:
    """The row of one message. Raises: NotFound."""
    rows = await store.read(list_rows, folder_id, ((uid, uid),), _WANT)
    if not rows:
        raise NotFound("There is no such message.")
    return rows[0]


async def open_raw(store: MailStore, content_id: UUID, size_bytes: int, gone: str) -> AsyncIterator[bytes]:
    """Every byte of a message or an email, ``size_bytes`` of them, a piece at a time.

    Raises: NotFound with the words ``gone`` where it is gone already; ServiceUnavailable, also between two pieces.
    """
    (first,) = await store.read(read_slices, [Slice(content_id, 0, _SLICE_BYTES)])
    if not first:
        raise NotFound(gone)
    return _go_on(store, content_id, size_bytes, first)


async def _go_on(store: MailStore, content_id: UUID, size_bytes: int, first: bytes) -> AsyncIterator[bytes]:
    yield first
    for start in range(_SLICE_BYTES, size_bytes, _SLICE_BYTES):
        (piece,) = await store.read(read_slices, [Slice(content_id, start, _SLICE_BYTES)])
        if len(piece) != min(_SLICE_BYTES, size_bytes - start):
            raise ServiceUnavailable("The message was removed while it was read.")
        yield piece


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message of an account lies."""

    account_id: UUID
    folder_id: UUID
    uid: int


async def read_message(
    store: MailStore, place: Place, address_of: AddressOf, *, with_images: bool = False
) -> ReadableMessage:
    """One message to show; large ones in their turn, in another thread. Raises: NotFound."""
    row = await find_row(store, place.folder_id, place.uid)
    if row.size_bytes <= _AT_ONCE_BYTES:
        content, parts = await _load(store, row)
        return make_readable(row, content, parts, address_of, with_images=with_images)

    async def read() -> ReadableMessage:
        async with store.readings.turn(place.account_id):
            content, parts = await _load(store, row)
            return await away(partial(make_readable, row, content, parts, address_of, with_images=with_images))

    message: ReadableMessage = await store.readings.share((row.content_id, address_of(""), with_images), read)
    return replace(message, row=row)  # another's may have been older


async def _load(store: MailStore, row: MessageRow) -> tuple[bytes, Sequence[Part]]:
    content, parts = await store.read(read_shown, row.content_id, row.size_bytes)
    if not content:
        raise NotFound("There is no such message.")
    return content, parts


async def find_part(store: MailStore, row: MessageRow, section: str) -> Part:
    """A part of a message by its number. Raises: NotFound."""
    parts = await store.read(read_parts, row.content_id)
    found = next((part for part in parts or () if part.section == section), None)
    if found is None:
        raise NotFound("There is no such attachment.")
    return found


async def stream_part(store: MailStore, row: MessageRow, part: Part) -> AsyncIterator[bytes]:
    """What a part holds, decoded, a piece at a time."""
    decoder = PartDecoder(part.encoding)
    for start in range(part.body_at, part.body_at + part.body_size, _SLICE_BYTES):
        size = min(_SLICE_BYTES, part.body_at + part.body_size - start)
        (piece,) = await store.read(read_slices, [Slice(row.content_id, start, size)])
        if decoded := decoder.feed(piece):
            yield decoded
    if rest := decoder.finish():
        yield rest


def make_readable(
    row: MessageRow, content: bytes, parts: Sequence[Part], address_of: AddressOf, *, with_images: bool
) -> ReadableMessage:
    """The message of ``content``, as ``read_shown`` gives it; never raises, whatever the bytes are."""
    fields = list_fields(content, 0, find_header_end(content, 0, len(content)))
    values = first_values(fields)
    parts, body = find_own_body(content, parts)
    inline = {part.content_id: address_of(part.section) for part in parts if part.content_id}
    page = make_page(content, body, inline, with_images=with_images)
    text = make_text(content, body)
    return ReadableMessage(
        row=row,
        fields=values,
        headers=tuple((name.decode(), _shown(unfold(value))) for name, value in fields),
        text=text.text,
        html=page.html if page else None,
        blocked_images=page.blocked_images if page else 0,
        files=tuple(_file(content, part) for part in list_files(parts, body)),
        invitation=_read_invitation(content, parts),
        is_cut=page.is_cut if page else not text.is_complete,
    )


def _read_invitation(content: bytes, parts: Sequence[Part]) -> Invitation | None:
    """What the calendar that came with the message says, whether beside its text or attached."""
    calendars = (part for part in parts if f"{part.media_type}/{part.media_subtype}" in _CALENDARS)
    some = map(beginning_of, islice(calendars, _MOST_CALENDARS))
    found = (read_invitation(decode_text(content, part)) for part in some)
    return next((one for one in found if one is not None), None)


def _file(content: bytes, part: Part) -> AttachedFile:
    kind = f"{part.media_type}/{part.media_subtype}"
    return AttachedFile(
        section=part.section,
        filename=part.filename,
        content_type=kind,
        content_id=part.content_id,
        size_bytes=_decoded_size(content, part),
        is_inline=part.content_id is not None and part.disposition != "attachment",
        written_type=write_content_type(kind, _parameters(content, part)),
    )


def _parameters(content: bytes, part: Part) -> list[tuple[str, str]]:
    """What a part's type says besides the name."""
    value = first_values(list_fields(content, part.header_at, part.header_at + part.header_size)).get(b"content-type")
    found = parse_parameterised(value).parameters if value else {}
    return [(name.decode("latin-1"), text.decode("latin-1")) for name, text in found.items() if name != b"name"]


def _decoded_size(content: bytes, part: Part) -> int:
    """How large a file is; of one in a large message, whose ends alone are there, by what its lines are like."""
    if part.encoding == "base64" and len(content) > WHOLE_BYTES and part.body_size > 2 * END_BYTES:
        return _size_by_lines(content, part)
    decoder, size = PartDecoder(part.encoding), 0
    for start in range(part.body_at, part.body_at + part.body_size, _SLICE_BYTES):
        size += len(decoder.feed(content[start : min(start + _SLICE_BYTES, part.body_at + part.body_size)]))
    return size + len(decoder.finish())


def _size_by_lines(content: bytes, part: Part) -> int:
    """The size of base64 whose lines are all as long as the first, which is what everybody writes."""
    last = content[part.body_at + part.body_size - END_BYTES : part.body_at + part.body_size]
    written = part.body_size - (len(last) - len(last.rstrip()))
    first = content[part.body_at : part.body_at + END_BYTES]
    line = first.find(b"\n") + 1
    if line:
        ending = 2 if first[line - 2 : line - 1] == b"\r" else 1
        written -= (written - 1) // line * ending
    return max(0, written // 4 * 3 - last.rstrip()[-2:].count(b"="))


def _shown(value: bytes) -> str:
    return make_safe(decode_words(decode_raw(value)))
