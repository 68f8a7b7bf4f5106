"""Which messages a set means, against the numbers that the client knows."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from api.imap.grammar.sets import Chosen, Saved
from api.imap.replies import Bad
from api.imap.view import View
from hourpost.rules.mail.sets import SequenceSet


def choose(view: View, chosen: Chosen, *, is_uid: bool) -> Sequence[int]:
    """The UIDs, ascending; UIDs that are not there are left out. Raises: Bad for a number that is not there."""
    if isinstance(chosen, Saved):
        return [uid for uid in view.saved if view.number_of(uid)]
    uids, count = view.uids, view.count
    spans = _spans_of_uids(view, chosen.resolve(view.last_uid)) if is_uid else _spans(chosen.resolve(count), count)
    if len(spans) == 1:
        first, end = spans[0]
        return uids[first:end]
    found = array("I")
    for first, end in spans:
        found.extend(uids[first:end])
    return found


def find_ranges(view: View, numbers: SequenceSet) -> list[tuple[int, int]]:
    """The UIDs of message numbers as ranges; numbers that are not there are passed over."""
    if not view.count:
        return []
    ranges = [(max(first, 1), min(last, view.count)) for first, last in numbers.resolve(view.count)]
    return [(view.uids[first - 1], view.uids[last - 1]) for first, last in ranges if first <= last]


def _spans(ranges: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    if ranges and ranges[-1][1] > count:
        if count == 0 and ranges[0][0] == 0:  # 1:* of nothing
            return []
        raise Bad(f"there are {count} messages")
    return [(first - 1, last) for first, last in ranges]


def _spans_of_uids(view: View, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    uids, count = view.uids, view.count
    spans = [(bisect_left(uids, first, 0, count), bisect_right(uids, last, 0, count)) for first, last in ranges]
    return [(first, end) for first, end in spans if first < end]


def ranges_of(view: View, uids: Sequence[int]) -> list[tuple[int, int]]:
    """Few ranges of UIDs that hold all of ``uids`` and no other message that the client knows."""
    if not uids:
        return []
    first_number, last_number = view.number_of(uids[0]), view.number_of(uids[-1])
    if last_number - first_number + 1 == len(uids):
        return [(uids[0], uids[-1])]
    ranges: list[tuple[int, int]] = []
    number = first_number
    start = previous = uids[0]
    for uid in uids[1:]:
        number += 1
        if view.uids[number - 1] != uid:
            ranges.append((start, previous))
            start, number = uid, view.number_of(uid)
        previous = uid
    ranges.append((start, previous))
    return ranges
