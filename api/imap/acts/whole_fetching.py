"""FETCH of whole messages, as a client does that keeps a copy of everything: the next ones are read meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from api.imap.acts.fetch_plan import Plan
from api.imap.acts.flagging import FlagWriter
from api.imap.view import View
from hourpost.mailboxes.contents import read_contents
from hourpost.mailboxes.messages import MessageRow

if TYPE_CHECKING:
    from api.imap.session import Session

LARGEST_BYTES = 1024 * 1024  # a larger message is not held as a whole
_BYTES_AT_ONCE = 1024 * 1024  # of those that are being written, and as many that are being read

_Reading = asyncio.Task[Mapping[UUID, bytes]]


async def write_whole(session: Session, view: View, plan: Plan, flags: FlagWriter, rows: Sequence[MessageRow]) -> bool:
    """Write the answers of these messages; whether the content of all was there."""
    is_whole = True
    groups = list(_groups(rows))
    reading = _begin(session, groups[0]) if groups else None
    for at, group in enumerate(groups):
        assert reading is not None
        contents = await reading
        reading = _begin(session, groups[at + 1]) if at + 1 < len(groups) else None
        is_whole = await _write(session, view, plan, flags, group, contents) and is_whole
    return is_whole


def _groups(rows: Sequence[MessageRow]) -> Iterator[Sequence[MessageRow]]:
    start, size = 0, 0
    for at, row in enumerate(rows):
        if at > start and size + row["size_bytes"] > _BYTES_AT_ONCE:
            yield rows[start:at]
            start, size = at, 0
        size += row["size_bytes"]
    if rows:
        yield rows[start:]


def _begin(session: Session, group: Sequence[MessageRow]) -> _Reading:
    contents = session.door.store.read(read_contents, list({row["content_id"] for row in group}))
    reading = asyncio.get_running_loop().create_task(contents)
    reading.add_done_callback(_forget)
    return reading


def _forget(reading: _Reading) -> None:
    """Nobody may wait for it any more: the client may have gone."""
    if not reading.cancelled():
        reading.exception()


async def _write(
    session: Session,
    view: View,
    plan: Plan,
    flags: FlagWriter,
    group: Sequence[MessageRow],
    contents: Mapping[UUID, bytes],
) -> bool:
    """What was read goes out as it is: it is copied once, into the write that takes it away."""
    outlet, write, is_whole = session.outlet, plan.writer(flags), True
    labels = [one.label for one in plan.sections]
    for number, row in zip(view.numbers_of([row["uid"] for row in group]), group, strict=True):
        content = contents.get(row["content_id"], b"")
        if len(content) != row["size_bytes"]:
            is_whole = False
            continue
        begun = write(row)
        outlet.write(b"* %d FETCH (%b" % (number, begun + b" " if begun else b""))
        for place, label in enumerate(labels):
            outlet.write(b"%b%b {%d}\r\n" % (b" " if place else b"", label, len(content)))
            outlet.write(content)
        outlet.write(b")\r\n")
        if outlet.is_full:
            await outlet.drain()
    return is_whole
