"""The moment in a Date header, as RFC 5322 has it and as it is found (two-digit years, names of zones, no zone)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_TIME = r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?"
_ZONE = r"(?:\s*([+-]\d{2}:?\d{2}|[A-Za-z]{1,5}))?"
_USUAL = re.compile(
    rf"(?:[A-Za-z]+\.?,?\s*)?(\d{{1,2}})[\s-]+([A-Za-z]{{3}})[a-z]*[\s,-]+(\d{{2,4}}),?\s+{_TIME}{_ZONE}"
)
_CTIME = re.compile(rf"(?:[A-Za-z]+,?\s+)?([A-Za-z]{{3}})[a-z]*\s+(\d{{1,2}}),?\s+{_TIME}{_ZONE}\s+(\d{{4}})")
_ISO = re.compile(rf"(\d{{4}})-(\d{{2}})-(\d{{2}})[T ]{_TIME}(?:\.\d+)?{_ZONE}")
_COMMENT = re.compile(r"\([^()]*\)?")
_HOURS = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
MAX_CHARACTERS = 200


class Sent(NamedTuple):
    """The moment in UTC, and the day as the writer's calendar had it."""

    at: datetime
    on: date


def parse_date(text: str) -> Sent | None:
    """The moment of a Date header; None when there is none in it or it lies outside the years 1 to 9999."""
    text = text[:MAX_CHARACTERS].strip()
    match = _USUAL.match(text)
    if match is None and "(" in text:
        text = " ".join(_COMMENT.sub(" ", text).split())
        match = _USUAL.match(text)
    if match is not None:
        day, month, year, *time, zone = match.groups()
        return _build(_full_year(year), _MONTHS.get(month.lower(), 0), int(day), time, zone)
    if (match := _CTIME.match(text)) is not None:
        month, day, *time, zone, year = match.groups()
        return _build(int(year), _MONTHS.get(month.lower(), 0), int(day), time, zone)
    if (match := _ISO.match(text)) is not None:
        year, month, day, *time, zone = match.groups()
        return _build(int(year), int(month), int(day), time, zone)
    return None


def _build(year: int, month: int, day: int, time: list[str | None], zone: str | None) -> Sent | None:
    hour, minute, second = (int(number or 0) for number in time)
    try:
        # A leap second is the last second of its minute
        written = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return Sent(written - _offset(zone or ""), written.date())
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta:
    if zone[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "")
        size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return size if zone[0] == "+" else -size
    return timedelta(hours=_HOURS.get(zone.upper(), 0))


def _full_year(text: str) -> int:
    """RFC 5322 §4.3: two digits are 1950 to 2049, three are counted from 1900."""
    year = int(text)
    if len(text) == 4:
        return year
    return year + (2000 if len(text) == 2 and year < 50 else 1900)
