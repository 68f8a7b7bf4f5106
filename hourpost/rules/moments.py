"""Moments as people and programs write them: ISO 8601 with a time zone, or a few words of English."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.IGNORECASE,
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {"a": 1, "an": 1} | {word: number for number, word in enumerate(_NUMBERS, 1)}
_LENGTH = re.compile(
    rf"\b(an? |(?:{'|'.join(_NUMBERS)}) |\d{{1,9}} ?)"
    r"(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\b",
    re.IGNORECASE,
)
_LENGTHS = rf"{_LENGTH.pattern}(?:(?:,? and |, ?| ){_LENGTH.pattern}){{0,2}}"
# "1h30m": where a short unit ends and a number begins
_BETWEEN = re.compile(r"(?<=\d[smhdw])(?=\d)", re.IGNORECASE)
_IN = re.compile(rf"in {_LENGTHS}", re.IGNORECASE)
_AGO = re.compile(rf"{_LENGTHS} ago", re.IGNORECASE)
# As people in North America write them; in summer and winter alike where no season is named
_PLACES = {"et": "America/New_York", "ct": "America/Chicago", "mt": "America/Denver", "pt": "America/Los_Angeles"}
_OFFSETS = {"utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AT = re.compile(
    rf"(today|tomorrow|(?:next |on )?(?:{'|'.join(_WEEKDAYS)}))"
    r"(?:,? (?:at )?(?:(\d{1,2})(?::(\d{2}))? ?(am|pm)?|(noon|midnight)))?"
    rf"(?: ({'|'.join((*_PLACES, *_OFFSETS))}))?",
    re.IGNORECASE,
)
MAX_DAYS_AHEAD = 366
_AHEAD = 'write ISO 8601 with a time zone ("2026-12-01T09:00:00Z"), or "in 10 minutes", or "tomorrow at 9am" (UTC)'
_AHEAD_THERE = 'write "2026-12-01 09:00", or "in 10 minutes", or "tomorrow at 9am"'
_BACK_THERE = 'write "2026-11-01 09:00", or a day ("2026-11-01"), or "2 days ago"'
_BACK = 'write ISO 8601 with a time zone ("2026-11-01T09:00:00Z"), or a day ("2026-11-01"), or "2 days ago" (UTC)'


class MomentError(ValueError):
    """The text names no moment; the message says what would."""


def write_moment(moment: datetime) -> str:
    """``moment`` (of UTC) as all answers have it, with a Z."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def find_zone(name: str) -> ZoneInfo | None:
    """The time zone of that name, such as Europe/Berlin; None for any other text."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # Windows' own names, paths, and whatever else stands there
        return None


def parse_moment(text: str, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The moment that ``text`` names, in UTC; it may lie in the past. Words are relative to ``now`` and mean UTC.

    Where a ``zone`` is given, words and dates mean that zone, unless they name one themselves.

    Understood are ISO 8601 with a time zone; "in 5 min", "in one hour and 30 minutes", "in 3 days"; "today", "tomorrow"
    or a weekday (the next one, today's too while it is earlier) "at 9am", "at 17:30", "at noon", which may end with UTC
    or a time zone of North America, "3pm ET"; without a time, the time of day of ``now``.

    Raises:
        MomentError: It is none of these, has no time zone, or lies outside the years 1 to 9999.
    """
    return _parse(text, now, zone, _AHEAD_THERE if zone else _AHEAD)


