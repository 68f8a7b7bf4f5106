"""The part of FETCH that needs a message's bytes: never more of them than were asked for, large ones in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from api.imap.acts.excerpts import Excerpt, Message, cut_out, list_excerpts
from api.imap.acts.fetch_plan import Plan
from api.imap.acts.flagging import FlagWriter
from api.imap.outlet import ClientGone
from api.imap.replies import No
from api.imap.view import View
from api.imap.writing.fetched import UnknownEncoding
from hourpost.mailboxes.contents import Slice, read_contents, read_slices
from hourpost.mailboxes.messages import MessageRow

if TYPE_CHECKING:
    from api.imap.session import Session

_BYTES_AT_ONCE = 2 * 1024 * 1024
_STREAMED_BYTES = 1024 * 1024  # from here on a section is not held as a whole
_PIECE_BYTES = 512 * 1024


async def write_contents(
    session: Session, view: View, plan: Plan, flags: FlagWriter, rows: Sequence[MessageRow]
) -> bool:
    """Write the answers of these messages; whether the content of all was there."""
    is_whole = True
    for group in _groups(_list_messages(plan, rows)):
        if group[0].size > _STREAMED_BYTES:
            await _stream(session, view, plan, flags, group[0])
            continue
        read = iter(await _read(session, group))
        for message in group:
            contents = [next(read) for _ in message.excerpts]
            if all(len(content) == one.slice.size for content, one in zip(contents, message.excerpts, strict=True)):
                session.outlet.write(_write(view, plan, flags, message, contents))
                await session.outlet.drain()
            else:
                is_whole = False
    return is_whole


async def _read(session: Session, group: Sequence[Message]) -> Sequence[bytes]:
    """The bytes of all excerpts; whole messages come quicker than slices of them."""
    slices = [one.slice for message in group for one in message.excerpts]
    store = session.door.store
    if all(one.slice.size == message.row.size_bytes for message in group for one in message.excerpts):
        found = await store.read(read_contents, list({one.content_id for one in slices}))
        return [found.get(one.content_id, b"") for one in slices]
    return await store.read(read_slices, slices) if slices else ()


def _list_messages(plan: Plan, rows: Sequence[MessageRow]) -> Iterator[Message]:
    try:
        for row in rows:
            yield list_excerpts(plan, row)
    except UnknownEncoding:
        raise No("UNKNOWN-CTE", "a part has a transfer encoding that nobody knows") from None


def _groups(messages: Iterator[Message]) -> Iterator[list[Message]]:
    """Messages that are read together; a large one is alone."""
    group: list[Message] = []
    size = 0
    for message in messages:
        if (group and size + message.size > _BYTES_AT_ONCE) or message.size > _STREAMED_BYTES:
            if group:
                yield group
            group, size = [], 0
        if message.size > _STREAMED_BYTES:
            yield [message]
            continue
        group.append(message)
        size += message.size
    if group:
        yield group


def _write(view: View, plan: Plan, flags: FlagWriter, message: Message, contents: Sequence[bytes]) -> bytes:
    read = iter(contents)
    written = [plan.write(message.row, flags)]
    written += [one if isinstance(one, bytes) else cut_out(one, next(read)) for one in message.items]
    return b"* %d FETCH (%b)\r\n" % (view.number_of(message.row.uid), b" ".join(filter(None, written)))


async def _stream(session: Session, view: View, plan: Plan, flags: FlagWriter, message: Message) -> None:
    """Write one message whose sections are too large to be held."""
    outlet = session.outlet
    begun = plan.write(message.row, flags)
    outlet.write(b"* %d FETCH (%b" % (view.number_of(message.row.uid), begun + b" " if begun else b""))
    for number, one in enumerate(message.items):
        outlet.write(b" " if number else b"")
        if isinstance(one, bytes):
            outlet.write(one)
        elif one.is_plain and one.slice.size > _STREAMED_BYTES:
            outlet.write(b"%b {%d}\r\n" % (one.label, one.slice.size))
            await _stream_section(session, one)
        else:
            content = (await session.door.store.read(read_slices, [one.slice]))[0]
            outlet.write(cut_out(one, content))
    outlet.write(b")\r\n")
    await outlet.drain()


async def _stream_section(session: Session, one: Excerpt) -> None:
    start, end = one.slice.start, one.slice.start + one.slice.size
    for at in range(start, end, _PIECE_BYTES):
        size = min(_PIECE_BYTES, end - at)
        piece = (await session.door.store.read(read_slices, [Slice(one.slice.content_id, at, size)]))[0]
        if len(piece) != size:  # collected meanwhile; the client has been promised so many bytes
            raise ClientGone
        session.outlet.write(piece)
        await session.outlet.drain()
