"""FETCH of nothing but FLAGS, UID and MODSEQ: what clients ask of whole folders, answered from packed rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
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
    uids, modseqs, flags = rows.columns()
    columns = {"UID": uids, "MODSEQ": modseqs, "FLAGS": _write_flags(view, uids, flags, rows.keywords)}
    # A message that the client does not know has no number
    lines = filter(itemgetter(0), zip(view.numbers_of(uids), *[columns[name] for name in plan.names], strict=True))
    template = b"* %d FETCH (" + b" ".join(_TEMPLATES[name] for name in plan.names) + b")\r\n"
    while some := list(islice(lines, _LINES)):
        session.outlet.write(template * len(some) % tuple(chain.from_iterable(some)))
        await session.outlet.drain()


def _write_flags(
    view: View, uids: Sequence[int], flags: Sequence[int], keywords: Mapping[int, Sequence[int]]
) -> Sequence[bytes]:
    """The flags of each message; what they are is put together once for each combination."""
    first_recent = bisect_left(uids, view.recent_uid)
    old, recent = flags[:first_recent], flags[first_recent:]
    known = {one: write_flags(one) for one in set(old)}
    written = [known[one] for one in old]
    known = {one: write_flags(one, is_recent=True) for one in set(recent)}
    written += [known[one] for one in recent]
    if keywords:
        words = view.state.names
        for at, uid in enumerate(uids):
            if uid in keywords:
                names = [words[one] for one in keywords[uid]]
                written[at] = write_flags(flags[at], names, is_recent=at >= first_recent)
    return written


_TEMPLATES = {"FLAGS": b"FLAGS (%b)", "UID": b"UID %d", "MODSEQ": b"MODSEQ (%d)"}


async def _tell_keywords(session: Session, view: View, rows: PackedFlags) -> None:
    numbers = {number for some in rows.keywords.values() for number in some}
    await view.state.name_numbers(numbers)
    tell_keywords(session, view, [view.state.names[number] for number in sorted(numbers)])
