"""What is shown of an invitation, however it is written."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.mail.invitation import read_invitation

CALENDAR = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19961027T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20261201T090000
DTEND:20261201T090000Z
SUMMARY;LANGUAGE=en:Plans\\, and
  more\\nof them
LOCATION:Room 5
ORGANIZER;CN="Lovelace: Ada";ROLE=CHAIR:mailto:ada@far.test
RRULE:FREQ=WEEKLY
BEGIN:VALARM
SUMMARY:not this
END:VALARM
END:VEVENT
BEGIN:VEVENT
SUMMARY:nor this
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_invitation_says_what_when_where_and_by_whom(ends: str) -> None:
    found = read_invitation(CALENDAR.replace("\n", ends))
    assert found is not None
    assert (found.summary, found.location, found.organizer) == ("Plans, and more of them", "Room 5", "Lovelace: Ada")
    assert found.starts_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert found.ends_at == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert (found.method, found.repeats, found.is_canceled) == ("REQUEST", True, False)


def event(*lines: str) -> str:
    return "\n".join(("BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"))


@pytest.mark.parametrize(
    ("start", "moment"),
    [
        ("DTSTART;VALUE=DATE:20261201", date(2026, 12, 1)),
        ("DTSTART;TZID=Of our own:20261201T090000", datetime(2026, 12, 1, 9)),  # noqa: DTZ001 — told as it was written
        ("DTSTART;TZID=../../etc/passwd:20261201T090000", datetime(2026, 12, 1, 9)),  # noqa: DTZ001 — told as it was written
        ("dtstart:20261201T090000Z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("DTSTART:99999999T999999", None),
        ("DTSTART", None),
        ("DTSTART:", None),
    ],
)
def test_moments_are_told_as_far_as_they_are_known(start: str, moment: object) -> None:
    found = read_invitation(event(start, "SUMMARY:x"))
    assert found is not None
    assert found.starts_at == moment


def test_what_was_canceled_says_so() -> None:
    found = read_invitation(event("STATUS:CANCELLED"))
    assert found is not None
    assert found.is_canceled


@pytest.mark.parametrize("calendar", ["", "BEGIN:VCALENDAR\nEND:VCALENDAR", "hello", "BEGIN:VEVENT"])
def test_without_an_appointment_there_is_none(calendar: str) -> None:
    assert read_invitation(calendar) is None


@given(st.text(alphabet='BEGINVT:;="\\,\n DTSARZ0129', max_size=300))
def test_whatever_stands_there_raises_nothing(text: str) -> None:
    read_invitation(event(text))
    read_invitation(text)
