"""Invitations: what a calendar says (RFC 5545) of its first appointment, in so far as people are shown it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from hourpost.rules.moments import find_zone

MAX_CHARACTERS = 256 * 1024
_MAX_WORDS = 500
_FOLD = re.compile(r"\r?\n[ \t]")
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=("[^"\n]*"|[^";\n]*)')
_ESCAPED = re.compile(r"\\(.)")

Moment = datetime | date
"""With its zone; without one where the calendar has none, or one that nobody knows; a whole day."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """One appointment. ``method`` is REQUEST, CANCEL, REPLY … or empty; ``ends_at`` of whole days is the day after."""

    method: str
    summary: str
    location: str
    organizer: str
    starts_at: Moment | None
    ends_at: Moment | None
    repeats: bool
    is_canceled: bool


def read_invitation(calendar: str) -> Invitation | None:
    """The first appointment of a calendar; None where there is none."""
    found: dict[str, tuple[dict[str, str], str]] = {}
    method = ""
    for depth, name, parameters, value in _lines(calendar):
        if name == "METHOD" and depth == ("VCALENDAR",):
            method = value.strip().upper()[:20]
        if depth[-1:] == ("VEVENT",):
            found.setdefault(name, (parameters, value))
    if not found:
        return None
    parameters, organizer = found.get("ORGANIZER", ({}, ""))
    return Invitation(
        method=method,
        summary=_words(found, "SUMMARY"),
        location=_words(found, "LOCATION"),
        organizer=parameters.get("CN") or organizer.partition(":")[2] or organizer,
        starts_at=_moment(*found.get("DTSTART", ({}, ""))),
        ends_at=_moment(*found.get("DTEND", ({}, ""))),
        repeats="RRULE" in found,
        is_canceled=method == "CANCEL" or _words(found, "STATUS").upper() == "CANCELLED",
    )


def _lines(calendar: str) -> Iterator[tuple[tuple[str, ...], str, dict[str, str], str]]:
    """Each line up to the end of the first appointment, with what it stands in."""
    depth: tuple[str, ...] = ()
    for line in _FOLD.sub("", calendar[:MAX_CHARACTERS]).splitlines():
        head, value = _split(line)
        name = head.partition(";")[0].upper()
        if name == "BEGIN":
            depth = (*depth, value.strip().upper())[-8:]
        elif name == "END":
            if depth[-1:] == ("VEVENT",):
                return
            depth = depth[:-1]
        else:
            yield depth, name, {one[1].upper(): one[2].strip('"') for one in _PARAMETER.finditer(head)}, value


def _split(line: str) -> tuple[str, str]:
    """Name with parameters, and the value behind the first colon that no quotes hold."""
    is_quoted = False
    for at, one in enumerate(line):
        if one == '"':
            is_quoted = not is_quoted
        elif one == ":" and not is_quoted:
            return line[:at], line[at + 1 :]
    return "", ""


def _words(found: dict[str, tuple[dict[str, str], str]], name: str) -> str:
    text = found.get(name, ({}, ""))[1]
    return " ".join(_ESCAPED.sub(lambda one: " " if one[1] in "nN" else one[1], text).split())[:_MAX_WORDS]


def _moment(parameters: dict[str, str], text: str) -> Moment | None:
    text = text.strip()
    try:
        if len(text) == 8:
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
        if text.endswith("Z"):
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=find_zone(parameters.get("TZID", "")))
    except ValueError:
        return None
