"""Moments as programs and people write them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.moments import MomentError, parse_moment, parse_past_moment

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
        ("yesterday", "2026-11-23T00:00"),
        ("today", "2026-11-24T00:00"),
        ("2026-11-01", "2026-11-01T00:00"),
        ("2026-12-01T09:00:00+02:00", "2026-12-01T07:00"),
        ("in 2 hours", "2026-11-24T17:30:20"),
    ],
)
def test_a_moment_to_look_back_to_is_read(text: str, moment: str) -> None:
    assert parse_past_moment(text, now=NOW) == datetime.fromisoformat(moment + "+00:00")


@pytest.mark.parametrize("text", ["ago", "2 fortnights ago", "2026-02-30", "2026-11-01T09:00", "999999999 weeks ago"])
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
