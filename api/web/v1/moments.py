"""Moments in a query that looks back: how they are written, and that the first comes before the last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from hourpost.rules.moments import parse_past_moment


@dataclass(frozen=True, slots=True)
class Typed:
    """The context of texts that a person has typed: days are those of ``zone``, and the day of an end is in it."""

    zone: tzinfo | None


def _to_moment(text: object, found: ValidationInfo) -> object:
    if not isinstance(text, str) or not text:
        return text or None
    typed = found.context if isinstance(found.context, Typed) else None
    at_end = typed is not None and found.field_name == "until"
    return parse_past_moment(text, now=datetime.now(UTC), zone=typed.zone if typed else None, at_end=at_end)


def check_end(until: datetime | None, found: ValidationInfo) -> datetime | None:
    """Pass an end behind its beginning; for the field ``until``, which follows ``since``. Raises: ValueError."""
    since = found.data.get("since")
    if until is not None and since is not None and until <= since:
        raise ValueError("must be later than `since`")
    return until


PastMoment = Annotated[
    datetime | None,
    BeforeValidator(_to_moment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]
"""ISO 8601, a day, ``2 days ago``, ``yesterday``; in UTC."""
