"""The part of FETCH that needs a message's bytes: never more of them than were asked for, large ones in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from api.imap.acts.excerpts import Excerpt, Message, cut_out, list_excerpts
from api.imap.acts.fetch_plan import Plan
from api.imap.acts.flagging import FlagWriter
from api.imap.acts.whole_fetching import LARGEST_BYTES, write_whole
from api.imap.outlet import ClientGone
from api.imap.replies import No
from api.imap.view import View
from api.imap.writing.fetched import UnknownEncoding
from hourpost.mailboxes.contents import Slice, read_slices
from hourpost.mailboxes.messages import MessageRow

if TYPE_CHECKING:
    from api.imap.session import Session

_BYTES_AT_ONCE = 2 * 1024 * 1024
_PIECE_BYTES = 512 * 1024


async def write_contents(
    session: Session, view: View, plan: Plan, flags: FlagWriter, rows: Sequence[MessageRow]
) -> bool:
    """Write the answers of these messages; whether the content of all was there."""
    is_whole = True
    answers = _Answers(session, view, plan.writer(flags))
    if not plan.is_of_whole:
        return await _write_groups(answers, _list_messages(plan, rows))
    for is_large, some in groupby(rows, lambda row: bool(row["size_bytes"] > LARGEST_BYTES)):
        if is_large:
            is_whole = await _write_groups(answers, _list_messages(plan, some)) and is_whole
        else:
            is_whole = await write_whole(session, view, plan, flags, list(some)) and is_whole
    return is_whole


async def _write_groups(answers: _Answers, messages: Iterator[Message]) -> bool:
    is_whole, outlet = True, answers.session.outlet
    for group in _groups(messages):
        if group[0].size > LARGEST_BYTES:
            await answers.stream(group[0])
            continue
        read = iter(await _read(answers.session, group))
        for message in group:
            contents = [next(read) for _ in message.excerpts]
            if all(len(content) == one.slice.size for content, one in zip(contents, message.excerpts, strict=True)):
                answers.write(message, contents)
                await outlet.drain()
            else:
                is_whole = False
    return is_whole


async def _read(session: Session, group: Sequence[Message]) -> Sequence[bytes]:
    """The bytes of all excerpts."""
    slices = [one.slice for message in group for one in message.excerpts]
    return await session.door.store.read(read_slices, slices) if slices else ()


def _list_messages(plan: Plan, rows: Iterable[MessageRow]) -> Iterator[Message]:
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
        if (group and size + message.size > _BYTES_AT_ONCE) or message.size > LARGEST_BYTES:
            if group:
                yield group
            group, size = [], 0
        if message.size > LARGEST_BYTES:
            yield [message]
            continue
        group.append(message)
        size += message.size
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _Answers:
    """Writes one answer after the other. ``begin`` writes what is read off a row."""

    session: Session
    view: View
    begin: Callable[[MessageRow], bytes]

    def write(self, message: Message, contents: Sequence[bytes]) -> None:
        """The answer for a message whose sections were read."""
        read = iter(contents)
        written = [self.begin(message.row)]
        written += [one if isinstance(one, bytes) else cut_out(one, next(read)) for one in message.items]
        number = self.view.number_of(message.row.uid)
        self.session.outlet.write(b"* %d FETCH (%b)\r\n" % (number, b" ".join(filter(None, written))))

    async def stream(self, message: Message) -> None:
        """The answer for a message whose sections are too large to be held."""
        outlet, begun = self.session.outlet, self.begin(message.row)
        number = self.view.number_of(message.row.uid)
        outlet.write(b"* %d FETCH (%b" % (number, begun + b" " if begun else b""))
        for place, one in enumerate(message.items):
            outlet.write(b" " if place else b"")
            if isinstance(one, bytes):
                outlet.write(one)
            elif one.is_plain and one.slice.size > LARGEST_BYTES:
                outlet.write(b"%b {%d}\r\n" % (one.label, one.slice.size))
                await _stream_section(self.session, one)
            else:
                content = (await self.session.door.store.read(read_slices, [one.slice]))[0]
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
