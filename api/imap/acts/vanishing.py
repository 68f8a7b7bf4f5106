"""VANISHED (EARLIER): which messages a client that was away may forget (RFC 7162 §3.2.5 and §3.2.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.imap.grammar.fetching import Fetch
from api.imap.grammar.sets import Saved
from api.imap.replies import untagged
from api.imap.session import Session
from api.imap.view import View
from api.imap.writing.words import write_numbers
from hourpost.mailboxes.changes_since import list_vanished

_RANGES_A_LINE = 500


async def write_earlier(session: Session, view: View, request: Fetch, uids: Sequence[int]) -> None:
    """Tell which of the UIDs asked for have vanished since the MODSEQ asked about."""
    if isinstance(request.chosen, Saved):
        return
    since = request.changed_since or 0
    ranges = request.chosen.resolve(max(view.last_uid, view.state.uidnext - 1))
    await write_vanished(session, view, ranges, since)


async def write_vanished(session: Session, view: View, ranges: Sequence[tuple[int, int]], since: int) -> None:
    """The UIDs of ``ranges`` that vanished after ``since``; all that are not there where that is not known any more."""
    vanished = await session.door.store.read(list_vanished, view.state.folder_id, since, ranges)
    if vanished is None:
        write_ranges(session, _absent(view, ranges))
    else:
        write_ranges(session, _to_ranges(uid for uid in vanished if not view.number_of(uid)))


def write_ranges(session: Session, ranges: Sequence[tuple[int, int]]) -> None:
    """VANISHED (EARLIER), on several lines when there is much."""
    for at in range(0, len(ranges), _RANGES_A_LINE):
        some = ranges[at : at + _RANGES_A_LINE]
        text = ",".join(str(first) if first == last else f"{first}:{last}" for first, last in some)
        session.outlet.write(untagged(f"VANISHED (EARLIER) {text}"))


def write_gone(session: Session, uids: Sequence[int]) -> None:
    """VANISHED of messages that were there a moment ago."""
    session.outlet.write(untagged(f"VANISHED {write_numbers(uids)}"))


def _to_ranges(uids: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for uid in sorted(uids):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], uid)
        else:
            ranges.append((uid, uid))
    return ranges


def _absent(view: View, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The UIDs of ``ranges`` below the next one that no message has: the gaps between those that are there."""
    gaps: list[tuple[int, int]] = []
    before = 0
    for uid in [*view.uids[: view.count], view.state.uidnext]:
        if uid - before > 1:
            gaps.append((before + 1, uid - 1))
        before = uid
    return [
        (max(first, low), min(last, high))
        for low, high in gaps
        for first, last in ranges
        if max(first, low) <= min(last, high)
    ]
