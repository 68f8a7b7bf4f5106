"""FETCH of nothing but FLAGS, UID and MODSEQ: what clients ask of whole folders, answered from packed rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from api.imap.acts.fetch_plan import Plan
from api.imap.acts.flagging import tell_keywords
from api.imap.view import View
from api.imap.writing.words import write_flags
from hourpost.mailboxes.packed_flags import PackedFlags, list_packed_flags

if TYPE_CHECKING:
    from api.imap.session import Session

_LIGHT = frozenset(("FLAGS", "UID", "MODSEQ"))
_FEWEST = 50  # messages for which it is worth it
_ROWS = 20_000  # read at once
_LINES = 500  # written at once


def is_light(plan: Plan, uids: Sequence[int]) -> bool:
    """Whether packed rows are enough, and worth it."""
    return not plan.needs_content and _LIGHT.issuperset(plan.names) and len(uids) >= _FEWEST


async def fetch_flags(session: Session, view: View, plan: Plan, uids: Sequence[int]) -> bool:
    """Write the answers for ``uids``, which follow one another in the folder; whether all were there."""
    is_whole = True
    for at in range(0, len(uids), _ROWS):
        some = uids[at : at + _ROWS]
        rows = await session.door.store.read(
            list_packed_flags,
            view.state.folder_id,
            some[0],
            some[-1],
            changed_since=plan.changed_since or 0,
        )
        is_whole = is_whole and (plan.changed_since is not None or len(rows) == len(some))
        await _write(session, view, plan, rows)
    return is_whole


async def _write(session: Session, view: View, plan: Plan, rows: PackedFlags) -> None:
    await _tell_keywords(session, view, rows)
    write = _line_writer(view, plan.names, rows.keywords)
    lines: list[bytes] = []
    uids, count, number = view.uids, view.count, 0
    for uid, modseq, flags in rows:
        number += 1
        if number > count or uids[number - 1] != uid:
            number = view.number_of(uid)
            if not number:
                continue
        lines.append(write(number, uid, modseq, flags))
        if len(lines) == _LINES:
            session.outlet.write(b"".join(lines))
            lines.clear()
            await session.outlet.drain()
    session.outlet.write(b"".join(lines))


def _line_writer(
    view: View, names: Sequence[str], keywords: Mapping[int, Sequence[int]]
) -> Callable[[int, int, int, int], bytes]:
    """Puts a line together; what the flags are is written once for each combination."""
    template = b"* %d FETCH (" + b" ".join(_TEMPLATES[name] for name in names) + b")\r\n"
    places = [("UID", "MODSEQ", "FLAGS").index(name) for name in names]
    known: dict[tuple[int, bool], bytes] = {}
    words = view.state.names

    def write(number: int, uid: int, modseq: int, flags: int) -> bytes:
        is_recent = uid >= view.recent_uid
        if uid in keywords:
            written = write_flags(flags, [words[one] for one in keywords[uid]], is_recent=is_recent)
        elif (flags, is_recent) in known:
            written = known[flags, is_recent]
        else:
            written = known[flags, is_recent] = write_flags(flags, is_recent=is_recent)
        values = (uid, modseq, written)
        return template % (number, *[values[place] for place in places])

    return write


_TEMPLATES = {"FLAGS": b"FLAGS (%b)", "UID": b"UID %d", "MODSEQ": b"MODSEQ (%d)"}


async def _tell_keywords(session: Session, view: View, rows: PackedFlags) -> None:
    numbers = {number for some in rows.keywords.values() for number in some}
    await view.state.name_numbers(numbers)
    tell_keywords(session, view, [view.state.names[number] for number in sorted(numbers)])