def parse_future_moment(text: str, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The same for what is to be done then. Raises: MomentError also for the past and for more than a year ahead."""
    moment = parse_moment(text, now=now, zone=zone)
    if moment < now:
        raise MomentError(f"{text[:100]!a} is in the past")
    if (moment - now).days > MAX_DAYS_AHEAD:
        raise MomentError(f"{text[:100]!a} is more than a year ahead")
    return moment


def parse_past_moment(text: str, *, now: datetime, zone: tzinfo | None = None, at_end: bool = False) -> datetime:
    """The same for looking back: also "2 days ago", "yesterday", and a date alone, which begin at 00:00.

    ``at_end``: of such a day its end is meant.

    Raises:
        MomentError: It names no moment.
    """
    words = " ".join(text.split()) if len(text) <= 100 else ""
    length = _BETWEEN.sub(" ", words)
    try:
        if _AGO.fullmatch(length) is not None:
            return now.astimezone(UTC) - _length_of(length)
        midnight = _midnight(words, now.astimezone(zone or UTC))
        if midnight is not None:
            return (midnight + timedelta(days=at_end)).astimezone(UTC)
    except OverflowError as error:
        raise MomentError(f"{text[:100]!a} is too long ago") from error
    except ValueError as error:
        raise MomentError(f"{text[:100]!a} is no day of the calendar") from error
    return _parse(text, now, zone, _BACK_THERE if zone else _BACK)


def _midnight(words: str, now: datetime) -> datetime | None:
    """The beginning of the day that the words name, in the zone of ``now``. Raises: ValueError for no day."""
    if words.lower() in ("today", "yesterday"):
        day = now - timedelta(days=words.lower() == "yesterday")
        return day.replace(hour=0, minute=0, second=0, microsecond=0)
    return datetime.fromisoformat(words).replace(tzinfo=now.tzinfo) if _DATE.fullmatch(words) else None


def _parse(text: str, now: datetime, zone: tzinfo | None, accepted: str) -> datetime:
    words = " ".join(text.split()) if len(text) <= 100 else ""
    try:
        moment = _parse_iso(words, zone) or _parse_in(words, now) or _parse_at(words, now.astimezone(zone or UTC))
        if moment is None:
            raise MomentError(f"{text[:100]!a} is not a moment: {accepted}")
        if moment.tzinfo is None:
            raise MomentError(f"{words!a} has no time zone: {accepted}")
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise MomentError(f"{text[:100]!a} is too far away") from error


def _parse_iso(words: str, zone: tzinfo | None) -> datetime | None:
    # fromisoformat also takes "2026-W49-2T09" and even a NUL at the end
    if _ISO.fullmatch(words) is None:
        return None
    try:
        moment = datetime.fromisoformat(words.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _parse_in(words: str, now: datetime) -> datetime | None:
    words = _BETWEEN.sub(" ", words)
    if _IN.fullmatch(words) is None:
        return None
    return now.astimezone(UTC) + _length_of(words.partition(" ")[2])


def _length_of(words: str) -> timedelta:
    lengths = [(number.strip().lower(), unit[0].lower()) for number, unit in _LENGTH.findall(words)]
    return timedelta(seconds=sum((_NUMBER_WORDS.get(number) or int(number)) * _UNITS[unit] for number, unit in lengths))


def _parse_at(words: str, now: datetime) -> datetime | None:
    match = _AT.fullmatch(words)
    if match is None:
        return None
    day, hour, minute, half, name, zone = match.groups()
    if zone is not None:
        here = _find_zone(zone.lower())
        if here is None:
            return None
        now = now.astimezone(here)
    number: int | None = now.hour
    if name is not None:
        number = 12 if name.lower() == "noon" else 0
    elif hour is not None:
        number = _to_24_hours(int(hour), half)
    if number is None or int(minute or 0) > 59:
        return None
    is_timed = name is not None or hour is not None
    at = now.replace(hour=number, minute=int(minute or 0), second=0, microsecond=0) if is_timed else now
    return at + timedelta(days=_days_until(day.lower(), now, may_be_today=at > now))


def _find_zone(name: str) -> tzinfo | None:
    """The zone; None where the machine has no table of that place's summers."""
    if name in _OFFSETS:
        return timezone(timedelta(hours=_OFFSETS[name])) if _OFFSETS[name] else UTC
    return find_zone(_PLACES[name])


def _days_until(day: str, now: datetime, *, may_be_today: bool) -> int:
    if day in ("today", "tomorrow"):
        return int(day == "tomorrow")
    name = day.rpartition(" ")
    days = (_WEEKDAYS.index(name[2]) - now.weekday()) % 7
    return days or (0 if may_be_today and name[0] != "next" else 7)


def _to_24_hours(hour: int, half: str | None) -> int | None:
    if half is None:
        return hour if hour <= 23 else None
    if not 1 <= hour <= 12:
        return None
    return hour % 12 + (12 if half.lower() == "pm" else 0)
