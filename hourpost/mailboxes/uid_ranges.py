"""Sets of UIDs as ranges, never as lists: ``1:*`` is one pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

UidRanges = Sequence[tuple[int, int]]
"""Pairs (first, last), both within."""

LAST_UID = 2**31 - 1
ALL_UIDS: UidRanges = ((1, LAST_UID),)
_DIGITS = len(str(LAST_UID))


def find_uid(text: str) -> int | None:
    """The UID that somebody wrote; None for what is none, however long it is (Python reads no 5,000 digits)."""
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        return None
    return int(text) if 1 <= int(text) <= LAST_UID else None


def normalise_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same set in order, without overlap, within what a UID can be; pairs may be given either way round."""
    ordered = sorted((max(1, min(pair)), min(LAST_UID, max(pair))) for pair in ranges)
    merged: list[tuple[int, int]] = []
    for first, last in ordered:
        if first > last:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def ranges_of(uids: Iterable[int]) -> list[tuple[int, int]]:
    """The ranges of single UIDs."""
    return normalise_ranges((uid, uid) for uid in uids)
