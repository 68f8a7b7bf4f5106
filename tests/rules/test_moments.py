"""Moments as programs and people write them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.moments import MomentError, find_zone, parse_moment, parse_past_moment

NOW = datetime(2026, 11, 24, 15, 30, 20, tzinfo=UTC)  # a Tuesday
LONG_AGO, FAR_AHEAD = datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("9000-01-01")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T09:00:00Z", "2026-12-01T09:00"),
        ("2026-12-01t09:00:00z", "2026-12-01T09:00"),
        ("2026-12-01T09:00:00.250+02:00", "2026-12-01T07:00:00.25"),
        ("2026-12-01 09:00+00:00", "2026-12-01T09:00"),
        ("in 1 min", "2026-11-24T15:31:20"),
        ("in 90 seconds", "2026-11-24T15:31:50"),
        ("In 2 Hours", "2026-11-24T17:30:20"),
        ("in an hour", "2026-11-24T16:30:20"),
        ("in 3 days", "2026-11-27T15:30:20"),
        ("in 1 week", "2026-12-01T15:30:20"),
        ("2026-12-01 09:00:00.123+00", "2026-12-01T09:00:00.123"),
        ("2026-12-01T09:00-05", "2026-12-01T14:00"),
        ("in one hour", "2026-11-24T16:30:20"),
        ("in twelve weeks", "2027-02-16T15:30:20"),
        ("in 1 hour and 30 minutes", "2026-11-24T17:00:20"),
        ("in 1h 30m", "2026-11-24T17:00:20"),
        ("in 1h30m", "2026-11-24T17:00:20"),
        ("in 1D2H5M", "2026-11-25T17:35:20"),
        ("in 2 days, 1 hour and 5 mins", "2026-11-26T16:35:20"),
        ("Friday at 3pm ET", "2026-11-27T20:00"),
        ("tomorrow at 9am EST", "2026-11-25T14:00"),
        ("tomorrow at 9am pdt", "2026-11-25T16:00"),
        ("today at 11am PT", "2026-11-24T19:00"),
        ("tuesday at 9am CT", "2026-12-01T15:00"),
        ("tomorrow at noon gmt", "2026-11-25T12:00"),
        ("in 10m", "2026-11-24T15:40:20"),
        ("tomorrow", "2026-11-25T15:30:20"),
        ("tomorrow at 9am", "2026-11-25T09:00"),
        ("tomorrow at 12am", "2026-11-25T00:00"),
        ("tomorrow  at 12:15 pm", "2026-11-25T12:15"),
        ("today at 17:45 UTC", "2026-11-24T17:45"),
        ("today at 9am", "2026-11-24T09:00"),
        ("tomorrow at noon", "2026-11-25T12:00"),
        ("wednesday at 8", "2026-11-25T08:00"),
        ("next tuesday at 10am", "2026-12-01T10:00"),
        ("on Monday", "2026-11-30T15:30:20"),
        ("tuesday at 5pm", "2026-11-24T17:00"),
        ("on Tuesday at 10am", "2026-12-01T10:00"),
        ("next tuesday at 5pm", "2026-12-01T17:00"),
        ("tuesday", "2026-12-01T15:30:20"),
    ],
)
def test_a_moment_is_read(text: str, moment: str) -> None:
    assert parse_moment(text, now=NOW) == datetime.fromisoformat(moment + "+00:00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2 days ago", "2026-11-22T15:30:20"),
        ("an hour ago", "2026-11-24T14:30:20"),
        ("90m ago", "2026-11-24T14:00:20"),
        ("1h30m ago", "2026-11-24T14:00:20"),
        ("one day and 2 hours ago", "2026-11-23T13:30:20"),
        ("yesterday", "2026-11-23T00:00"),
        ("today", "2026-11-24T00:00"),
        ("2026-11-01", "2026-11-01T00:00"),
        ("2026-12-01T09:00:00+02:00", "2026-12-01T07:00"),
        ("in 2 hours", "2026-11-24T17:30:20"),
    ],
)
def test_a_moment_to_look_back_to_is_read(text: str, moment: str) -> None:
    assert parse_past_moment(text, now=NOW) == datetime.fromisoformat(moment + "+00:00")


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("tomorrow at 9am", "Asia/Kolkata", "2026-11-25T03:30"),
        ("tomorrow at 9am utc", "Asia/Kolkata", "2026-11-25T09:00"),
        ("tomorrow at noon", "America/Los_Angeles", "2026-11-25T20:00"),
        ("today at 1am", "Pacific/Auckland", "2026-11-24T12:00"),  # it is Wednesday there
        ("wednesday at 8am", "Pacific/Auckland", "2026-11-24T19:00"),
        ("2026-12-01 09:00", "Europe/Berlin", "2026-12-01T08:00"),
        ("2026-07-01", "Europe/Berlin", "2026-06-30T22:00"),
        ("2026-12-01T09:00:00Z", "Europe/Berlin", "2026-12-01T09:00"),
        ("in 2 hours", "Asia/Kolkata", "2026-11-24T17:30:20"),
    ],
)
def test_days_and_times_are_those_of_the_zone_that_is_given(text: str, zone: str, moment: str) -> None:
    assert parse_moment(text, now=NOW, zone=find_zone(zone)) == datetime.fromisoformat(moment + "+00:00")


@pytest.mark.parametrize(
    ("text", "zone", "begins", "ends"),
    [
        ("2026-11-28", "Asia/Kolkata", "2026-11-27T18:30", "2026-11-28T18:30"),
        ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours long
        ("today", "Pacific/Auckland", "2026-11-24T11:00", "2026-11-25T11:00"),
        ("yesterday", "", "2026-11-23T00:00", "2026-11-24T00:00"),
        ("2026-11-01 09:00", "Asia/Kolkata", "2026-11-01T03:30", "2026-11-01T03:30"),
        ("2 days ago", "Asia/Kolkata", "2026-11-22T15:30:20", "2026-11-22T15:30:20"),
    ],
)
def test_a_day_to_look_back_to_is_that_of_the_zone_from_its_beginning_or_to_its_end(
    text: str, zone: str, begins: str, ends: str
) -> None:
    for at_end, moment in ((False, begins), (True, ends)):
        found = parse_past_moment(text, now=NOW, zone=find_zone(zone), at_end=at_end)
        assert found == datetime.fromisoformat(moment + "+00:00")


@pytest.mark.parametrize("name", ["", "Nowhere/Here", "../../etc/passwd", "/etc/passwd", "Europe", "a\0", "x" * 5000])
def test_other_texts_name_no_zone(name: str) -> None:
    assert find_zone(name) is None


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "9999-12-31 23:00"])
def test_a_day_at_an_end_of_the_calendar_is_refused_or_read(text: str) -> None:
    for zone in (find_zone("Asia/Kolkata"), find_zone("America/Los_Angeles"), None):
        with contextlib.suppress(MomentError):
            assert parse_past_moment(text, now=NOW, zone=zone, at_end=True).tzinfo is UTC


def test_where_a_zone_is_known_nobody_is_asked_to_write_one() -> None:
    with pytest.raises(MomentError) as refused:
        parse_moment("soon", now=NOW, zone=find_zone("Asia/Kolkata"))
    assert "time zone" not in str(refused.value)
    assert "UTC" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["ago", "and ago", "2 days and ago", "2 fortnights ago", "2026-02-30", "2026-11-01T09:00", "999999999 weeks ago"],
)
def test_what_names_no_moment_to_look_back_to_is_refused(text: str) -> None:
    with pytest.raises(MomentError):
        parse_past_moment(text, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "now",
        "yesterday",
        "soon",
        "in",
        "in min",
        "in -1 min",
        "in 1h30",
        "in1h30m",
        "in 1.5 hours",
        "in 2 fortnights",
        "in 3 months",
        "tomorrow at 13pm",
        "tomorrow at 0am",
        "tomorrow at 24:00",
        "tomorrow at 9:60",
        "09:00",
        "1796115600",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "20261201T090000Z",
        "2026-W49-2T09:00Z",
        "2026-12-01T09:00:00Z\0",
        "2026-12-01T25:00:00Z",
        "in 1 min" + " and more words" * 9,
        "2026-12-01T09:00:00+0",
    ],
)
def test_what_is_no_moment_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(MomentError, match="ISO 8601"):
        parse_moment(text, now=NOW)


@pytest.mark.parametrize("text", ["2026-12-01T09:00:00", "2026-12-01"])
def test_a_moment_without_time_zone_is_refused(text: str) -> None:
    with pytest.raises(MomentError, match="no time zone"):
        parse_moment(text, now=NOW)


@pytest.mark.parametrize("text", ["in 999999999 weeks", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"])
def test_a_moment_out_of_reach_is_refused(text: str) -> None:
    with pytest.raises(MomentError, match="far away"):
        parse_moment(text, now=NOW)


@given(st.datetimes(LONG_AGO, FAR_AHEAD), st.integers(-14 * 60, 14 * 60))
def test_every_moment_with_a_zone_comes_back_in_utc(moment: datetime, minutes: int) -> None:
    written = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    parsed = parse_moment(written.isoformat(), now=NOW)
    assert parsed == written
    assert parsed.tzinfo is UTC


@given(st.text(max_size=40) | st.from_regex(r"(in|tomorrow|today|\d{4}-\d\d) ?[a-z0-9: T+-]{0,20}", fullmatch=True))
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(MomentError):
        assert parse_moment(text, now=NOW).tzinfo is UTC
